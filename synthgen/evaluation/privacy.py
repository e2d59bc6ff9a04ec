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

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen.evaluation.membership import samples_attack
from synthgen.evaluation.metric import MetricRow, guarded, interval, proportion_interval
from synthgen.evaluation.neighbours import nearest
from synthgen.seeding import generator

__all__ = ["Pair", "copy_threshold", "measure", "nearest_pairs"]

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


def measure(
    train: Vectors, holdout: Vectors, synthetic: Vectors, *, seed: int = 0, draws: int = 1000, note: str = ""
) -> list[MetricRow]:
    """The rows of this module and of the attack on samples, from plain vectors `(n, D)`; sizes may differ.

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
        *guarded(["authenticity"], lambda: [_authenticity_row(train, holdout, synthetic, note)]),
        *guarded(["dcr_share", "nndr_share"], lambda: _share_rows(train, holdout, synthetic, seed, draws, note)),
        *samples_attack(train, holdout, synthetic, seed=seed, draws=min(draws, 300)),
    ]


def copy_threshold(real: Array) -> float:
    """The distance of the nearest 1 % of held-out records to their training records, from these distances."""
    return float(np.sort(real)[max(1, int(_TAIL * (len(real) + 1))) - 1])


def _copy_row(train: Vectors, holdout: Vectors, synthetic: Vectors, note: str) -> MetricRow:
    real, found = nearest(holdout, train).distance[:, 0], nearest(synthetic, train)
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
        "n_train": len(train),
        "n_holdout": m,
        "neighbours": found.method,
        "note": "; ".join(part for part in (note, "" if found.method == "exact" else found.method) if part),
    }
    return MetricRow("copy_rate", copies / n, proportion_interval(copies, n), within / m, n, "lower", facts=facts)


def _authenticity_row(train: Vectors, holdout: Vectors, synthetic: Vectors, note: str) -> MetricRow:
    ours, real = _authentic(train, synthetic), _authentic(train, holdout)
    n = len(ours)
    facts = {"floor_ci": proportion_interval(int(real.sum()), len(real)), "n_train": len(train), "note": note}
    ci = proportion_interval(int(ours.sum()), n)
    return MetricRow("authenticity", float(ours.mean()), ci, float(real.mean()), n, "floor", facts=facts)


def _authentic(train: Vectors, records: Vectors) -> NDArray[np.bool_]:
    """Whether a record is farther from its nearest training record than that one from its own nearest."""
    found = nearest(records, train)
    chosen, place = np.unique(found.index[:, 0], return_inverse=True)
    others = nearest(train[chosen], train, k=2)
    # The record itself is first, or, among exact duplicates, one of them is: distance 0 either way.
    own = np.where(others.index[:, 0] == chosen, others.distance[:, 1], others.distance[:, 0])
    return np.asarray(found.distance[:, 0] > own[place])


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
    def of(cls, records: Vectors, members: Vectors, others: Vectors) -> _Sides:
        a, b = nearest(records, members, k=2), nearest(records, others, k=2)
        to_a, to_b, ratio_a, ratio_b = a.distance[:, 0], b.distance[:, 0], _ratio(a.distance), _ratio(b.distance)
        second = len(members) + b.index[:, 0]
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


def _share_rows(
    train: Vectors, holdout: Vectors, synthetic: Vectors, seed: int, draws: int, note: str
) -> list[MetricRow]:
    rng = generator(seed, "dcr-share")
    half = min(len(train), len(holdout))
    members, others = train[rng.permutation(len(train))[:half]], holdout[rng.permutation(len(holdout))[:half]]
    ours = _Sides.of(synthetic, members, others)
    order = rng.permutation(len(train))
    size = min(len(train) // 2, len(holdout))
    fresh = _Sides.of(train[order[size:]], train[order[:size]], holdout[rng.permutation(len(holdout))[:size]])
    sides = np.repeat([1.0, 0.0], half)
    rows = []
    for name, counted, floor, index in (
        ("dcr_share", ours.nearer, fresh.nearer, ours.index),
        ("nndr_share", ours.singled_out, fresh.singled_out, ours.ratio_index),
    ):
        n = len(counted)
        found = [counted[rng.integers(0, n, n)].mean() for _ in range(draws)]
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


def nearest_pairs(train: Vectors, holdout: Vectors, synthetic: Vectors, *, count: int = 20) -> list[Pair]:
    """The `count` synthetic records that come nearest to a training record, nearest first."""
    real = nearest(holdout, train).distance[:, 0]
    found = nearest(synthetic, train)
    index, distance = found.index[:, 0], found.distance[:, 0]
    threshold = copy_threshold(real)
    return [
        Pair(int(i), int(index[i]), float(distance[i]), float((real < distance[i]).mean()), bool(
            distance[i] <= threshold))
        for i in np.argsort(distance, kind="stable")[:count]
    ]  # fmt: skip
