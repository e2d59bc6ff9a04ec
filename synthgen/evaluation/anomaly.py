"""`score`: which of the user's records look anomalous to a trained model.

The model is calibrated on the run's calibration split (`synthgen.evaluation.scorer`), the data is scored in pieces, and
three things are left behind: `scores.parquet`, `maps/*.png` for the oddest records, and `score.html` with `score.json`.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.api import Records
from synthgen.data.opening import open_source
from synthgen.errors import DataError, UsageError
from synthgen.evaluation import score_report
from synthgen.evaluation.blocks import blocks_of, describe_blocks
from synthgen.evaluation.calibration import Uniformity, benjamini_hochberg, check_alpha, uniformity
from synthgen.evaluation.denoising import ScoringCondition, denoising_errors, noise_levels
from synthgen.evaluation.overlap import Overlap
from synthgen.evaluation.ranking import agreement, rank
from synthgen.evaluation.score_report import Oddity, Summary
from synthgen.evaluation.scorer import CalibratedScorer, Method, Model, pieces
from synthgen.evaluation.truth import Truth, read_truth
from synthgen.io.atomic import atomic_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.config import DataConfig
    from synthgen.io.run import Run

__all__ = ["ScoreResult", "denoising_errors", "noise_levels", "score"]

_MAPS = 16
_HOLDOUT_RECORDS = 300
_FEW_CALIBRATION_RECORDS = 100
_SPLITS = ("train", "validation", "holdout", "calibration")

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class ScoreResult:
    """What `score` left behind."""

    path: Path
    """`scores.parquet`"""
    report: Path
    """`score.html`; `score.json` lies beside it."""
    table: pd.DataFrame
    """One row a record, in the data's order; see `score`."""
    flagged: int
    auroc: float | None
    """Of the score, where labels say what is anomalous."""
    average_precision: float | None
    verdict: tuple[str, ...]
    json: Mapping[str, Any]
    """What `score.json` holds."""


def score(
    run: Run | Path | str | None = None,
    data: Path | str | None = None,
    *,
    out: Path | str | None = None,
    q: float = 0.1,
    alpha: float | None = None,
    label_column: str | None = None,
    anomaly_labels: Sequence[str] | None = None,
    method: Method = "fusion",
    family: str = "denoising",
    condition: ScoringCondition = "best",
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> ScoreResult:
    """Score records by how badly the run's model restores them from noise.

    The table has a row for each record: `id` (its position in the data), `score`, its p-value `p` and q-value `q`,
    `flagged`, `seen` (the part of the run's split that holds a copy of it), the model's `z_1 ... z_K` by noise level,
    one column a detector and, where there are labels, `label` and `anomaly`. Higher is more anomalous everywhere.

    Args:
        run: a run or its directory; None: the newest.
        data: a file, folder or demo set; None: the run's own data.
        out: a directory, or the path of the Parquet file; None: `scores-<data>` in the run.
        q: flags keep the expected share of false alarms among them at or below q.
        alpha: flag by p <= alpha instead, so that this share of normal records is flagged.
        label_column: column that holds the label.
        anomaly_labels: the label values that mean anomalous; None: see `synthgen.evaluation.truth`.
        method: `"model"` by the model, `"kernel"` by the training records alone, or `"fusion"`, their mean.
        family: what the model measures, see `synthgen.evaluation.families`.
        condition: what the model is told while scoring: nothing, the record's label, or the best of all classes.
        seed: of the noises, the forest and the bootstrap.
        force: overwrite the scores of another request.
        progress: called with `{"kind": "score", "records": int, "total": int}`, calibration records included.

    Raises:
        UsageError: q outside (0, 1), an alpha that the calibration records cannot resolve, an unknown anomaly label,
            or results of another request in the way.
        DataError: the data does not fit the run.
        StorageError: the results cannot be written.
    """
    if not 0 < q < 1:
        raise UsageError(f"q is a share of false alarms between 0 and 1, not {q}")
    opened = _open_run(run)
    calibration, calibration_note = _calibration_positions(opened)
    if alpha is not None:
        check_alpha(alpha, len(calibration))
    source, name = _open_data(opened, data, label_column)
    truth = read_truth(source, opened.schema, anomaly_labels)
    path, directory = _destination(opened, name, out)
    request = {
        "run": opened.fingerprint,
        "data": name,
        "records": len(source),
        "q": q,
        "alpha": alpha,
        "label_column": label_column,
        "anomaly_labels": None if anomaly_labels is None else list(anomaly_labels),
        "method": method,
        "family": family,
        "condition": condition,
        "seed": seed,
    }
    _refuse_to_overwrite(path, directory, request, force=force)

    own = opened.source()
    total = len(calibration) + len(source)
    model = Model(opened.denoiser(), opened.codec(), opened.modality, opened.schema, opened.config.noise.sigma_data)
    scorer = CalibratedScorer(model, family=family, condition=condition, seed=seed).fit(
        own,
        train=opened.split.train,
        calibration=calibration,
        embedder=opened.modality.embedder(opened.schema, seed=seed),
        progress=_telling(progress, 0, total),
    )
    if alpha is not None:
        check_alpha(alpha, scorer.calibration_size)
    column = scorer.column(method)
    seen = Overlap.of(own, {part: getattr(opened.split, part) for part in _SPLITS}, model.vectors)
    columns, oddest = _score_all(scorer, source, truth, column, seen, _telling(progress, len(calibration), total))
    table = _table(columns, scorer, column, truth, q=q, alpha=alpha)
    unseen = np.setdiff1d(opened.split.holdout, calibration)
    normals = _unseen(scorer, own, unseen, column)
    summary = _summary(table, scorer, truth, column=column, seed=seed, unseen=normals)
    blocks_note = describe_blocks(len(scorer.blocks), scorer.calibration_size)
    notes = (calibration_note, blocks_note, truth.note, *source.notes)
    summary = replace(
        summary,
        data=name,
        q=q,
        alpha=alpha,
        condition=condition,
        oddest=tuple(_with_p(item, table) for item in oddest),
        notes=tuple(note for note in notes if note),
    )
    with atomic_file(path) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary, compression="zstd")
    report, facts = score_report.write(
        directory,
        summary,
        modality=opened.modality,
        schema=opened.schema,
        request=request,
        run=opened.path,
        scores=path,
    )
    ours = None if summary.rankings is None else summary.rankings[column]
    return ScoreResult(
        path=path,
        report=report,
        table=table,
        flagged=summary.flagged,
        auroc=None if ours is None else ours.auroc,
        average_precision=None if ours is None else ours.average_precision,
        verdict=tuple(sentence for _, sentence in score_report.verdict(summary)),
        json=facts,
    )


