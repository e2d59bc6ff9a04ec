"""How well scores rank anomalies above normal records: AUROC and average precision with bootstrap intervals.

A bootstrap sample is a weight on each record, so every replicate needs two cumulative sums over the distinct scores and
no sorting. Comparisons are paired: both detectors are measured on the same resampled records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from synthgen import seeding
from synthgen.evaluation.metric import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Agreement", "Ranking", "agreement", "rank"]

Interval = tuple[float, float]


@dataclass(frozen=True)
class Ranking:
    """One detector against the labels; intervals are 95 %."""

    auroc: float
    auroc_interval: Interval
    average_precision: float
    average_precision_interval: Interval
    difference: Interval
    """Interval of this detector's AUROC minus the reference detector's."""


class _Sorted:
    """Scores sorted once, with which distinct value each record has."""

    def __init__(self, scores: NDArray[np.floating], anomalous: NDArray[np.bool_]) -> None:
        values, self._place = np.unique(scores, return_inverse=True)
        self._distinct = len(values)
        self._anomalous = anomalous

    def measure(self, weights: NDArray[np.floating]) -> tuple[float, float]:
        """AUROC and average precision with record i counted `weights[i]` times."""
        positive = np.bincount(self._place, weights * self._anomalous, self._distinct)
        negative = np.bincount(self._place, weights * ~self._anomalous, self._distinct)
        positives, negatives = positive.sum(), negative.sum()
        below = np.cumsum(negative) - negative
        area = float(np.sum(positive * (below + negative / 2)) / (positives * negatives))
        found, flagged = np.cumsum(positive[::-1]), np.cumsum((positive + negative)[::-1])
        precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
        return area, float(np.sum(precision * positive[::-1]) / positives)


def rank(
    scores: Mapping[str, NDArray[np.floating]],
    anomalous: NDArray[np.bool_],
    *,
    reference: str,
    seed: int,
    replicates: int = 500,
) -> dict[str, Ranking]:
    """Measure every detector and its difference to `reference`; anomalies and normals are resampled separately.

    Args:
        scores: detector -> `(n,)`, higher is more anomalous.
        anomalous: `(n,)`, with at least one of each kind.
        reference: the detector that the others are compared with.
        seed: of the bootstrap.
        replicates: bootstrap samples.
    """
    draws = seeding.generator(seed, "bootstrap")
    kinds = [np.flatnonzero(anomalous), np.flatnonzero(~anomalous)]
    ordered = {name: _Sorted(values, anomalous) for name, values in scores.items()}
    sampled = {name: np.empty((replicates, 2)) for name in scores}
    for replicate in range(replicates):
        weights = np.zeros(len(anomalous))
        for kind in kinds:
            weights[kind] = np.bincount(draws.integers(0, len(kind), len(kind)), minlength=len(kind))
        for name, sorted_scores in ordered.items():
            sampled[name][replicate] = sorted_scores.measure(weights)
    rankings = {}
    for name, sorted_scores in ordered.items():
        area, precision = sorted_scores.measure(np.ones(len(anomalous)))
        rankings[name] = Ranking(
            auroc=area,
            auroc_interval=interval(sampled[name][:, 0]),
            average_precision=precision,
            average_precision_interval=interval(sampled[name][:, 1]),
            difference=interval(sampled[name][:, 0] - sampled[reference][:, 0]),
        )
    return rankings


@dataclass(frozen=True)
class Agreement:
    """How much another detector agrees with ours when no label says which is right."""

    spearman: float
    top_overlap: float
    """Share of our top records that are also among the other's."""
    top: int


def agreement(ours: NDArray[np.floating], other: NDArray[np.floating], *, share: float = 0.01) -> Agreement:
    """Rank correlation, and the overlap of the top `share` of records (at least one)."""
    top = max(1, round(share * len(ours)))
    first = set(np.argsort(-ours, kind="stable")[:top].tolist())
    second = set(np.argsort(-other, kind="stable")[:top].tolist())
    varied = len(ours) > 2 and np.ptp(ours) > 0 and np.ptp(other) > 0
    spearman = float(stats.spearmanr(ours, other).statistic) if varied else float("nan")
    return Agreement(spearman, len(first & second) / top, top)
