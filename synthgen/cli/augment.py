"""`synthgen augment`: a run and real training data in, real + synthetic data with an `origin` column out.

`--json`: as `synthgen generate --json`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.generate import describe_dataset
from synthgen.cli.shared_options import (
    DataOption,
    ForceOption,
    GuidanceOption,
    OutOption,
    RunOption,
    SeedOption,
    StepsOption,
)
from synthgen.errors import UsageError

__all__ = ["augment"]


@reporting
def augment(
    console: Console,
    *,
    run: RunOption = None,
    data: DataOption = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", metavar="R", help="Synthetic records for each real one; 1 when absent.")
    ] = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="Fill every class up to the largest instead of a ratio.")
    ] = False,
    guidance: GuidanceOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    format: Annotated[
        str | None, typer.Option("--format", "-f", metavar="F", help="Name from `synthgen list writers`.")
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
) -> None:
    """Add synthetic records to a real training set, each row marked real or synthetic."""
    if data is None:
        raise UsageError("which training set?", hint="Add --data with a file, a folder or the name of a demo set.")
    if ratio is not None and balance:
        raise UsageError("--ratio and --balance are two answers to how many", hint="Give one of them.")
    if ratio is not None and ratio <= 0:
        raise UsageError(f"--ratio {ratio:g}: expected more than 0")
    amount: dict[str, Any] = {"balance": True} if balance else {"ratio": 1.0 if ratio is None else ratio}
    chosen = {"guidance": guidance, "steps": steps, "format": format, "out": out}
    from synthgen.generate import augment as augment_data

    with console.progress("augment") as progress:
        dataset = augment_data(
            run,
            data,
            seed=seed,
            force=force,
            progress=progress,
            **amount,
            **{name: value for name, value in chosen.items() if value is not None},
        )
    document = describe_dataset(dataset)
    console.result(f"{document['dataset']}\n  {document['n']:,} records in format {document['format']}", document)
