"""Where a command's words go: the result to stdout, everything else to stderr.

With `--json` the result is one JSON document and nothing else reaches stdout, so that `synthgen ... --json | jq` works;
progress on stderr is then one JSON object a line, `{"event": "train", "kind": "step", "samples": ..., "loss": ...}`.
An error is a document too: `{"error": {"kind", "message", "hint", "exit_code"}}`.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from synthgen.cli.crowding import remark, wants_remark
from synthgen.cli.progress import Progress

__all__ = ["Console", "as_json", "reporting"]

_PANEL = "Output"
_HANDLER = "synthgen.cli"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout instead of text.", rich_help_panel=_PANEL)
]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Say more; twice for all.", rich_help_panel=_PANEL)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.", rich_help_panel=_PANEL)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_PANEL)]


@dataclass(frozen=True)
class Console:
    """What a command is given to speak with.

    Args:
        json: the result is a JSON document.
        verbosity: -1 quiet, 0 normal, 1 and 2 say more.
    """

    json: bool = False
    verbosity: int = 0

    def result(self, text: str, document: Any) -> None:
        """The command's one result: `document` with `--json`, otherwise `text`. Of a torchrun launch, rank 0 speaks."""
        if _follows():
            return
        sys.stdout.write((as_json(document) if self.json else text.rstrip("\n")) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """A remark for a person, on stderr; silent with `--quiet`, an event of its own with `--json`."""
        if self.verbosity >= 0:
            self._say(as_line({"event": "note", "text": text}) if self.json else text)

    def detail(self, text: str) -> None:
        """A remark for a person who asked for more with `--verbose`."""
        if self.verbosity >= 1:
            self._say(text)

    def progress(self, title: str) -> Progress:
        """A context manager whose value takes progress events; on cores that others use, a remark comes first."""
        if self.verbosity >= 0 and wants_remark(title) and (text := remark()):
            self.note(text)
        events = as_line if self.json else None
        return Progress(title, shown=self.verbosity >= 0, events=events)

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()


def _follows() -> bool:
    return bool(os.environ.get("TORCHELASTIC_RUN_ID")) and os.environ.get("RANK", "0") != "0"


def as_json(document: Any) -> str:
    """Standard JSON: paths as strings, arrays as lists, NaN and infinity as null."""
    return json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def as_line(document: Any) -> str:
    """The same on a single line."""
    return json.dumps(_plain(document), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if value - value == 0 else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case Path():
            return str(value)
    if hasattr(value, "tolist"):  # numpy and torch, scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json`, `-v`, `-q` and `--debug` to a command whose first argument is a `Console`."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (
            ("json_output", False, JsonOption),
            ("verbose", 0, VerboseOption),
            ("quiet", False, QuietOption),
            ("debug", False, DebugOption),
        )
    ]

    @functools.wraps(command)
    def wrapper(*, json_output: bool, verbose: int, quiet: bool, debug: bool, **values: Any) -> None:
        console = Console(json=json_output, verbosity=-1 if quiet or _follows() else verbose)
        _configure_logging(console.verbosity)
        command(console, **values)

    wrapper.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return wrapper


def _configure_logging(verbosity: int) -> None:
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    logger = logging.getLogger("synthgen")
    handler = logging.StreamHandler()
    handler.set_name(_HANDLER)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.handlers = [*(each for each in logger.handlers if each.get_name() != _HANDLER), handler]
    logger.setLevel(level)
