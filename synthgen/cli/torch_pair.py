"""Recognise a torch and a torchvision that do not belong together, from the text of the import error alone.

The commonest broken installation: torch from a CPU-only wheel (`2.13.0+cpu`) beside the ordinary torchvision, whose
library then looks for CUDA symbols. Importing torchvision fails with `operator torchvision::nms does not exist`,
and so does everything that imports torchvision, which is most of tsai.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Problem", "diagnose"]

_SYMPTOMS = (
    "operator torchvision::nms does not exist",
    "libcudart",
    "libtorch_cuda.so",
    "undefined symbol",
    "couldn't load custom c++ ops",
)


@dataclass(frozen=True)
class Problem:
    """Something wrong with the machine, and what to do about it, a sentence each."""

    message: str
    remedy: str


def diagnose(text: str, versions: Mapping[str, str] | None = None) -> Problem | None:
    """The problem behind the text of an import error, or None when it is another one.

    Args:
        text: what Python printed.
        versions: installed versions of `torch` and `torchvision`; asked of the environment when absent.
    """
    lowered = text.lower()
    if "torchvision" not in lowered or not any(symptom in lowered for symptom in _SYMPTOMS):
        return None
    found = _installed() if versions is None else versions
    torch, torchvision = found.get("torch", "missing"), found.get("torchvision", "missing")
    builds = torch.partition("+")[2], torchvision.partition("+")[2]
    if builds[0] != builds[1]:
        why = (
            f"torch {torch} and torchvision {torchvision} are different builds "
            f"({builds[0] or 'ordinary'} and {builds[1] or 'ordinary'})"
        )
    else:
        why = f"torch {torch} and torchvision {torchvision} do not belong together"
    return Problem(
        f"{why}, so torchvision and everything that uses it (tsai) cannot be imported",
        "Install both from the same place in one command: "
        'python -m pip install --force-reinstall "torch>=2.14" "torchvision>=0.29.1"; '
        "for CPU-only wheels give that command the index or folder that your torch came from, for both.",
    )


def _installed() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
