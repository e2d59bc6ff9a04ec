"""Membership inference: from a score for each candidate record to the rows that say how well it tells members.

A score is higher for records that the attacker believes were trained on. Two numbers are reported, because an average
hides the few records that are given away with certainty (Carlini et al. 2022, arXiv 2112.03570):

- `*_auc`: chance that a member scores above a non-member. Under chance a Mann-Whitney statistic, hence the floor's
  interval.
- `*_tpr`: share of members above all but 1 % of the non-members (true positives at 1 % false positives). With the t-th
  highest of m non-members as threshold, the count of n members above it is beta-binomial (n, t, m + 1 - t) under
  chance, whatever the scores.

The attack on samples alone follows DOMIAS (van Breugel et al. 2023, arXiv 2302.12580): a candidate near synthetic
records, and not near other real ones, was probably trained on. Densities are those of the nearest neighbour,

    score(x) = ln d(x, reference) - ln d(x, synthetic)

with one half of the held-out records as reference and the other half as non-members. The floor is the same attack with
real training records in the place of the synthetic ones, and others as supposed members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen.evaluation.fidelity import auc, auc_interval
from synthgen.evaluation.metric import MetricRow, guarded, proportion_interval
from synthgen.evaluation.neighbours import nearest
from synthgen.seeding import generator

__all__ = ["Attack", "attack_rows", "samples_attack"]

Scores = NDArray[np.float64]

_FALSE_POSITIVES = 0.01
_ENOUGH = 1000


@dataclass(frozen=True)
class Attack:
    """Scores of members and of others; higher: more probably a member."""

    member: Scores
    other: Scores

    @property
    def auc(self) -> float:
        """Area under the curve."""
        return auc(self.member, self.other)

    def auc_interval(self, rng: np.random.Generator, draws: int) -> tuple[float, float]:
        """95 % interval of the area, both sides drawn again."""
        return auc_interval(self.member, self.other, rng, draws=draws)

    @property
    def chance(self) -> tuple[float, float]:
        """95 % interval of the area when scores say nothing."""
        n, m = len(self.member), len(self.other)
        half = 1.96 * float(np.sqrt((n + m + 1) / (12 * n * m)))
        return 0.5 - half, 0.5 + half

    @property
    def allowed(self) -> int:
        """Non-members at or above the threshold of `found`."""
        return max(1, int(_FALSE_POSITIVES * (len(self.other) + 1)))

    @property
    def found(self) -> int:
        """Members above the threshold that 1 % of non-members reach."""
        return int((self.member > np.sort(self.other)[-self.allowed]).sum())


def attack_rows(
    prefix: str,
    attack: Attack,
    *,
    baseline: Attack | None = None,
    note: str,
    seed: int = 0,
    draws: int = 1000,
    facts: Mapping[str, Any] | None = None,
) -> list[MetricRow]:
    """The rows `<prefix>_auc` and `<prefix>_tpr`.

    Args:
        prefix: of the names.
        attack: what is measured.
        baseline: the same without anything to find, where that can be measured; None: chance.
        note: for the reader.
        seed: of the bootstrap.
        draws: bootstrap samples.
        facts: more, for both rows.
    """
    n, m = len(attack.member), len(attack.other)
    low, high = attack.chance
    floor = 0.5
    if baseline is not None:
        floor = baseline.auc
        fresh = baseline.auc_interval(generator(seed, f"{prefix}-floor"), draws)
        low, high = min(low, fresh[0]), max(high, fresh[1])
    chance = stats.betabinom(n, attack.allowed, m + 1 - attack.allowed)
    shared = dict(facts or {}) | {"n_train": n}
    few = "" if m >= _ENOUGH else f"; {attack.allowed} of {m} non-members stand for 1 %"
    rate = attack.found / n
    return [
        MetricRow(
            f"{prefix}_auc", attack.auc, attack.auc_interval(generator(seed, prefix), draws), floor, m, "lower",
            facts=shared | {"floor_ci": (low, high), "note": note, "tpr_at_1_percent_fpr": rate},
        ),
        MetricRow(
            f"{prefix}_tpr", rate, proportion_interval(attack.found, n), attack.allowed / (m + 1), m, "lower",
            facts=shared | {
                "floor_ci": (float(chance.ppf(0.025)) / n, float(chance.ppf(0.975)) / n), "note": note + few
            },
        ),
    ]  # fmt: skip


def samples_attack(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    *,
    seed: int = 0,
    draws: int = 1000,
) -> list[MetricRow]:
    """The rows `mia_samples_auc` and `mia_samples_tpr`: what the data set alone gives away.

    Args:
        train: `(N, D)` members.
        holdout: `(M, D)`, half of it the attacker's reference, half non-members.
        synthetic: `(S, D)` what was published.
        seed: of the halves and the bootstrap.
        draws: bootstrap samples.
    """

    def rows() -> list[MetricRow]:
        rng = generator(seed, "mia-samples")
        split = rng.permutation(len(holdout))
        reference, others = holdout[split[: len(split) // 2]], holdout[split[len(split) // 2 :]]
        order = rng.permutation(len(train))
        members = train[order[: min(len(train), len(others))]]
        to_reference = nearest(np.concatenate([members, others]), reference).distance[:, 0]
        attack = _scored(members, others, to_reference, synthetic)
        half = len(train) // 2
        supposed, published = members[: min(half, len(others))], train[order[half:]]
        again = np.concatenate([to_reference[: len(supposed)], to_reference[len(members) :]])
        baseline = _scored(supposed, others, again, published)
        note = f"an attack with the data set alone; {len(reference)} held-out records are its reference"
        return attack_rows("mia_samples", attack, baseline=baseline, note=note, seed=seed, draws=draws)

    return guarded(["mia_samples_auc", "mia_samples_tpr"], rows)


def _scored(
    members: NDArray[np.floating], others: NDArray[np.floating], to_reference: Scores, published: NDArray[np.floating]
) -> Attack:
    to_published = nearest(np.concatenate([members, others]), published).distance[:, 0]
    tiny = 1e-6 * max(float(np.median(to_reference)), 1e-12)
    score = np.log(np.maximum(to_reference, tiny)) - np.log(np.maximum(to_published, tiny))
    return Attack(score[: len(members)], score[len(members) :])
