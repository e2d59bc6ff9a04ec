"""Are synthetic records odder than real ones? Distances between distributions of anomaly scores.

`anomaly_shift` asks detectors that never saw the generator: the mean distance to the five nearest training records and
an isolation forest, both on the features, fitted on one half of the training records. Its value is the
Kolmogorov-Smirnov distance between the scores of synthetic and of held-out records by the detector that tells them
further apart; the floor is the same for the other half of the training records. Synthetic records that are odder than
all but 1 % of the held-out ones by both detectors are listed, oddest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from synthgen.evaluation.detectors import detectors
from synthgen.evaluation.metric import MetricRow, interval
from synthgen.seeding import generator

__all__ = ["Odd", "Scored", "anomaly_shift", "independent_scores", "oddest", "shift_row"]

Scores = NDArray[np.float64]

_NAMES = {"knn": "nearest neighbours on features", "iforest": "isolation forest on features"}


@dataclass(frozen=True, slots=True)
class Odd:
    """A synthetic record that independent detectors call anomalous.

    Args:
        synthetic: its position among the compared synthetic records.
        p: share of held-out records at least as odd, by the detector that is less sure.
    """

    synthetic: int
    p: float


def shift_row(
    name: str, synthetic: Scores, base: Scores, floor: Scores, *, seed: int = 0, draws: int = 500, words: str = ""
) -> MetricRow:
    """Kolmogorov-Smirnov distance of `synthetic` scores from `base`; the floor is that of `floor` from `base`.

    Args:
        name: of the row.
        synthetic, base, floor: scores of synthetic, held-out and training records; higher is odder.
        seed: of the bootstrap.
        draws: bootstrap samples.
        words: to whom records look odd, for the note.
    """
    value, floor_value = (float(ks_2samp(scores, base).statistic) for scores in (synthetic, floor))
    odder = "more anomalous" if np.median(synthetic) > np.median(base) else "more normal"
    facts = {
        "floor_ci": _interval(floor, base, floor_value, seed, draws),
        "share_beyond_99_percent_of_real": float((synthetic > np.quantile(base, 0.99)).mean()),
        "median_shift": float(np.median(synthetic) - np.median(base)),
        "note": f"synthetic records look {odder} to {words} than held-out ones",
    }
    return MetricRow(name, value, _interval(synthetic, base, value, seed, draws), floor_value, len(base), "lower",
                     facts=facts)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """What one detector, fitted on half of the training features, makes of the others; higher is odder."""

    synthetic: Scores
    holdout: Scores
    train: Scores


def independent_scores(
    train: NDArray[np.floating], holdout: NDArray[np.floating], synthetic: NDArray[np.floating], *, seed: int = 0
) -> dict[str, Scored]:
    """Detector -> scores, from features `(n, d)` of the three sides in random order."""
    half = len(train) // 2
    known = detectors(seed)
    found = {}
    for name in _NAMES:
        known[name].fit(train[:half])
        found[name] = Scored(*(known[name].score(side) for side in (synthetic, holdout, train[half:])))
    return found


def anomaly_shift(scored: Mapping[str, Scored], *, seed: int = 0, draws: int = 500) -> MetricRow:
    """The row `anomaly_shift` from what `independent_scores` returned."""
    found = {
        name: shift_row("anomaly_shift", of.synthetic, of.holdout, of.train, seed=seed, draws=draws, words=_NAMES[name])
        for name, of in scored.items()
    }
    strongest = max(found.values(), key=lambda row: row.value or 0.0)
    floors = max(found.values(), key=lambda row: row.floor or 0.0)
    facts = dict(strongest.facts) | {
        "floor_ci": floors.floor_ci,
        "detectors": {_NAMES[name]: row.value for name, row in found.items()},
    }
    return MetricRow("anomaly_shift", strongest.value, strongest.ci, floors.floor, strongest.n, "lower", facts=facts)


def oddest(scored: Mapping[str, Scored]) -> list[Odd]:
    """The synthetic records that every detector finds odder than 99 % of held-out records, oddest first."""
    p, strength = np.zeros(1), np.zeros(1)
    least = 0.01
    for of in scored.values():
        base = np.sort(of.holdout)
        at_least = len(base) - np.searchsorted(base, of.synthetic, side="left")
        p = np.maximum(p, (1 + at_least) / (1 + len(base)))
        strength = strength + (of.synthetic - base.mean()) / max(float(base.std()), 1e-12)
        least = max(least, 1 / (1 + len(base)))
    return [Odd(int(i), float(p[i])) for i in np.argsort(-strength, kind="stable") if p[i] <= least]


def _interval(scores: Scores, base: Scores, centre: float, seed: int, draws: int) -> tuple[float, float]:
    rng = generator(seed, "anomaly-shift")
    distance = _Steps.of(scores, base)
    n, m = len(scores), len(base)
    found = np.array([distance(rng.integers(0, n, n), rng.integers(0, m, m)) for _ in range(draws)])
    low, high = interval(found - found.mean() + centre)
    return max(0.0, low), min(1.0, high)


@dataclass(frozen=True)
class _Steps:
    """The Kolmogorov-Smirnov distance of two sets drawn again: both are sorted once, a draw only weighs the steps.

    Args:
        order: of both sets together.
        ends: where in that order the last of several equal values stands.
        sizes: of the two sets.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    sizes: tuple[int, int]

    @classmethod
    def of(cls, x: Scores, y: Scores) -> _Steps:
        both = np.concatenate([x, y])
        order = np.argsort(both, kind="stable")
        return cls(order, np.flatnonzero(np.append(np.diff(both[order]) > 0, True)), (len(x), len(y)))

    def __call__(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
        """The distance between the records at these positions of either set, any number of times each."""
        n, m = self.sizes
        weights = np.concatenate([np.bincount(x, minlength=n) / len(x), np.bincount(y, minlength=m) / -len(y)])
        return float(np.abs(np.cumsum(weights[self.order])[self.ends]).max())
