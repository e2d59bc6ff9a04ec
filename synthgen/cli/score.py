"""`synthgen score`: a run and data in, a calibrated anomaly score for each record out.

`--json`: what `score.json` holds: `{"verdict": [...], "scores", "report", "run", "data", "records", "flagged", "q",
"detectors": [{"name", "auroc", ...}], "oddest": [...], "notes": [...], ...}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    AnomalyLabelOption,
    DataOption,
    ForceOption,
    LabelColumnOption,
    OutOption,
    RunOption,
    SeedOption,
)
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from synthgen.evaluation.anomaly import ScoreResult

__all__ = ["describe_scores", "score", "summarise_scores"]


@reporting
def score(
    console: Console,
    *,
    run: RunOption = None,
    data: DataOption = None,
    out: OutOption = None,
    q: Annotated[
        float, typer.Option("--q", metavar="Q", help="Share of false flags among the flagged (Benjamini-Hochberg).")
    ] = 0.1,
    alpha: Annotated[
        float | None, typer.Option("--alpha", metavar="A", help="Flag every p-value up to A instead, each by itself.")
    ] = None,
    label_column: LabelColumnOption = None,
    anomaly_label: AnomalyLabelOption = None,
    method: Annotated[
        Literal["denoising", "fusion"],
        typer.Option("--method", help="Denoising error, or fused with the nearest-neighbour distance."),
    ] = "denoising",
    condition: Annotated[
        Literal["null", "label", "best"],
        typer.Option("--condition", help="What the model is told: nothing, the record's label, the best class."),
    ] = "null",
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Say which records look anomalous to the model, with calibrated p-values and where in the record.

    Without --data, the run's own data is scored, each record marked with the split that it belongs to.
    """
    for name, value in (("--q", q), ("--alpha", alpha)):
        if value is not None and not 0 < value < 1:
            raise UsageError(f"{name} {value:g}: expected a share between 0 and 1")
    from synthgen.evaluation import score as score_data

    with console.progress("score") as progress:
        result = score_data(
            run,
            data,
            out=out,
            q=q,
            alpha=alpha,
            label_column=label_column,
            anomaly_labels=anomaly_label or None,
            method=method,
            condition=condition,
            seed=seed,
            force=force,
            progress=progress,
        )
    console.result(summarise_scores(result), describe_scores(result))


def describe_scores(result: ScoreResult) -> dict[str, Any]:
    """What `synthgen score --json` prints."""
    return dict(result.json)


def summarise_scores(result: ScoreResult) -> str:
    """The same for a person."""
    return "\n".join([*result.verdict, f"scores {result.path}", f"report {result.report}"])
