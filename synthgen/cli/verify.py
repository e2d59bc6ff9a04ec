"""`synthgen verify DIR`: is every file of a run or data set what was written? `--repair` makes lost shards again.

`--json`: `{"path", "kind": "run" | "data set", "files", "faults": [{"path", "problem", "shard"}], "repaired": [...]}`.
Exit code 1 when faults remain.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthgen.cli.console import Console, reporting

if TYPE_CHECKING:
    from synthgen.generation.verifying import Verification

__all__ = ["verify"]

_SHOWN = 20


@reporting
def verify(
    console: Console,
    *,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run or a data set.", show_default=False, exists=False)
    ],
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the lost or changed files of a data set again, byte for byte.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="The run that made the data set, if it is no longer where it was."),
    ] = None,
) -> None:
    """Compare every file of a run or data set with its manifest, and say which is wrong."""
    from synthgen.generation import verify as verify_directory

    with console.progress("verify") as progress:
        found = verify_directory(directory, repair=repair, run=run, progress=progress)
    document = dataclasses.asdict(found)
    console.result(_text(found), document)
    if found.faults:
        raise typer.Exit(1)


def _text(found: Verification) -> str:
    lines = [f"{path} was made again" for path in found.repaired[:_SHOWN]]
    if len(found.repaired) > _SHOWN:
        lines.append(f"... and {len(found.repaired) - _SHOWN} more")
    if not found.faults:
        return "\n".join(
            [*lines, f"{found.path}: all {found.files} files of the {found.kind} are as they were written"]
        )
    lines.append(f"{found.path}: {len(found.faults)} of {found.files} files of the {found.kind} are not as written")
    lines += [f"  {fault.path}: {fault.problem}" for fault in found.faults[:_SHOWN]]
    if len(found.faults) > _SHOWN:
        lines.append(f"  ... and {len(found.faults) - _SHOWN} more")
    if found.kind == "data set" and not found.repaired:
        lines.append(f"Next: synthgen verify {found.path} --repair")
    return "\n".join(lines)
