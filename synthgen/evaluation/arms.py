"""One way of training a judge: trained once for each seed, tested on the same records, resampled with the same draws.

What intervals need of a judge's answers is small: the measure on each bootstrap draw of the test records, in total and
by class. It is computed once and cached by content, so a second report trains no judge again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Modality, Outcome, Records, Schema
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.judged import kind_of
from synthgen.seeding import generator

__all__ = ["Arm", "Bench", "stratified_share"]

Values = NDArray[np.float64]

_CLASS_DRAWS = 200


@dataclass(frozen=True)
class Arm:
    """A judge's measure on N test records, with B bootstrap draws of them, for S seeds.

    Args:
        per_seed: `(S,)`.
        draws: `(B, S)` the measure on each draw of test records.
        seeds: `(B, S)` the seeds that a draw counts; the same for every arm with S seeds, so differences are paired.
        classes: name -> `(S,)`.
        class_draws: name -> `(B', S)`, B' <= B.
        n: test records.
    """

    per_seed: Values
    draws: Values
    seeds: NDArray[np.int64]
    classes: Mapping[str, Values]
    class_draws: Mapping[str, Values]
    n: int

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(self.per_seed.mean())

    @property
    def per_class(self) -> dict[str, float]:
        """Mean over seeds by class."""
        return {name: float(values.mean()) for name, values in self.classes.items()}

    @property
    def resampled(self) -> Values:
        """`(B,)` the mean over seeds in each draw of records and seeds."""
        return np.asarray(np.take_along_axis(self.draws, self.seeds, axis=1).mean(axis=1))

    def resampled_class(self, name: str) -> Values:
        """As `resampled`, `(B',)`, of one class; not-a-number where a draw holds none of it."""
        drawn = self.class_draws[name]
        return np.asarray(np.take_along_axis(drawn, self.seeds[: len(drawn)], axis=1).mean(axis=1))


class Bench:
    """Trains and asks judges, or remembers what they answered.

    Args:
        modality, schema: what the judges are of.
        seeds: one judge is trained for each.
        draws: bootstrap draws of test records.
        cache: where answers are kept.
    """

    def __init__(self, modality: Modality, schema: Schema, *, seeds: Sequence[int], draws: int, cache: Cache) -> None:
        self.modality = modality
        self.schema = schema
        self.seeds = list(seeds)
        self.draws = draws
        self.cache = cache
        self._seed_draws = generator(0, "utility-seeds").integers(0, len(self.seeds), size=(draws, len(self.seeds)))

    def arms(self, training: Records, tests: Mapping[str, Records]) -> dict[str, Arm]:
        """The judges trained on these records, asked about each of the tests."""
        answers: dict[str, list[dict[str, NDArray[Any]]]] = {name: [] for name in tests}
        for seed in self.seeds:
            judge: list[Any] = []  # trained only when some answer is not known
            for name, test in tests.items():
                follows_from = (self.schema.to_json(), self._judge_name(seed), seed, training, test, self.draws)
                make = partial(self._ask, judge, seed, training, test)
                found = self.cache.arrays("judged", *follows_from, make=make)
                answers[name].append(found)
        return {name: self._arm(found, len(tests[name])) for name, found in answers.items()}

    def _judge_name(self, seed: int) -> str:
        kind = type(self.modality.judge(self.schema, seed=seed))
        return f"{kind.__module__}.{kind.__qualname__}:{kind_of(self.modality)}"

    def _ask(self, judge: list[Any], seed: int, training: Records, test: Records) -> dict[str, NDArray[Any]]:
        if not judge:
            fresh = self.modality.judge(self.schema, seed=seed)
            assert fresh is not None
            judge.append(fresh.fit(training))
        return self._answers(judge[0].evaluate(test))

    def _answers(self, outcome: Outcome) -> dict[str, NDArray[Any]]:
        n = len(outcome)
        weights = generator(0, "utility-test").multinomial(n, np.full(n, 1 / n), size=self.draws)
        classes = outcome.per_class()
        by_class = [outcome.per_class(row) for row in weights[:_CLASS_DRAWS]] if classes else []
        names = list(classes)
        return {
            "value": np.array([outcome.value()]),
            "draws": np.array([outcome.value(row) for row in weights]),
            "names": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
            "classes": np.array([classes[name] for name in names]),
            "class_draws": np.array([[row.get(name, np.nan) for name in names] for row in by_class]),
        }

    def _arm(self, found: list[dict[str, NDArray[Any]]], n: int) -> Arm:
        names: list[str] = json.loads(found[0]["names"].tobytes())
        return Arm(
            per_seed=np.array([float(one["value"][0]) for one in found]),
            draws=np.stack([one["draws"] for one in found], axis=1),
            seeds=self._seed_draws,
            classes={name: np.array([one["classes"][k] for one in found]) for k, name in enumerate(names)},
            class_draws={
                name: np.stack([one["class_draws"][:, k] for one in found], axis=1) for k, name in enumerate(names)
            },
            n=n,
        )


def stratified_share(records: Records, share: float, *, seed: int = 0) -> Records:
    """A share of the records, each class alike and with one record at least; without labels, simply drawn."""
    rng = generator(seed, "utility-share")
    label = np.zeros(len(records), dtype=np.int64) if records.label is None else records.label
    chosen = [
        rng.permutation(np.flatnonzero(label == k))[: max(1, round(share * int((label == k).sum())))]
        for k in np.unique(label)
    ]
    return records.take(np.sort(np.concatenate(chosen)))
