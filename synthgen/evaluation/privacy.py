"""Does it leak? How close synthetic records come to training records, and how close held-out ones come by chance.

- `copy_rate`: share of synthetic records whose nearest training record is as near as the nearest 1 % of held-out
  records are to theirs. Without copying, the k nearest of m held-out records make a threshold below which the count
  of n synthetic records is beta-binomial (n, k, m + 1 - k), whatever the data: that is the floor's interval.
- `dcr_share`: share of synthetic records whose nearest real record is a training record rather than a held-out one,
  from equal numbers of each; ties count half. 0.5 without leakage where training and held-out records are alike; the
  interval of that comes from permuting which side a real record belongs to. Where they are not (a hold-out from a later
  time), fresh records from the training side would be nearer to it as well, so half of the training records are asked
  the same question about the other half: that share is the floor, and its interval joins the other.

Neither proves privacy: records that pass may still be attacked. They find copies, and copies are what harms first.
What an attacker with the model itself can do is `mia_auc` in `synthgen.evaluation.restoration`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import pairwise_distances_argmin_min

from synthgen.evaluation.metric import MetricRow, guarded, interval, proportion_interval
from synthgen.seeding import generator

__all__ = ["Pair", "measure", "nearest_pairs"]

_TAIL = 0.01


@dataclass(frozen=True, slots=True)
class Pair:
    """A synthetic record and its nearest training record; `rank`: share of held-out records nearer to theirs."""

    synthetic: int
    train: int
    distance: float
    rank: float


def measure(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    *,
    seed: int = 0,
    draws: int = 1000,
    note: str = "",
) -> list[MetricRow]:
    """The rows `copy_rate` and `dcr_share`, from records as plain vectors `(n, D)`; sizes may differ.

    Args:
        train: every training record that can be afforded: copies of records left out here go unseen.
        holdout: real records that the generator never saw.
        synthetic: the records in question.
        seed: of draws and bootstrap.
        draws: bootstrap samples.
        note: a remark for the rows, such as what was left out.
    """
    return [
        *guarded(["copy_rate"], lambda: [_copy_row(train, holdout, synthetic, note)]),
        *guarded(["dcr_share"], lambda: [_share_row(train, holdout, synthetic, seed, draws, note)]),
    ]


def _nearest(
    queries: NDArray[np.floating], reference: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index of and distance to the nearest reference record, exact for exact copies."""
    index, _ = pairwise_distances_argmin_min(queries, reference)
    difference = np.asarray(queries, dtype=np.float64) - np.asarray(reference, dtype=np.float64)[index]
    return index.astype(np.int64), np.sqrt((difference**2).sum(axis=1))


def _copy_row(
    train: NDArray[np.floating], holdout: NDArray[np.floating], synthetic: NDArray[np.floating], note: str
) -> MetricRow:
    _, real = _nearest(holdout, train)
    _, ours = _nearest(synthetic, train)
    m, n = len(real), len(ours)
    threshold = np.sort(real)[max(1, int(_TAIL * (m + 1))) - 1]
    within = int((real <= threshold).sum())
    copies = int((ours <= threshold).sum())
    chance = stats.betabinom(n, within, max(1, m + 1 - within))
    facts = {
        "floor_ci": (float(chance.ppf(0.025)) / n, float(chance.ppf(0.975)) / n),
        "threshold": float(threshold),
        "exact_copies": int((ours == 0).sum()),
        "n_train": len(train),
        "n_holdout": m,
        "note": note,
    }
    return MetricRow("copy_rate", copies / n, proportion_interval(copies, n), within / m, n, "lower", facts=facts)


def _share_row(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    seed: int,
    draws: int,
    note: str,
) -> MetricRow:
    rng = generator(seed, "dcr-share")
    half = min(len(train), len(holdout))
    members = train[rng.permutation(len(train))[:half]]
    others = holdout[rng.permutation(len(holdout))[:half]]
    nearest_member, to_member = _nearest(synthetic, members)
    nearest_other, to_other = _nearest(synthetic, others)
    nearer = np.where(to_member == to_other, 0.5, (to_member < to_other).astype(np.float64))
    n = len(nearer)
    found = [nearer[rng.integers(0, n, n)].mean() for _ in range(draws)]
    nearest = np.where(to_member <= to_other, nearest_member, half + nearest_other)
    sides = np.repeat([1.0, 0.0], half)
    chance = [rng.permutation(sides)[nearest].mean() for _ in range(draws)]
    fresh, fresh_ci = _share_of_training_side(train, holdout, rng)
    low, high = interval(chance)
    facts = {"floor_ci": (min(low, fresh_ci[0]), max(high, fresh_ci[1])), "n_reference": half, "note": note}
    return MetricRow("dcr_share", float(nearer.mean()), interval(found), fresh, n, "floor", facts=facts)


def _share_of_training_side(
    train: NDArray[np.floating], holdout: NDArray[np.floating], rng: np.random.Generator
) -> tuple[float, tuple[float, float]]:
    """Share of one half of the training records that is nearer to the other half than to as many held-out ones."""
    order = rng.permutation(len(train))
    size = min(len(train) // 2, len(holdout))
    _, to_own = _nearest(train[order[size:]], train[order[:size]])
    _, to_other = _nearest(train[order[size:]], holdout[rng.permutation(len(holdout))[:size]])
    nearer = np.where(to_own == to_other, 0.5, (to_own < to_other).astype(np.float64))
    return float(nearer.mean()), proportion_interval(round(float(nearer.sum())), len(nearer))


def nearest_pairs(
    train: NDArray[np.floating], holdout: NDArray[np.floating], synthetic: NDArray[np.floating], *, count: int = 8
) -> list[Pair]:
    """The `count` synthetic records that come nearest to a training record, nearest first."""
    _, real = _nearest(holdout, train)
    index, distance = _nearest(synthetic, train)
    order = np.argsort(distance, kind="stable")[:count]
    return [Pair(int(i), int(index[i]), float(distance[i]), float((real < distance[i]).mean())) for i in order]
