"""`synthgen score`: a run and data in, a calibrated anomaly score for each record out.

With `--by step` it is a score for each time step of series of any length, and `--json` is what `steps.json` holds.

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
    from pathlib import Path

    from synthgen.evaluation.anomaly import ScoreResult
    from synthgen.evaluation.timeline import TimelineResult

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
    by: Annotated[
        Literal["record", "step"],
        typer.Option("--by", help="Score records, or each time step of a table of series of any length."),
    ] = "record",
    label_column: LabelColumnOption = None,
    anomaly_label: AnomalyLabelOption = None,
    method: Annotated[
        Literal["fusion", "model", "kernel", "fusion_knn"],
        typer.Option(
            "--method", help="Score by the model, by remembered training records, by both, or by these and kNN."
        ),
    ] = "fusion",
    family: Annotated[
        str, typer.Option("--family", metavar="NAME", help="What the model measures; see --list-families.")
    ] = "denoising",
    list_families: Annotated[
        bool, typer.Option("--list-families", help="List the score families with their cost, and stop.")
    ] = False,
    condition: Annotated[
        Literal["null", "label", "best"],
        typer.Option("--condition", help="What the model is told: nothing, the record's label, the best class."),
    ] = "best",
    label_errors: Annotated[
        bool, typer.Option("--label-errors", help="Also say which labels, or masks, the model doubts.")
    ] = False,
    contamination: Annotated[
        Literal["auto"] | None,
        typer.Option("--contamination", help="auto: take odd records out of those that count as normal."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Score lines or files as they come: --data is a folder, a growing file or -."),
    ] = False,
    idle: Annotated[
        float | None, typer.Option("--idle", metavar="S", help="With --follow: stop after S seconds without news.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="With --follow: most records in memory.")] = 64,
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Say which records look anomalous to the model, with calibrated p-values and where in the record.

    Without --data, the run's own data is scored, each record marked with the split that it belongs to.
    """
    if list_families:
        text, plain = _families()
        console.result(text, plain)
        return
    for name, value in (("--q", q), ("--alpha", alpha)):
        if value is not None and not 0 < value < 1:
            raise UsageError(f"{name} {value:g}: expected a share between 0 and 1")
    if follow:
        if by == "step":
            raise UsageError("--follow takes whole records; it does not go with --by step")
        if data is None:
            raise UsageError("--follow needs --data: a folder, a file that grows, or - for a pipe")
        text, plain = _follow(
            console, run, data, out, alpha=alpha, method=method, family=family, condition=condition, seed=seed,
            idle=idle, batch=batch,
        )  # fmt: skip
        console.result(text, plain)
        return
    if by == "step":
        result_by_step = _by_step(
            console, run, data, label_errors=label_errors, contamination=contamination, out=out, q=q, alpha=alpha,
            label_column=label_column, anomaly_labels=anomaly_label or None, method=method, family=family,
            condition=condition, seed=seed, force=force,
        )  # fmt: skip
        console.result(_summarise(result_by_step), dict(result_by_step.json))
        return
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
            family=family,
            condition=condition,
            label_errors=label_errors,
            contamination=contamination,
            seed=seed,
            force=force,
            progress=progress,
        )
    console.result(summarise_scores(result), describe_scores(result))


def _by_step(
    console: Console,
    run: Path | None,
    data: str | None,
    *,
    label_errors: bool,
    contamination: str | None,
    **options: Any,
) -> TimelineResult:
    """Time steps in the place of records."""
    for name, given in (("--label-errors", label_errors), ("--contamination", contamination is not None)):
        if given:
            raise UsageError(f"{name} is about records; it does not go with --by step")
    if data is None:
        raise UsageError("--by step needs --data: a CSV or Parquet file of series")
    from synthgen.evaluation import score_timeline

    with console.progress("score") as progress:
        return score_timeline(run, data, progress=progress, **options)


def _follow(
    console: Console, run: Path | None, data: str, out: Path | None, *, alpha: float | None, **options: Any
) -> tuple[str, dict[str, Any]]:
    """Follow until it ends; the same command again goes on."""
    from pathlib import Path

    from synthgen.evaluation.follow import follow
    from synthgen.io.run import Run

    opened = Run.newest() if run is None else Run.open(run)
    place = out if out is not None else opened.path / f"follow-{Path(data).stem if data != '-' else 'stdin'}"
    with console.progress("follow") as progress:
        found = follow(opened, data, out=place, alpha=0.01 if alpha is None else alpha, progress=progress, **options)
    plain = {"scores": str(found.path), "records": found.records, "flagged": found.flagged, "errors": found.errors}
    text = f"{found.records:,} records scored, {found.flagged:,} flagged, {found.errors:,} not understood"
    return f"{text}\nscores {found.path}", plain


def _families() -> tuple[str, dict[str, Any]]:
    """The score families, for people and as `{"families": [{"name", "evaluations", "summary"}]}`."""
    from synthgen.evaluation.families import FAMILIES
    from synthgen.evaluation.measuring import Setting
    from synthgen.evaluation.scorer import HIGHEST_NOISE, LOWEST_NOISE

    rows = [
        {
            "name": item.name,
            "evaluations": item.evaluations(Setting(0.5, LOWEST_NOISE, HIGHEST_NOISE)),
            "summary": item.summary,
        }
        for item in FAMILIES.values()
    ]
    lines = [f"{'family':24}{'evaluations':>12}  what is measured"]
    lines += [f"{row['name']:24}{row['evaluations']:>12}  {row['summary']}" for row in rows]
    return "\n".join(lines), {"families": rows}


def describe_scores(result: ScoreResult) -> dict[str, Any]:
    """What `synthgen score --json` prints."""
    return dict(result.json)


def summarise_scores(result: ScoreResult) -> str:
    """The same for a person."""
    return _summarise(result)


def _summarise(result: ScoreResult | TimelineResult) -> str:
    return "\n".join([*result.verdict, f"scores {result.path}", f"report {result.report}"])
