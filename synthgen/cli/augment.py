"""`synthgen augment`: a run and real training data in, real + synthetic data with an `origin` column out.

`--json`: as `synthgen generate --json`, and `"origin": {"real", "synthetic"}`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.generate import describe_dataset, summarise_dataset
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
    """Add synthetic records to a real training set, each row marked real or synthetic.

    Without --data, to the training records of the run itself.
    """
    if ratio is not None and balance:
        raise UsageError("--ratio and --balance are two answers to how many", hint="Give one of them.")
    if ratio is not None and ratio <= 0:
        raise UsageError(f"--ratio {ratio:g}: expected more than 0")
    from synthgen.generation import augment as augment_data

    with console.progress("augment") as progress:
        dataset = augment_data(
            run,
            data,
            ratio=ratio,
            balance=balance,
            guidance=guidance,
            steps=steps,
            seed=seed,
            format=format,
            out=out,
            force=force,
            progress=progress,
        )
    document = describe_dataset(dataset)
    console.result(summarise_dataset(document), document)
