"""`score`: which of the user's records look anomalous to a trained model.

The model is calibrated on the run's calibration split (`synthgen.evaluation.scorer`), the data is scored in pieces, and
three things are left behind: `scores.parquet`, `maps/*.png` for the oddest records, and `score.html` with `score.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from synthgen.errors import UsageError
from synthgen.evaluation import score_report
from synthgen.evaluation.blocks import describe_blocks
from synthgen.evaluation.calibration import Uniformity, check_alpha
from synthgen.evaluation.curves import alarms_by_class, correlations, curve
from synthgen.evaluation.denoising import ScoringCondition, denoising_errors, noise_levels
from synthgen.evaluation.drift import drift
from synthgen.evaluation.overlap import Overlap
from synthgen.evaluation.ranking import agreement, rank
from synthgen.evaluation.score_request import (
    calibration_positions,
    destination,
    open_data,
    open_run,
    refuse_to_overwrite,
)
from synthgen.evaluation.score_table import write_table
from synthgen.evaluation.score_verdict import Summary, verdict
from synthgen.evaluation.scorer import CalibratedScorer, Method, Model
from synthgen.evaluation.scoring_pass import assemble, check_calibration, score_records, with_channels, with_p
from synthgen.evaluation.suspects import label_judge, suspects
from synthgen.evaluation.trimming import effect_of_trimming, uncontaminated
from synthgen.evaluation.truth import Truth, read_truth
from synthgen.io.atomic import remove, remove_leftovers
from synthgen.io.lock import locked

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["ScoreResult", "denoising_errors", "noise_levels", "score"]

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
    label_errors: bool = False,
    contamination: Literal["auto"] | None = None,
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
        method: `"model"` by the model, `"kernel"` by the training records alone, `"fusion"`, their mean, or
            `"fusion_knn"`, the mean of both and the distance to the nearest neighbours.
        family: what the model measures, see `synthgen.evaluation.families`.
        condition: what the model is told while scoring: nothing, the record's label, or the best of all classes.
        label_errors: also say which labels (or, for masks, which masks) the model doubts; adds `label_doubt`,
            `label_p` and `likeliest_label`, see `synthgen.evaluation.label_errors` and `mask_errors`.
        contamination: `"auto"` takes records that look anomalous themselves out of those that the detectors are fitted
            and calibrated on, and says what that changed; None takes them to be normal.
        seed: of the noises, the forest and the bootstrap.
        force: overwrite the scores of another request.
        progress: called with `{"kind": "score", "records": int, "total": int}`, calibration records included.

    Raises:
        UsageError: q outside (0, 1), an alpha that the calibration records cannot resolve, an unknown anomaly label,
            or results of another request in the way.
        DataError: the data does not fit the run.
        StorageError: the results cannot be written, or another process is writing there.
    """
    if not 0 < q < 1:
        raise UsageError(f"q is a share of false alarms between 0 and 1, not {q}")
    opened = open_run(run)
    calibration, calibration_note = calibration_positions(opened)
    if alpha is not None:
        check_alpha(alpha, len(calibration))
    source, name = open_data(opened, data, label_column)
    truth = read_truth(source, opened.schema, anomaly_labels)
    path, directory = destination(opened, name, out)
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
        "label_errors": label_errors,
        "contamination": contamination,
        "seed": seed,
    }
    with locked(directory, "scoring"):
        refuse_to_overwrite(path, request, force=force)
        remove_leftovers(directory, below=False)
        own = opened.source()
        total = len(calibration) + len(source)
        model = Model(opened.denoiser(), opened.codec(), opened.modality, opened.schema, opened.config.noise.sigma_data)
        scorer = CalibratedScorer(model, family=family, condition=condition, seed=seed)
        embedder = opened.modality.embedder(opened.schema, seed=seed)
        telling = _telling(progress, 0, total)
        kept, kept_calibration, odd, taken = opened.split.train, calibration, np.empty(0, dtype=np.int64), None
        scorer.fit(own, train=kept, calibration=kept_calibration, embedder=embedder, progress=telling)
        if contamination == "auto":
            kept, kept_calibration, odd = uncontaminated(scorer, own, kept, calibration, seed=seed)
            if len(odd):
                scorer.fit(own, train=kept, calibration=kept_calibration, embedder=embedder, progress=telling)
        if alpha is not None:
            check_alpha(alpha, scorer.calibration_size)
        column = scorer.column(method)
        judge = label_judge(model, scorer, own, kept_calibration) if label_errors else None
        seen = Overlap.of(own, {part: getattr(opened.split, part) for part in _SPLITS}, model.vectors)
        telling = _telling(progress, len(calibration), total)
        columns, oddest = score_records(scorer, source, truth, column, seen, telling, judge=judge)
        names = getattr(source, "names", None)
        table = assemble(columns, scorer, column, truth, q=q, alpha=alpha, names=names)
        if contamination == "auto":
            trimmed = np.setdiff1d(calibration, kept_calibration)
            taken = effect_of_trimming(scorer, own, trimmed, odd, table, column=column, q=q, alpha=alpha)
        unseen = np.setdiff1d(opened.split.holdout, calibration)
        normals = check_calibration(scorer, own, unseen, column)
        summary = _summary(table, scorer, truth, column=column, seed=seed, unseen=normals)
        oddest = with_channels(scorer, oddest)
        blocks_note = describe_blocks(len(scorer.blocks), scorer.calibration_size)
        notes = (calibration_note, blocks_note, truth.note, *source.notes)
        summary = replace(
            summary,
            data=name,
            q=q,
            alpha=alpha,
            condition=condition,
            oddest=tuple(with_p(item, table) for item in oddest),
            suspects=suspects(table, q) if judge is not None else None,
            contamination=taken,
            notes=tuple(note for note in notes if note),
        )
        remove(directory / "score.json")  # where it is, everything beside it belongs together
        write_table(path, table, request)
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
        verdict=tuple(sentence for _, sentence in verdict(summary)),
        json=facts,
    )


def _telling(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if progress is not None:
            progress({"kind": "score", "records": before + done, "total": total})

    return tell


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
        drift=drift(
            scorer.calibration[column],
            compared[column][~np.isin(table["seen"].to_numpy()[scorable], ("train", "validation"))],
            blocks=scorer.calibration_size,
        ),
        curves={}
        if rankings is None or anomalous is None
        else {name: curve(compared[name], anomalous) for name in rankings},
        alarms=()
        if truth.names is None
        else alarms_by_class(
            table["p"].to_numpy()[scorable],
            truth.names[scorable],
            ~np.isin(table["seen"].to_numpy()[scorable], ("train", "validation"))
            & (np.ones(int(scorable.sum()), dtype=bool) if anomalous is None else ~anomalous),
            calibration=scorer.calibration_size,
        ),
        correlations=correlations(compared) if rankings is None else {},
    )
