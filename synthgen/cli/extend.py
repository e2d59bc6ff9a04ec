"""`synthgen extend`: one long dated series out, on from a table's or from nothing.

`--json`: `{"out", "length", "method", "run", "seed", "windows", "notes"}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli.completion_options import MethodOption, OutFileOption, place_of, say_notes
from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    ForceOption,
    IdColumnOption,
    RunOption,
    SeedOption,
    StepsOption,
    TimeColumnOption,
)

__all__ = ["extend"]


@reporting
def extend(
    console: Console,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A table with one series to go on from; none: from nothing.")
    ] = None,
    *,
    length: Annotated[int, typer.Option("--n", "-n", metavar="N", min=1, help="How many steps.")],
    run: RunOption = None,
    out: OutFileOption = None,
    label: Annotated[str | None, typer.Option("--label", metavar="VALUE", help="Class of the series.")] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="DATE", help="First time stamp.")] = None,
    frequency: Annotated[
        str | None, typer.Option("--freq", metavar="F", help="Between stamps, as pandas says: h, D, 15min.")
    ] = None,
    method: MethodOption = "auto",
    id_column: IdColumnOption = None,
    time_column: TimeColumnOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Make one long dated series by windows that overlap.

    Each window is drawn given the end of what is there, so there are no seams.
    Memory does not grow with the length. The same seed gives the same series.
    """
    path = place_of(out, "extended.csv" if file is None else f"{file.name.partition('.')[0]}-extended.csv", force=force)
    from synthgen.generation.completing import extend_to

    with console.progress("extend") as progress:
        facts = extend_to(
            path,
            file,
            length=length,
            run=run,
            label=label,
            start=start,
            frequency=frequency,
            method=method,
            steps=steps,
            seed=seed,
            id_column=id_column,
            time_column=time_column,
            progress=progress,
        )
    console.result(f"{length:,} steps in {facts['windows']:,} windows: {path}", {"out": path, **facts})
    say_notes(console, facts)