def _open_run(run: Run | Path | str | None) -> Run:
    from synthgen.io.run import Run

    if run is None:
        return Run.newest()
    return Run.open(Path(run)) if isinstance(run, str | Path) else run


def _open_data(run: Run, data: Path | str | None, label_column: str | None) -> tuple[Source, str]:
    if data is None:
        return run.source(), run.config.data.path or run.modality.demo
    options = run.config.data.model_copy(update={"path": str(data), "label_column": label_column})
    named = run.config.data.label_column
    if label_column is None and named is not None:
        try:  # the label as it was named in training; new data may well come without it
            options = options.model_copy(update={"label_column": named})
            return _resized(run, open_source(run.schema.modality, options), options), str(data)
        except DataError:
            options = options.model_copy(update={"label_column": None})
    return _resized(run, open_source(run.schema.modality, options), options), str(data)


def _resized(run: Run, source: Source, options: DataConfig) -> Source:
    """Images of another size or mode than the model's are opened again, converted to its."""
    schema = run.schema
    if source.schema.shape == schema.shape or len(schema.shape) != 3 or schema.shape[1] != schema.shape[2]:
        return source
    mode = {1: "grey", 3: "rgb", 4: "rgba"}.get(len(schema.channels), "auto")
    return open_source(schema.modality, options.model_copy(update={"image_size": schema.shape[1], "image_mode": mode}))


def _calibration_positions(run: Run) -> tuple[NDArray[np.int64], str]:
    """The calibration split; where it is small, with the held-out records: the model learnt from neither."""
    own, more = run.split.calibration, run.split.holdout
    if len(own) >= _FEW_CALIBRATION_RECORDS:
        return own, ""
    return np.sort(np.concatenate([own, more])), (
        f"The calibration split has {len(own)} records, so the {len(more)} held-out records calibrate as well; "
        "none are left to check the calibration on."
    )


def _destination(run: Run, name: str, out: Path | str | None) -> tuple[Path, Path]:
    """Where the table goes, and the directory of the report and the maps."""
    if out is None:
        out = run.path / f"scores-{Path(name).stem or 'data'}"
    place = Path(out).expanduser()
    return (place, place.parent) if place.suffix == ".parquet" else (place / "scores.parquet", place)


def _refuse_to_overwrite(path: Path, directory: Path, request: Mapping[str, Any], *, force: bool) -> None:
    """The same request may replace its own results; anything else stays."""
    if force or not path.exists():
        return
    try:
        before = json.loads((directory / "score.json").read_text(encoding="utf-8"))["request"]
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before != request:
        raise UsageError(
            f"{path} holds the scores of another request", hint="Choose another --out, or delete it first."
        )


