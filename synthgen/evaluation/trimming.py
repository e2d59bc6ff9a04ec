"""Contaminated training data: which of the records that should be normal are not, without being told how many.

The scores of normal records are described by an empirical null (Efron 2004, "Large-scale simultaneous hypothesis
testing: the choice of a null hypothesis"): a Gaussian with the median of all scores and the spread between the median
and the 75 % quantile, which a minority of anomalies hardly moves. Records with p-values under it that survive
Benjamini-Hochberg at a strict q are taken out, never more than a given share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from synthgen import seeding
from synthgen.evaluation.calibration import RobustZ, benjamini_hochberg, conformal_p
from synthgen.evaluation.score_verdict import Contamination
from synthgen.evaluation.scorer import CalibratedScorer, pieces

if TYPE_CHECKING:
    import pandas as pd

    from synthgen.api import Source

__all__ = ["Trimming", "effect_of_trimming", "neighbour_distance", "oddness", "trim", "uncontaminated"]

_Q = 0.01
_MOST = 0.3
_MOST_TRAINING = 5000
_QUARTILE = 0.6744897501960817


@dataclass(frozen=True)
class Trimming:
    """What was taken out."""

    kept: NDArray[np.bool_]
    """(N,)"""
    threshold: float
    """Scores above it were taken out; infinite when none was."""

    @property
    def share(self) -> float:
        """Share of the records that was taken out: the estimated contamination."""
        return float(1 - self.kept.mean())


def trim(scores: NDArray[np.floating], *, q: float = _Q, most: float = _MOST) -> Trimming:
    """Find the records that are too odd to belong to the rest.

    Args:
        scores: `(N,)`, higher is odder; NaN is kept.
        q: share of normal records among those taken out, at most, as far as the null is right.
        most: largest share that is taken out.
    """
    known = np.isfinite(scores)
    values = np.asarray(scores, dtype=np.float64)[known]
    kept = np.ones(len(scores), dtype=bool)
    if len(values) < 8:
        return Trimming(kept, float("inf"))
    median, upper = np.quantile(values, [0.5, 0.75])
    spread = (upper - median) / _QUARTILE
    if spread <= 0:
        return Trimming(kept, float("inf"))
    adjusted = benjamini_hochberg(stats.norm.sf((values - median) / spread))
    out = adjusted <= q
    limit = int(most * len(values))
    if out.sum() > limit:
        out = np.zeros(len(values), dtype=bool)
        out[np.argsort(-values, kind="stable")[:limit]] = True
    if not out.any():
        return Trimming(kept, float("inf"))
    kept[np.flatnonzero(known)[out]] = False
    return Trimming(kept, float(values[~out].max()))


def oddness(model_scores: NDArray[np.floating], vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """How odd records are among themselves: the mean of the model's z and of the neighbours'.

    A model that was trained on them as well has learnt some of its anomalies; their neighbours have not.

    Args:
        model_scores: `(N,)`
        vectors: `(N, D)` encoded records.
    """
    known = np.isfinite(model_scores)
    z = np.full(len(model_scores), np.nan)
    z[known] = RobustZ.fit(model_scores[known])(model_scores[known])
    return (z + neighbour_distance(vectors)) / 2


def neighbour_distance(vectors: NDArray[np.floating], *, k: int = 5) -> NDArray[np.float64]:
    """z-scores of the log distance of each record to its k nearest others."""
    index = NearestNeighbors(n_neighbors=min(k, len(vectors) - 1)).fit(vectors)
    distance = np.asarray(index.kneighbors()[0].mean(axis=1))  # without an argument a record is not its own neighbour
    logs = np.log(np.maximum(distance, 1e-12))
    return RobustZ.fit(logs)(logs)


def uncontaminated(
    scorer: CalibratedScorer, own: Source, train: NDArray[np.int64], calibration: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Training records and calibration records without those that look anomalous among themselves, and those.

    Args:
        scorer: fitted on all of them.
        own: the run's data.
        train, calibration: positions in it; of the training records at most 5,000 are looked at and returned.
        seed: of their draw.
    """
    if len(train) > _MOST_TRAINING:
        train = np.sort(seeding.generator(seed, "trimming").choice(train, _MOST_TRAINING, replace=False))
    positions = np.concatenate([train, calibration])
    records = [own.read(piece) for piece in pieces(positions, scorer.model.schema, scorer.setting.levels)]
    scores = np.concatenate([scorer.score(part).scores[scorer.family.name] for part in records])
    vectors = np.concatenate([scorer.model.vectors(part) for part in records])
    kept = trim(oddness(scores, vectors)).kept
    return train[kept[: len(train)]], calibration[kept[len(train) :]], np.sort(positions[~kept])


def effect_of_trimming(
    scorer: CalibratedScorer,
    own: Source,
    trimmed: NDArray[np.int64],
    taken: NDArray[np.int64],
    table: pd.DataFrame,
    *,
    column: str,
    q: float,
    alpha: float | None,
) -> Contamination:
    """What taking records out has changed: how many would be flagged with those back among the calibration records."""
    scores = table["score"].to_numpy()
    known = np.isfinite(scores)
    if len(trimmed):
        back = scorer.score(own.read(trimmed)).scores[column]
        calibration = np.concatenate([scorer.calibration[column], back[np.isfinite(back)]])
        blocks = np.concatenate([scorer.blocks, scorer.blocks.max() + 1 + np.arange(int(np.isfinite(back).sum()))])
    else:
        calibration, blocks = scorer.calibration[column], scorer.blocks
    p = conformal_p(calibration, scores[known], blocks=blocks)
    flagged = int((benjamini_hochberg(p) <= q).sum() if alpha is None else (p <= alpha).sum())
    return Contamination(tuple(int(position) for position in taken), len(trimmed), flagged)
