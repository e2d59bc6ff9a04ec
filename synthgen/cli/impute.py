"""`synthgen impute`: a table with gaps in, the same table filled out.

`--json`: `{"out", "quantiles", "series", "values", "imputed", "samples", "method", "run", "seed", "notes", ...}`.
"""

from __future__ import annotations

from pathlib import Path
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

__all__ = ["impute"]


@reporting
def impute(
    console: Console,
    file: FileArgument,
    *,
    run: RunOption = None,
    out: OutFileOption = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="S", min=1, help="1: one draw. More: the median, and quantiles beside.")
    ] = 1,
    quantiles: Annotated[
        str, typer.Option("--quantiles", metavar="Q,...", help="Of the draws, with more than one.")
    ] = "0.05,0.5,0.95",
    method: MethodOption = "auto",
    id_column: IdColumnOption = None,
    time_column: TimeColumnOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Fill the missing values of your table with a trained run.

    Layout, order and every known value stay; a column imputed names what was filled in a row.
    Series may be longer than what the run was trained on.
    """
    path = place_of(out, f"{file.name.partition('.')[0]}-imputed{_suffix(file)}", force=force)
    asked = shares(quantiles, "--quantiles")
    from synthgen.generation.completing import impute as fill_table
    from synthgen.generation.completing import write_completion

    with console.progress("impute") as progress:
        found = fill_table(
            file,
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
    lines = [
        f"{facts['imputed']:,} of {facts['values']:,} values of {facts['series']:,} series filled: {written['table']}"
    ]
    if "quantiles" in written:
        lines.append(f"  quantiles of {samples} draws: {written['quantiles']}")
    console.result("\n".join(lines), {"out": written["table"], "quantiles": written.get("quantiles"), **facts})
    say_notes(console, facts)


def _suffix(file: Path) -> str:
    """The file's own where a table comes back as it was; the archives' formats become Parquet, a list a series."""
    suffix = file.suffix.lower()
    if suffix == ".gz":
        return "".join(file.suffixes[-2:])
    if suffix in (".tsv", ".txt") and file.is_file():
        with file.open(encoding="utf-8", errors="replace") as text:
            cells = text.readline().replace(",", " ").split()
        return ".parquet" if len(cells) > 1 and all(map(_is_number, cells[1:])) else file.suffix
    return ".parquet" if suffix in (".ts", ".arff", ".npz") else file.suffix


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace("?", "nan"))
    except ValueError:
        return False
    return True
