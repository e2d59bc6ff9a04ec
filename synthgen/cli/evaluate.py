"""`synthgen evaluate`: a run and a synthetic data set in, a report out.

`--json`: `{"report", "verdict": [...], "metrics": [...], "run", "synthetic"}`, a metric being
`{"name", "value", "ci", "floor", "n", "better", "error"}`; the rest of `report.json` as well. Of several data sets each
metric names its own under `synthetic`, and `datasets` has one document for each. A gate that was not met is an error;
the report is written all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import OutOption, RunOption, parse_pairs
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from synthgen.evaluation import Report

__all__ = ["describe_report", "evaluate"]


@reporting
def evaluate(
    console: Console,
    *,
    run: RunOption = None,
    synthetic: Annotated[
        list[Path] | None,
        typer.Option(
            "--synthetic",
            metavar="DIR...",
            help="Synthetic data set; the run's newest when absent. Several are compared in one report.",
        ),
    ] = None,
    real: Annotated[
        str | None, typer.Option("--real", metavar="D", help="Real test data; the run's own holdout when absent.")
    ] = None,
    out: OutOption = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="M=V", help="Exit with 3 when metric M is below V; repeat for several."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="K", min=1, help="Judges trained a comparison: 3, fast 1, full 5 when absent."),
    ] = None,
    judge: Annotated[
        str,
        typer.Option("--judge", metavar="KIND", help="Downstream model; series: minirocket, fcn or inceptiontime."),
    ] = "default",
    fast: Annotated[bool, typer.Option("--fast", help="One judge and fewer records: a first look.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="More judges and records, few labels, a learning curve: the last word.")
    ] = False,
) -> None:
    """Say whether the synthetic data looks right, helps a downstream model and leaks the training data.

    Writes report.html, report.json and report.md. Every number has its 95 %
    interval and what real against real data would reach.
    """
    gates = _gates(fail_under)
    from synthgen.evaluation import evaluate as evaluate_dataset

    with console.progress("evaluate") as progress:
        report = evaluate_dataset(
            run,
            synthetic or None,
            real=real,
            out=out,
            fail_under=gates,
            seeds=seeds,
            fast=fast,
            full=full,
            judge=judge,
            progress=progress,
        )
    document = describe_report(report)
    console.result(_summary(report, document), document)


def describe_report(report: Report) -> dict[str, Any]:
    """What `synthgen evaluate --json` prints: `report.json` and where it is."""
    return {"report": str(report.html), **report.json}


def _summary(report: Report, document: dict[str, Any]) -> str:
    return "\n".join([*report.verdict, f"report {document['report']}"])


def _gates(texts: list[str] | None) -> dict[str, float]:
    gates: dict[str, float] = {}
    for name, value in parse_pairs(texts, "--fail-under", "tstr_ratio=0.9").items():
        try:
            gates[name] = float(value)
        except ValueError as error:
            raise UsageError(f"--fail-under {name}={value}: {value!r} is not a number") from error
    return gates
