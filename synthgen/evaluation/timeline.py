"""`score --by step`: a score for each time step of a user's own series, by a run that was trained on windows.

The table that comes out has a row for each row of the user's table. Scores of windows are averaged over the windows
that cover a step (`synthgen.evaluation.steps`), and become p-values by stretches of the run's calibration split, in
blocks of a window (`synthgen.evaluation.stretches`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from synthgen.api import Timelines
from synthgen.errors import DataError, UsageError
from synthgen.evaluation import timeline_report
from synthgen.evaluation.calibration import Uniformity, benjamini_hochberg, check_alpha, uniformity
from synthgen.evaluation.channels import ChannelMaps, has_channels
from synthgen.evaluation.score_request import calibration_positions, destination, open_run, refuse_to_overwrite
from synthgen.evaluation.score_table import write_table
from synthgen.evaluation.scorer import CalibratedScorer, Method, Model
from synthgen.evaluation.steps import StepScores, score_steps, window_starts
from synthgen.evaluation.stretches import StepCalibration
from synthgen.evaluation.timeline_report import Found, events, verdict
from synthgen.evaluation.truth import anomalous_labels
from synthgen.evaluation.volume import period, vus_pr
from synthgen.io.atomic import remove, remove_leftovers
from synthgen.io.lock import locked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.evaluation.denoising import ScoringCondition
    from synthgen.io.run import Run

__all__ = ["TimelineResult", "score_timeline"]

_CHECKED_WINDOWS = 300
_TRAINING_WINDOWS = 64  # looked for in the series

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class TimelineResult:
    """What `score_timeline` left behind."""

    path: Path
    """`steps.parquet`"""
    report: Path
    """`steps.html`; `steps.json` lies beside it."""
    table: pd.DataFrame
    """One row a time step, see `score_timeline`."""
    flagged: int
    verdict: tuple[str, ...]
    json: Mapping[str, Any]
    """What `steps.json` holds."""


def score_timeline(
    run: Run | Path | str | None = None,
    data: Path | str | pd.DataFrame = "",
    *,
    out: Path | str | None = None,
    q: float = 0.1,
    alpha: float | None = None,
    label_column: str | None = None,
    anomaly_labels: Sequence[str] | None = None,
    method: Method = "fusion",
    family: str = "denoising",
    condition: ScoringCondition = "best",
    stride: int | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> TimelineResult:
    """Score each time step of one or several long series.

    The table has a row for each row of the data, in its order (or, where series stand in rows or lists, a row for each
    series and step): `series` and `step`, the time stamp under its own name, `score`, `p`, `q`, `flagged`, `map` (how
    badly the step itself is restored, robust z), one column a detector and, with several channels, `map_<channel>`.

    Args:
        run: a run on series or its directory; None: the newest.
        data: a CSV or Parquet file or a frame with the run's channels.
        out: a directory, or the path of the Parquet file; None: `steps-<data>` in the run.
        q: flags keep the expected share of false alarms among the flagged steps at or below q.
        alpha: flag by p <= alpha instead.
        label_column: column of the data that says of each step whether it is anomalous.
        anomaly_labels: the values that mean so; None: `1`, `true`, `anomaly` and the like.
        method, family, condition, seed: see `synthgen.score`; a step has no class of its own to be told.
        stride: steps between windows; None: a quarter of a window.
        force: overwrite the scores of another request.
        progress: called with `{"kind": "score", "records": int, "total": int}`, windows in the place of records.

    Raises:
        UsageError: a run whose records are no series, q or alpha out of range, an unknown label, or results of another
            request in the way.
        DataError: the data lacks a channel, or no series is as long as a window.
        StorageError: the results cannot be written.
    """
    if not 0 < q < 1:
        raise UsageError(f"q is a share of false alarms between 0 and 1, not {q}")
    if condition == "label":
        raise UsageError("time steps have no class to be told", hint="Use the condition best or null.")
    opened = open_run(run)
    found = _timelines(opened, data)
    name = "frame" if isinstance(data, pd.DataFrame) else str(data)
    truth, truth_note = _truth(found, label_column, anomaly_labels)
    path, directory = _destination(opened, name, out)
    request = {
        "run": opened.fingerprint, "data": name, "steps": sum(one.shape[1] for one in found.series), "q": q,
        "alpha": alpha, "label_column": label_column, "anomaly_labels": list(anomaly_labels or ()), "method": method,
        "family": family, "condition": condition, "stride": stride, "seed": seed,
    }  # fmt: skip
    with locked(directory, "scoring"):
        refuse_to_overwrite(path, request, force=force)
        remove_leftovers(directory, below=False)
        own = opened.source()
        calibration, calibration_note = calibration_positions(opened)
        model = Model(opened.denoiser(), opened.codec(), opened.modality, opened.schema, opened.config.noise.sigma_data)
        scorer = CalibratedScorer(model, family=family, condition=condition, seed=seed)
        column, length = scorer.column(method), opened.schema.shape[1]
        wanted = [
            window_starts(one.shape[1], length, stride).size if one.shape[1] >= length else 0 for one in found.series
        ]
        telling = _telling(progress, len(calibration) + sum(wanted))
        scorer.fit(own, train=opened.split.train, calibration=calibration, progress=telling(0))
        calibrated = StepCalibration.of(scorer, own, calibration, stride=stride)
        if alpha is not None:
            check_alpha(alpha, calibrated.size)
        scored = _scored(scorer, found, wanted, stride, telling, before=len(calibration))
        table = _table(found, scored, calibrated, column, truth, q=q, alpha=alpha, scorer=scorer)
        unseen = np.setdiff1d(opened.split.holdout, calibration)
        summary = Found(
            data=name,
            table=table,
            timelines=found,
            channels=tuple(channel.name for channel in opened.schema.channels),
            detectors=_against_truth(found, scored, truth, tuple(scorer.calibration)),
            method=column,
            window=length,
            blocks=calibrated.size,
            stretches=calibrated.stretches,
            q=q,
            alpha=alpha,
            short=sum(count == 0 for count in wanted),
            seen=_holds_training(found, own, opened.split.train),
            uniformity=_checked(scorer, own, unseen, calibrated, column, stride),
            map_threshold=scorer.maps.threshold(),
            notes=tuple(note for note in (calibration_note, truth_note) if note),
        )
        remove(directory / "steps.json")  # where it is, everything beside it belongs together
        write_table(path, table, request)
        report, facts = timeline_report.write(directory, summary, request=request, run=opened.path, scores=path)
    return TimelineResult(
        path=path,
        report=report,
        table=table,
        flagged=int(table["flagged"].sum()),
        verdict=tuple(sentence for _, sentence in verdict(summary, events(summary))),
        json=facts,
    )


def _timelines(run: Run, data: Path | str | pd.DataFrame) -> Timelines:
    reading = getattr(run.modality, "timelines", None)
    if reading is None or len(run.schema.shape) != 2:
        raise UsageError(
            f"time steps are scored for series, and {run.path} was trained on {run.modality.name}",
            hint="Leave --by step out, or name a run on series with --run.",
        )
    if not isinstance(data, pd.DataFrame) and not str(data):
        raise UsageError("nothing to score step by step", hint="Name a CSV or Parquet file with --data.")
    found: Timelines = reading(data, run.schema, run.config.data)
    length = run.schema.shape[1]
    longest = max((one.shape[1] for one in found.series), default=0)
    if longest < length:
        raise DataError(
            f"the longest series has {longest} steps, and the run was trained on {length}",
            hint="Score records with --by record, or train with a smaller data.window.",
        )
    return found


def _destination(run: Run, name: str, out: Path | str | None) -> tuple[Path, Path]:
    if out is None:
        out = run.path / f"steps-{Path(name).stem or 'data'}"
    path, directory = destination(run, name, out)
    return (directory / "steps.parquet" if path.name == "scores.parquet" else path), directory


def _truth(found: Timelines, column: str | None, asked: Sequence[str] | None) -> tuple[NDArray[np.bool_] | None, str]:
    """Which rows of the table are anomalous, and how that was understood."""
    if column is None:
        if asked:
            raise UsageError("no column says which steps are anomalous", hint="Name it with --label-column.")
        return None, ""
    if column not in found.table.columns or not found.a_row_a_step:
        shown = ", ".join(map(str, found.table.columns[:12]))
        raise UsageError(f"no column {column!r} says something of each time step; columns: {shown}")
    names = found.table[column].astype(str).to_numpy()
    used = sorted(set(names.tolist()))
    chosen, note = anomalous_labels(used, frozenset(), asked, used)
    return (None if chosen is None else np.isin(names, list(chosen))), note


def _telling(progress: Progress | None, total: int) -> Callable[[int], Callable[[int], None]]:
    def starting(before: int) -> Callable[[int], None]:
        def tell(done: int) -> None:
            if progress is not None:
                progress({"kind": "score", "records": before + done, "total": total})

        return tell

    return starting


def _scored(
    scorer: CalibratedScorer,
    found: Timelines,
    wanted: Sequence[int],
    stride: int | None,
    telling: Callable[[int], Callable[[int], None]],
    *,
    before: int,
) -> list[StepScores | None]:
    """The scores of each series; None for one that is shorter than a window."""
    channels = ChannelMaps.fit(scorer) if has_channels(scorer) else None
    scored: list[StepScores | None] = []
    for values, count in zip(found.series, wanted, strict=True):
        one = None
        if count:
            one = score_steps(scorer, values, stride=stride, channels=channels, progress=telling(before))
        scored.append(one)
        before += count
    return scored


def _table(
    found: Timelines,
    scored: Sequence[StepScores | None],
    calibrated: StepCalibration,
    column: str,
    truth: NDArray[np.bool_] | None,
    *,
    q: float,
    alpha: float | None,
    scorer: CalibratedScorer,
) -> pd.DataFrame:
    parts = []
    names = [channel.name for channel in scorer.model.schema.channels]
    for index, (one, rows) in enumerate(zip(scored, found.rows, strict=True)):
        steps = len(rows)
        columns: dict[str, Any] = {"series": np.full(steps, found.names[index], dtype=object), "step": np.arange(steps)}
        if found.time:
            columns[found.time] = found.table[found.time].iloc[rows].to_numpy()
        unknown = np.full(steps, np.nan)
        scores = unknown if one is None else one.scores[column]
        columns |= {"score": scores, "p": calibrated.p_values(column, scores), "q": unknown, "flagged": False}
        columns["map"] = unknown if one is None else one.map
        columns |= {name: unknown if one is None else one.scores[name] for name in scorer.calibration}
        if has_channels(scorer):
            cells = None if one is None else one.channels
            columns |= {f"map_{name}": unknown if cells is None else cells[c] for c, name in enumerate(names)}
        if truth is not None:
            columns["anomaly"] = truth[rows]
        parts.append(pd.DataFrame(columns))
    table = pd.concat(parts, ignore_index=True)
    known = table["p"].notna().to_numpy()
    p = table["p"].to_numpy()
    adjusted = np.full(len(table), np.nan)
    adjusted[known] = benjamini_hochberg(p[known])
    table["q"] = adjusted
    table["flagged"] = known & (
        np.nan_to_num(adjusted, nan=1.0) <= q if alpha is None else np.nan_to_num(p, nan=1.0) <= alpha
    )
    if found.a_row_a_step:
        table = table.iloc[np.argsort(np.concatenate(found.rows), kind="stable")].reset_index(drop=True)
    return table


def _against_truth(
    found: Timelines,
    scored: Sequence[StepScores | None],
    truth: NDArray[np.bool_] | None,
    names: Sequence[str],
) -> dict[str, dict[str, float]]:
    """Detector -> AUROC, average precision, and VUS-PR averaged over the series that hold both kinds of steps."""
    usable = [
        (values, one, truth[rows])
        for values, one, rows in zip(found.series, scored, found.rows, strict=True)
        if truth is not None and one is not None and np.isfinite(one.map).all()
    ]
    mixed = [item for item in usable if item[2].any() and not item[2].all()]
    if not mixed:
        return {}
    labels = np.concatenate([label for _, _, label in usable])
    result = {}
    for name in names:
        scores = np.concatenate([one.scores[name] for _, one, _ in usable])
        volumes = [
            vus_pr(one.scores[name], label, period(np.nan_to_num(values[0], nan=float(np.nanmean(values[0])))))
            for values, one, label in mixed
        ]
        result[name] = {
            "auroc": float(roc_auc_score(labels, scores)),
            "average_precision": float(average_precision_score(labels, scores)),
            "vus_pr": float(np.mean(volumes)),
        }
    return result


def _checked(
    scorer: CalibratedScorer,
    own: Source,
    unseen: NDArray[np.int64],
    calibrated: StepCalibration,
    column: str,
    stride: int | None,
) -> Uniformity | None:
    """Whether held-out stretches get uniform p-values; None where there are none, or where records are no windows."""
    if own.groups is None or not len(unseen):
        return None
    normals = StepCalibration.of(scorer, own, unseen, stride=stride, most=_CHECKED_WINDOWS)
    return uniformity(
        calibrated.scores[column], normals.scores[column], blocks=calibrated.blocks, normal_blocks=normals.blocks
    )


def _holds_training(found: Timelines, own: Source, train: NDArray[np.int64]) -> int:
    """How many of some windows of the training split lie in the data, value for value."""
    chosen = train[np.unique(np.linspace(0, len(train) - 1, min(len(train), _TRAINING_WINDOWS)).astype(int))]
    records = own.read(chosen)
    count = 0
    for window, observed in zip(records["values"], records["observed"].astype(bool), strict=True):
        count += any(_holds(values.astype(np.float32), window, observed) for values in found.series)
    return count


def _holds(values: NDArray[np.float32], window: NDArray[np.float32], observed: NDArray[np.bool_]) -> bool:
    last = values.shape[1] - window.shape[1]
    if last < 0 or not observed[:, 0].any():
        return False
    channel = int(np.argmax(observed[:, 0]))
    starts = np.flatnonzero(values[channel, : last + 1] == window[channel, 0])
    return any(np.array_equal(values[:, s : s + window.shape[1]][observed], window[observed]) for s in starts)
