"""What the command line says when something goes wrong: one sentence, what to do, and the exit code.

0 ok    1 failure    2 usage or configuration    3 quality gate not met    4 plugin missing or failed    130 interrupted
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from synthgen.errors import SynthgenError, is_out_of_memory

__all__ = ["INTERRUPTED", "Failure", "explain"]

INTERRUPTED = 130

_SMALLER = "Try a smaller --set optim.batch_size, --set sampling.batch_size or --image-size."


@dataclass(frozen=True)
class Failure:
    """An error in words.

    Args:
        kind: name of the exception's class, for `--json`.
        message: what is wrong and where.
        hint: what to do; may be empty.
        exit_code: see above.
    """

    kind: str
    message: str
    hint: str
    exit_code: int

    def text(self) -> str:
        """For stderr."""
        return f"Error: {self.message}" + (f"\n{self.hint}" if self.hint else "")

    def document(self) -> dict[str, dict[str, str | int]]:
        """For stdout with `--json`."""
        return {
            "error": {"kind": self.kind, "message": self.message, "hint": self.hint, "exit_code": self.exit_code},
        }


def explain(error: BaseException) -> Failure:
    """The failure that an exception stands for; one that nobody foresaw is called a bug."""
    kind = type(error).__name__
    if isinstance(error, SynthgenError):
        return Failure(kind, error.message, error.hint, error.exit_code)
    if is_out_of_memory(error):
        return Failure(kind, f"out of memory: {_first_line(error) or 'an allocation failed'}", _SMALLER, 1)
    if isinstance(error, OSError) and (sentence := _storage(error)):
        return Failure(kind, sentence, "", 1)
    if "torchvision" in str(error):
        from synthgen.cli.torch_pair import diagnose

        if (problem := diagnose(str(error))) is not None:
            return Failure(kind, problem.message, problem.remedy, 1)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("synthgen"):
        package = error.name.partition(".")[0]
        return Failure(
            kind, f"the Python package {package} is not installed", f"Try: python -m pip install {package}", 1
        )
    return Failure(
        kind, f"{kind}: {_first_line(error) or 'no message'}", "This is a bug; --debug shows the traceback.", 1
    )


def _storage(error: OSError) -> str:
    where = f" at {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full{where}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no permission{where}"
        case _:
            return ""


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
