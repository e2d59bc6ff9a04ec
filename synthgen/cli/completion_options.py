"""Options that `impute`, `forecast` and `extend` share, and what all three do with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from synthgen.cli.console import Console
from synthgen.errors import UsageError

__all__ = ["FileArgument", "MethodOption", "OutFileOption", "place_of", "say_notes", "shares"]

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="CSV or Parquet: long, wide, lists, or one long series; UCR .tsv, .ts, .arff, .npz."
    ),
]
OutFileOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write, .csv or .parquet.")
]
MethodOption = Annotated[
    Literal["auto", "context", "guided", "replaced"],
    typer.Option(help="How the model learns what is known; auto: context where the run was trained so, else guided."),
]


def place_of(out: Path | None, usual: str, *, force: bool) -> Path:
    """Where the result goes.

    Raises:
        UsageError: something stands there.
    """
    path = Path(usual) if out is None else out
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="Choose another --out, or replace it with --force.")
    return path


def shares(text: str | None, option: str) -> tuple[float, ...]:
    """`0.05,0.5,0.95` as numbers; empty for None.

    Raises:
        UsageError: not numbers.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected numbers such as 0.05,0.5,0.95") from error


def say_notes(console: Console, facts: Mapping[str, Any]) -> None:
    """What is worth knowing about how it was made."""
    for note in facts["notes"]:
        console.note(f"Note: {note}")
