"""`synthgen forecast`: a table of series in, what may come after each of them out.

`--json`: `{"out", "series", "horizon", "samples", "quantiles", "method", "run", "seed", "notes", ...}`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgen.cli.completion_options import FileArgument, MethodOption, OutFileOption, place_of, say_notes, shares
from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    ForceOption,
    IdColumnOption,
    RunOption,
    SeedOption,
    StepsOption,
    TimeColumnOption,
)

__all__ = ["forecast"]


@reporting
def forecast(
    console: Console,
    file: FileArgument,
    *,
    horizon: Annotated[int, typer.Option("--horizon", metavar="H", min=1, help="Steps into the future.")],
    run: RunOption = None,
    out: OutFileOption = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="S", min=1, help="Futures drawn of each series; each is a whole path.")
    ] = 100,
    quantiles: Annotated[
        str | None,
        typer.Option("--quantiles", metavar="Q,...", help="Write these quantiles, such as 0.1,0.5,0.9, for the draws."),
    ] = None,
    method: MethodOption = "auto",
    id_column: IdColumnOption = None,
    time_column: TimeColumnOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Draw what may come after each series of your table.

    A row a step: unique_id, ds, channel (of several), sample or quantile, y. The time stamps go on from your own.
    """
    path = place_of(out, f"{file.name.partition('.')[0]}-forecast.csv", force=force)
    asked = shares(quantiles, "--quantiles")
    from synthgen.generation.completing import forecast as look_ahead
    from synthgen.generation.completing import write_completion

    with console.progress("forecast") as progress:
        found = look_ahead(
            file,
            horizon=horizon,
            run=run,
            samples=samples,
            quantiles=asked,
            method=method,
            steps=steps,
            seed=seed,
            id_column=id_column,
            time_column=time_column,
            progress=progress,
        )
    written = write_completion(found, path)
    facts = found.facts
    what = f"{len(asked)} quantiles of {samples} draws" if asked else f"{samples} draws"
    console.result(
        f"{horizon} steps after {facts['series']:,} series, {what}: {written['table']}",
        {"out": written["table"], **facts},
    )
    say_notes(console, facts)