def _telling(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if progress is not None:
            progress({"kind": "score", "records": before + done, "total": total})

    return tell


def _score_all(
    scorer: CalibratedScorer, source: Source, truth: Truth, column: str, seen: Overlap, tell: Callable[[int], None]
) -> tuple[dict[str, NDArray[Any]], list[Oddity]]:
    """Score the data piece by piece; residual maps are kept for the oddest records only."""
    parts: dict[str, list[NDArray[Any]]] = {}
    oddest: list[tuple[float, int, NDArray[np.float32]]] = []  # a heap, the least odd first
    for piece in pieces(np.arange(len(source)), scorer.model.schema, scorer.setting.levels):
        records = source.read(piece)
        told = replace(records, label=None if truth.classes is None else truth.classes[piece])
        scored = scorer.score(told)
        columns = {"score": scored.scores[column], "seen": seen.part_of(records)}
        columns |= {f"z_{k + 1}": scored.z[:, k] for k in range(scored.z.shape[1])}
        for name, values in (columns | scored.scores).items():
            parts.setdefault(name, []).append(values)
        for row, position in enumerate(piece):
            value = float(columns["score"][row])
            if np.isfinite(value) and (len(oddest) < _MAPS or value > oddest[0][0]):
                heapq.heappush(oddest, (value, -int(position), scored.residuals[row].copy()))
                if len(oddest) > _MAPS:
                    heapq.heappop(oddest)
        tell(int(piece[-1]) + 1)
    found = []
    for value, negated, residuals in sorted(oddest, key=lambda item: (-item[0], -item[1])):
        label = "" if truth.names is None else str(truth.names[-negated])
        record = source.read(np.array([-negated]))
        found.append(Oddity(-negated, value, label, record, scorer.maps(residuals[np.newaxis])[0]))
    return {name: np.concatenate(columns) for name, columns in parts.items()}, found


def _unseen(scorer: CalibratedScorer, source: Source, positions: NDArray[np.int64], column: str) -> Uniformity | None:
    """The check of the calibration on some of these records of the run, at most a few hundred; None without any."""
    some = positions[:: max(1, -(-len(positions) // _HOLDOUT_RECORDS))]
    if not len(some):
        return None
    records = [source.read(piece) for piece in pieces(some, scorer.model.schema, scorer.setting.levels)]
    scores = np.concatenate([scorer.score(part).scores[column] for part in records])
    known = np.isfinite(scores)
    if not known.any():
        return None
    groups = None if source.groups is None else np.asarray(source.groups)[some[known]]
    x = scorer.model.codec.encode(Records.concatenate(records).take(known)).x.cpu().numpy()
    return uniformity(
        scorer.calibration[column], scores[known], blocks=scorer.blocks, normal_blocks=blocks_of(x, groups)
    )


def _table(
    columns: Mapping[str, NDArray[Any]],
    scorer: CalibratedScorer,
    column: str,
    truth: Truth,
    *,
    q: float,
    alpha: float | None,
) -> pd.DataFrame:
    """The columns with p-values, q-values and flags; a record that could not be scored is not flagged."""
    value = columns["score"]
    scorable = np.isfinite(value)
    p, adjusted = np.ones(len(value)), np.ones(len(value))
    p[scorable] = scorer.p_values(column, value[scorable])
    adjusted[scorable] = benjamini_hochberg(p[scorable])
    flagged = scorable & (adjusted <= q if alpha is None else p <= alpha)
    first = {"id": np.arange(len(value)), "score": value, "p": p, "q": adjusted, "flagged": flagged}
    table = pd.DataFrame(first | {name: column for name, column in columns.items() if name != "score"})
    if truth.names is not None:
        table["label"] = truth.names
    if truth.anomalous is not None:
        table["anomaly"] = truth.anomalous
    return table


def _summary(
    table: pd.DataFrame,
    scorer: CalibratedScorer,
    truth: Truth,
    *,
    column: str,
    seed: int,
    unseen: Uniformity | None,
) -> Summary:
    """What follows from the table: counts, comparisons and the check of the calibration."""
    scorable = np.isfinite(table["score"].to_numpy())
    compared = {name: table[name].to_numpy()[scorable] for name in scorer.calibration}
    anomalous = None if truth.anomalous is None else truth.anomalous[scorable]
    rankings = None
    if anomalous is not None and 0 < anomalous.sum() < len(anomalous):
        rankings = rank(compared, anomalous, reference=column, seed=seed)
    return Summary(
        records=len(table),
        unscorable=int((~scorable).sum()),
        flagged=int(table["flagged"].sum()),
        method=column,
        sigmas=scorer.setting.sigmas,
        family=scorer.family.name,
        evaluations=scorer.evaluations,
        calibration_records=scorer.calibration_size,
        uniformity=unseen,
        anomalies=None if anomalous is None else int(anomalous.sum()),
        rankings=rankings,
        agreements={
            name: agreement(compared[column], values)
            for name, values in compared.items()
            if name != column and len(values) > 1
        },
        seen={part: int((table["seen"] == part).sum()) for part in _SPLITS},
        map_threshold=scorer.maps.threshold(),
        p=table["p"].to_numpy()[scorable],
    )


def _with_p(item: Oddity, table: pd.DataFrame) -> Oddity:
    row = table.iloc[item.id]
    return replace(item, p=float(row["p"]), q=float(row["q"]), flagged=bool(row["flagged"]))
