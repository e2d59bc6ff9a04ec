"""`synthgen distill`: a run in, a run out that needs one or two network evaluations a record.

`--json`: as `synthgen train`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import ForceOption, RunOption, SetOption
from synthgen.errors import UsageError

__all__ = ["distill"]


@reporting
def distill(
    console: Console,
    *,
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN", help="The new run; RUN-distilled when absent.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Tune for this long. Not together with --samples.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", help="Tune on this many records, repeats counted.")
    ] = None,
    assignments: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Tune a trained run for sampling in one or two network evaluations.

    Consistency tuning on the data that the run was trained on.
    The new run works with every command; generate takes two evaluations.
    """
    if minutes is not None and samples is not None:
        raise UsageError("--minutes and --samples are two budgets for one tuning", hint="Give one of them.")
    from synthgen.cli.train import describe_run
    from synthgen.config import merge, parse_assignments
    from synthgen.training.distilling import distill as tune

    asked = parse_assignments(assignments or [])
    for name, keys in asked.items():
        if name != "distill" or not isinstance(keys, dict):
            raise UsageError(f"--set {name}...: only distill.KEY=VALUE can be set here")
    budget = {"minutes": minutes, "samples": samples}
    overrides = merge(asked.get("distill", {}), {key: value for key, value in budget.items() if value is not None})
    with console.progress("distill") as progress:
        tuned = tune(run, out=out, overrides=overrides, force=force, progress=progress)
    document = describe_run(tuned)
    console.result(
        f"{tuned.path}\n  tuned on {document['samples']:,} samples in {tuned.facts['seconds']:.0f} s; "
        f"{tuned.config.sampling.steps} network evaluations a record",
        document,
    )
    console.note(f"Next: synthgen generate --run {tuned.path} --n 1000" + (" --label" if tuned.schema.labels else ""))
