"""Does it leak? How close synthetic records come to training records, and how close held-out ones come by chance.

- `copy_rate`: share of synthetic records whose nearest training record is as near as the nearest 1 % of held-out
  records are to theirs. Without copying, the k nearest of m held-out records make a threshold below which the count
  of n synthetic records is beta-binomial (n, k, m + 1 - k), whatever the data: that is the floor's interval.
- `authenticity`: share of synthetic records farther from their nearest training record than that one is from its own
  nearest (Alaa et al. 2022). Good models get more than the held-out records do, and so do bad ones: the held-out value
  is the floor, and the number is never read alone.
- `dcr_share`: share of synthetic records whose nearest real record is a training record rather than a held-out one,
  from equal numbers of each; ties count half. 0.5 without leakage where training and held-out records are alike; the
  interval of that comes from permuting which side a real record belongs to. Where they are not (a hold-out from a later
  time), fresh records from the training side would be nearer to it as well, so half of the training records are asked
  the same question about the other half: that share is the floor, and its interval joins the other.
- `nndr_share`: the same with the ratio of the distances to the nearest and to the second nearest record of a side, in
  the place of the distance: a ratio near 0 singles one record out.

None proves privacy: records that pass may still be attacked. They find copies, and copies are what harms first. What an
attacker can do is in `synthgen.evaluation.membership`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen.evaluation.membership import samples_attack
from synthgen.evaluation.metric import MetricRow, guarded, interval, proportion_interval
from synthgen.evaluation.neighbours import Nearest, nearest
from synthgen.seeding import generator

__all__ = ["Nearness", "Pair", "copy_threshold", "measure", "nearest_pairs"]

Vectors = NDArray[np.floating]
Array = NDArray[np.float64]

_TAIL = 0.01


@dataclass(frozen=True, slots=True)
class Pair:
    """A synthetic record and its nearest training record; `rank`: share of held-out records nearer to theirs.

    `copy` says whether it counts in `copy_rate`.
    """

    synthetic: int
    train: int
    distance: float
    rank: float
    copy: bool = False


@dataclass(frozen=True)
class Nearness:
    """Who is near to whom among plain vectors `(n, D)` of three sides; each search is made once, when asked for.

    Args:
        train: every training record that can be afforded: copies of records left out here go unseen.
        holdout: real records that the generator never saw.
        synthetic: the records in question.
    """

    train: Vectors
    holdout: Vectors
    synthetic: Vectors

    @cached_property
    def synthetic_to_train(self) -> Nearest:
        """The two training records nearest to each synthetic one."""
        return nearest(self.synthetic, self.train, k=2)

    @cached_property
    def synthetic_to_holdout(self) -> Nearest:
        """The two held-out records nearest to each synthetic one."""
        return nearest(self.synthetic, self.holdout, k=2)

    @cached_property
    def holdout_to_train(self) -> Nearest:
        """The training record nearest to each held-out one."""
        return nearest(self.holdout, self.train)

    @cached_property
    def own(self) -> Array:
        """`(len(train),)` distance of a training record to its nearest other; NaN where it is nearest to nothing."""
        asked = np.union1d(self.synthetic_to_train.index[:, 0], self.holdout_to_train.index[:, 0])
        others = nearest(self.train[asked], self.train, k=2)
        # The record itself is first, or, among exact duplicates, one of them is: distance 0 either way.
        found = np.full(len(self.train), np.nan)
        found[asked] = np.where(others.index[:, 0] == asked, others.distance[:, 1], others.distance[:, 0])
        return found


def measure(near: Nearness, *, seed: int = 0, draws: int = 1000, note: str = "") -> list[MetricRow]:
    """The rows of this module and of the attack on samples.

    Args:
        near: the three sides.
        seed: of draws and bootstrap.
        draws: bootstrap samples.
        note: a remark for the rows, such as what was left out.
    """
    return [
        *guarded(["copy_rate"], lambda: [_copy_row(near, note)]),
        *guarded(["authenticity"], lambda: [_authenticity_row(near, note)]),
        *guarded(["dcr_share", "nndr_share"], lambda: _share_rows(near, seed, draws, note)),
        *samples_attack(near.train, near.holdout, near.synthetic, seed=seed, draws=min(draws, 300)),
    ]


def copy_threshold(real: Array) -> float:
    """The distance of the nearest 1 % of held-out records to their training records, from these distances."""
    return float(np.sort(real)[max(1, int(_TAIL * (len(real) + 1))) - 1])


def _copy_row(near: Nearness, note: str) -> MetricRow:
    real, found = near.holdout_to_train.distance[:, 0], near.synthetic_to_train
    ours = found.distance[:, 0]
    m, n = len(real), len(ours)
    threshold = copy_threshold(real)
    within = int((real <= threshold).sum())
    copies = int((ours <= threshold).sum())
    chance = stats.betabinom(n, within, max(1, m + 1 - within))
    facts = {
        "floor_ci": (float(chance.ppf(0.025)) / n, float(chance.ppf(0.975)) / n),
        "threshold": threshold,
        "exact_copies": int((ours == 0).sum()),
        "n_train": len(near.train),
        "n_holdout": m,
        "neighbours": found.method,
        "note": "; ".join(part for part in (note, "" if found.method == "exact" else found.method) if part),
    }
    return MetricRow("copy_rate", copies / n, proportion_interval(copies, n), within / m, n, "lower", facts=facts)


def _authenticity_row(near: Nearness, note: str) -> MetricRow:
    ours, real = (
        found.distance[:, 0] > near.own[found.index[:, 0]] for found in (near.synthetic_to_train, near.holdout_to_train)
    )
    n = len(ours)
    facts = {"floor_ci": proportion_interval(int(real.sum()), len(real)), "n_train": len(near.train), "note": note}
    ci = proportion_interval(int(ours.sum()), n)
    return MetricRow("authenticity", float(ours.mean()), ci, float(real.mean()), n, "floor", facts=facts)


@dataclass(frozen=True)
class _Sides:
    """For each record, what is nearest to it among as many records of two sides."""

    member: Array
    other: Array
    member_ratio: Array
    other_ratio: Array
    index: NDArray[np.int64]
    ratio_index: NDArray[np.int64]

    @classmethod
    def of(cls, a: Nearest, b: Nearest, members: int) -> _Sides:
        """From the two nearest of each side, the first of so many members."""
        to_a, to_b, ratio_a, ratio_b = a.distance[:, 0], b.distance[:, 0], _ratio(a.distance), _ratio(b.distance)
        second = members + b.index[:, 0]
        return cls(
            to_a, to_b, ratio_a, ratio_b,
            np.where(to_a <= to_b, a.index[:, 0], second), np.where(ratio_a <= ratio_b, a.index[:, 0], second),
        )  # fmt: skip

    @property
    def nearer(self) -> Array:
        return _smaller(self.member, self.other)

    @property
    def singled_out(self) -> Array:
        return _smaller(self.member_ratio, self.other_ratio)


def _ratio(distance: Array) -> Array:
    """Nearest over second nearest; 0 where both are 0."""
    return np.asarray(distance[:, 0] / np.where(distance[:, 1] > 0, distance[:, 1], 1.0))


def _smaller(a: Array, b: Array) -> Array:
    return np.where(a == b, 0.5, (a < b).astype(np.float64))


def _share_rows(near: Nearness, seed: int, draws: int, note: str) -> list[MetricRow]:
    rng = generator(seed, "dcr-share")
    train, holdout = near.train, near.holdout
    half = min(len(train), len(holdout))
    some, rest = (rng.permutation(len(side))[:half] for side in (train, holdout))
    synthetic = near.synthetic
    to_members = near.synthetic_to_train if half == len(train) else nearest(synthetic, train[some], k=2)
    to_others = near.synthetic_to_holdout if half == len(holdout) else nearest(synthetic, holdout[rest], k=2)
    ours = _Sides.of(to_members, to_others, half)
    order = rng.permutation(len(train))
    size = min(len(train) // 2, len(holdout))
    asked = train[order[size:]]
    others = holdout[rng.permutation(len(holdout))[:size]]
    fresh = _Sides.of(nearest(asked, train[order[:size]], k=2), nearest(asked, others, k=2), size)
    sides = np.repeat([1.0, 0.0], half)
    rows = []
    for name, counted, floor, index in (
        ("dcr_share", ours.nearer, fresh.nearer, ours.index),
        ("nndr_share", ours.singled_out, fresh.singled_out, ours.ratio_index),
    ):
        n = len(counted)
        values, often = np.unique(counted, return_counts=True)
        found = rng.multinomial(n, often / n, size=draws) @ values / n  # a bootstrap of n records of these few values
        low, high = interval([rng.permutation(sides)[index].mean() for _ in range(draws)])
        drift = proportion_interval(round(float(floor.sum())), len(floor))
        facts = {
            "floor_ci": (min(low, drift[0]), max(high, drift[1])),
            "n_reference": half,
            "note": "; ".join(part for part in (f"{half} training and {half} held-out records", note) if part),
        }
        rows.append(
            MetricRow(name, float(counted.mean()), interval(found), float(floor.mean()), n, "floor", facts=facts)
        )
    return rows


def nearest_pairs(near: Nearness, *, count: int = 20) -> list[Pair]:
    """The `count` synthetic records that come nearest to a training record, nearest first."""
    real, found = near.holdout_to_train.distance[:, 0], near.synthetic_to_train
    index, distance = found.index[:, 0], found.distance[:, 0]
    threshold = copy_threshold(real)
    return [
        Pair(int(i), int(index[i]), float(distance[i]), float((real < distance[i]).mean()), bool(
            distance[i] <= threshold))
        for i in np.argsort(distance, kind="stable")[:count]
    ]  # fmt: skip
