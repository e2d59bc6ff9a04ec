"""What a shell may complete after an option: names that plugins provide, finished runs. Imports nothing heavy.

`synthgen --install-completion` sets it up for the shell at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["complete_names", "complete_runs"]


def complete_names(kind: str) -> Callable[[str], list[str]]:
    """A completion of the names of one kind, such as `"samplers"`."""

    def complete(incomplete: str) -> list[str]:
        from synthgen import registry

        return [name for name in registry.names(kind) if name.startswith(incomplete)]

    return complete


def complete_runs(incomplete: str) -> list[str]:
    """Directories below `runs/` that hold a run."""
    found = sorted(str(path.parent) for path in Path("runs").glob("*/run.json"))
    return [path for path in found if path.startswith(incomplete)]
