"""Does it help? Downstream models trained on real, synthetic and both, all tested on the same held-out records.

- `trtr`, `tstr`: the judge's measure after training on real or on synthetic records, tested on held-out real ones,
  with the same number of training records and of optimiser steps (Esteban et al. 2017; classification accuracy score,
  Ravuri and Vinyals 2019). `trts`: trained on real, tested on synthetic records in the held-out class shares.
- `tstr_ratio` = tstr / trtr; `gain` = real + as many synthetic records, minus real alone; `gain_25`, `gain_10` the
  same with a quarter or a tenth of the real records, each so many times that real and synthetic ones count alike. Every
  judge makes the same number of optimiser steps.
- `tstr_25`, `tstr_10`: trained on as few synthetic records alone; the floor is the judge with as few real ones.
- `tstr_worst_class`, `gain_worst_class`: the lowest of the classes, because averages hide rare ones.
- `label_fidelity`: the measure of the real-trained judge on the synthetic records; its floor is the same judge on
  held-out records. High guidance raises it and kills diversity, so read it beside `recall`.

Each arm is trained once for each seed. An interval resamples test records and seeds together; for ratio and gain with
the same draws in both arms, because both were tested on the same records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Modality, Records, Schema
from synthgen.evaluation.arms import Arm, Bench, stratified_share
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.catalogue import UTILITY, describe
from synthgen.evaluation.comparison import draw
from synthgen.evaluation.effort import Clock
from synthgen.evaluation.metric import MetricRow, guarded, interval, widened
from synthgen.seeding import generator

__all__ = [
    "PLAIN",
    "WORST",
    "CurvePoint",
    "joined",
    "judge_measure",
    "learning_curve",
    "measure",
    "missing_judge",
    "row_names",
]

Values = NDArray[np.float64]

PLAIN = frozenset({"accuracy", "miou"})
"""Measures of labelled data, whose rows carry no prefix."""
WORST = ("tstr_worst_class", "gain_worst_class")
"""Rows that need classes."""


def judge_measure(modality: Modality, schema: Schema) -> str | None:
    """What the modality's judge measures on this data, or None when there is nothing to judge by."""
    judge = modality.judge(schema, seed=0)
    return None if judge is None else judge.measure


def missing_judge(modality: Modality, schema: Schema) -> str:
    """Why there is no judge, in the modality's words where it has some."""
    reason = getattr(modality, "missing_judge", None)
    if callable(reason):
        reason = reason(schema)
    return str(reason) if reason else f"the {modality.name} data has no labels and no other task to judge by"


def row_names(measure: str) -> tuple[str, ...]:
    """Names of the utility rows: plain for accuracy and mIoU, else with the measure in front, such as `r2_tstr`."""
    return tuple(name if measure in PLAIN else f"{measure}_{name}" for name in UTILITY)


@dataclass(frozen=True)
class CurvePoint:
    """The judge's measure with all real and so many synthetic records."""

    synthetic: int
    value: float
    ci: tuple[float, float]


def measure(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1000,
    shares: Sequence[float] = (),
    cache: Cache | None = None,
    clock: Clock | None = None,
) -> list[MetricRow]:
    """The utility rows, in total and by class.

    Args:
        modality: makes the judges.
        schema: of the records.
        train, holdout, synthetic: real training, held-out real and synthetic records.
        seeds: one judge an arm is trained for each.
        draws: bootstrap samples.
        shares: of the real records, for `gain_25`, `tstr_25` and so on; empty: without these rows.
        cache: where judges' answers are kept.
        clock: told before each training.
    """
    measured = judge_measure(modality, schema)
    if measured is None:
        raise ValueError(missing_judge(modality, schema))
    unwanted = {f"{name}_{n}" for name in ("gain", "tstr") for n in (10, 25) if n / 100 not in shares}
    wanted = [full for full, name in zip(row_names(measured), UTILITY, strict=True) if name not in unwanted]
    bench = Bench(modality, schema, seeds=seeds, draws=draws, cache=cache or Cache())
    sides = _Sides.of(train, holdout, synthetic)
    return guarded(
        [*wanted, "label_fidelity"] if measured in PLAIN else wanted,
        lambda: _rows(bench, sides, measured, shares, clock),
    )


@dataclass(frozen=True)
class _Sides:
    """The records of the arms."""

    train: Records
    holdout: Records
    synthetic: Records
    real: Records
    ours: Records
    matched: Records

    @classmethod
    def of(cls, train: Records, holdout: Records, synthetic: Records) -> _Sides:
        """Equal numbers of real and synthetic training records; synthetic test records in the held-out shares."""
        n = min(len(train), len(synthetic))
        rng = generator(0, "utility-draw")
        real = train if n == len(train) else train.take(np.sort(rng.permutation(len(train))[:n]))
        ours = synthetic if n == len(synthetic) else synthetic.take(np.sort(rng.permutation(len(synthetic))[:n]))
        matched = synthetic.take(draw(train, holdout, synthetic).synthetic)
        return cls(train, holdout, synthetic, real, ours, matched)


def _rows(bench: Bench, sides: _Sides, measured: str, shares: Sequence[float], clock: Clock | None) -> list[MetricRow]:
    tests = {"holdout": sides.holdout}
    plan: dict[str, tuple[Records, Mapping[str, Records]]] = {
        "real": (sides.real, tests | {"matched": sides.matched, "synthetic": sides.synthetic}),
        "synthetic": (sides.ours, tests),
        "real + synthetic": (joined(sides.train, sides.ours), tests),
    }
    if sides.real is not sides.train:
        plan["all real"] = (sides.train, tests)
    for share in shares:
        part = stratified_share(sides.train, share)
        plan[f"{share:.0%} real"] = (part, tests)
        often = part.take(np.tile(np.arange(len(part)), max(1, round(len(sides.ours) / len(part)))))
        plan[f"{share:.0%} real + synthetic"] = (joined(often, sides.ours), tests)
        few = min(1.0, len(part) / len(sides.ours))
        plan[f"{share:.0%} synthetic"] = (stratified_share(sides.ours, few), tests)
    arms: dict[str, dict[str, Arm]] = {}
    for name, (records, asked) in plan.items():
        if clock is not None:
            clock.begin(f"judge trained on {name}", len(bench.seeds))
        arms[name] = bench.arms(records, asked)
    return _Summary(bench, sides, measured, arms).rows(shares, {name: len(plan[name][0]) for name in plan})


def joined(real: Records, synthetic: Records) -> Records:
    """Both, with the columns that both have."""
    return Records.concatenate([_bare(real, synthetic), _bare(synthetic, real)])


def _bare(records: Records, beside: Records) -> Records:
    return Records({name: records.columns[name] for name in records.columns if name in beside.columns}, records.label)


class _Summary:
    """From arms to rows."""

    def __init__(self, bench: Bench, sides: _Sides, measured: str, arms: Mapping[str, Mapping[str, Arm]]) -> None:
        self.names = dict(zip(UTILITY, row_names(measured), strict=True))
        self.measured = measured
        self.sides = sides
        self.arms = arms
        self.shared = {"measure": measured, "seeds": bench.seeds, "n_train": len(sides.ours)}
        self.real, self.synthetic = arms["real"]["holdout"], arms["synthetic"]["holdout"]
        self.reference = _spread("trtr", self.real.resampled, self.real.n)

    def rows(self, shares: Sequence[float], sizes: Mapping[str, int]) -> list[MetricRow]:
        real, synthetic, both = self.real, self.synthetic, self.arms["real + synthetic"]["holdout"]
        alone = self.arms.get("all real", self.arms["real"])["holdout"]
        n, everything = len(self.sides.ours), len(self.sides.train)
        equal = f"{self.measured}; each judge trained on {n} records"
        rows = [
            self._row("trtr", real.value, real.resampled, real.value, real.n, floor_ci=self.reference, note=equal,
                      per_seed=real.per_seed),
            self._row("tstr", synthetic.value, synthetic.resampled, real.value, real.n, floor_ci=self.reference,
                      note=equal, per_seed=synthetic.per_seed),
            self._trts(n),
            *guarded([self.names["tstr_ratio"]], lambda: [self._ratio(equal)]),
            self._gain("gain", alone, both, everything, n),
        ]  # fmt: skip
        for share in sorted(shares, reverse=True):
            name = f"{share:.0%} real"
            few, more = self.arms[name]["holdout"], self.arms[f"{name} + synthetic"]["holdout"]
            rows.append(self._gain(f"gain_{round(100 * share)}", few, more, sizes[name], n))
            ours = f"{share:.0%} synthetic"
            note = f"{self.measured}; {sizes[ours]} synthetic against {sizes[name]} real records"
            rows.append(self._few(f"tstr_{round(100 * share)}", self.arms[ours]["holdout"], few, note))
        rows += self._by_class(self.names["trtr"], real, real)
        rows += self._by_class(self.names["tstr"], synthetic, real)
        if self.measured not in PLAIN:
            return rows
        rows += self._gain_by_class(alone, both)
        fidelity = self.arms["real"]["synthetic"]
        note = f"{self.measured} of judges trained on {n} real records"
        rows.append(
            self._row("label_fidelity", fidelity.value, fidelity.resampled, real.value, fidelity.n,
                      floor_ci=self.reference, per_seed=fidelity.per_seed, note=note)
        )  # fmt: skip
        return rows + self._by_class("label_fidelity", fidelity, real)

    def _row(self, name: str, value: float, drawn: Values, floor: float, n: int, **facts: Any) -> MetricRow:
        full = self.names.get(name, name)
        return MetricRow(full, value, _spread(full, drawn, n), floor, n, "higher", facts=self.shared | facts)

    def _trts(self, n: int) -> MetricRow:
        arm = self.arms["real"]["matched"]
        note = f"{self.measured}; judges trained on {n} real records; high under mode collapse too, never read alone"
        row = self._row("trts", arm.value, arm.resampled, self.real.value, arm.n, floor_ci=self.reference, note=note)
        return MetricRow(row.name, row.value, row.ci, row.floor, row.n, "floor", facts=row.facts)

    def _ratio(self, note: str) -> MetricRow:
        if self.real.value <= 0:
            raise ValueError(f"the real-trained judge reaches {self.real.value:.3f}; a ratio to it means nothing")
        drawn = self.synthetic.resampled / self.real.resampled
        return self._row("tstr_ratio", self.synthetic.value / self.real.value, drawn, 1.0, self.real.n, note=note)

    def _few(self, name: str, synthetic: Arm, real: Arm, note: str) -> MetricRow:
        spread = _spread("trtr", real.resampled, real.n)
        return self._row(name, synthetic.value, synthetic.resampled, real.value, real.n, floor_ci=spread, note=note,
                         per_seed=synthetic.per_seed)  # fmt: skip

    def _gain(self, name: str, alone: Arm, both: Arm, real: int, synthetic: int) -> MetricRow:
        note = f"{self.measured}; {real} real + {synthetic} synthetic against {real} real records"
        if name != "gain":
            times = max(1, round(synthetic / real))
            note += f"; each real one {times} times, so that both count alike" if times > 1 else ""
            note += "; the generator itself had seen all of them"
        drawn = both.resampled - alone.resampled
        return self._row(name, both.value - alone.value, drawn, 0.0, both.n, n_train=real, note=note,
                         alone=alone.value, both=both.value)  # fmt: skip

    def _by_class(self, name: str, arm: Arm, reference: Arm) -> list[MetricRow]:
        floors = reference.per_class
        rows = [
            MetricRow(f"{name}/{label}", value, _spread(name, arm.resampled_class(label), arm.n), floors.get(label),
                      arm.n, "higher", facts=self.shared)
            for label, value in arm.per_class.items()
        ]  # fmt: skip
        if name == "tstr" and len(rows) > 1:
            worst = min(floors.values())
            lowest = np.nanmin(np.stack(list(_class_draws(reference).values())), axis=0)
            floor_ci = _spread(name, lowest - lowest.mean() + worst, arm.n)
            rows.append(self._worst("tstr_worst_class", arm.classes, _class_draws(arm), worst, floor_ci=floor_ci))
        return rows

    def _gain_by_class(self, alone: Arm, both: Arm) -> list[MetricRow]:
        labels = [label for label in both.classes if label in alone.classes]
        drawn = {label: both.resampled_class(label) - alone.resampled_class(label) for label in labels}
        change = {label: both.classes[label] - alone.classes[label] for label in labels}
        rows = [
            MetricRow(f"gain/{label}", float(change[label].mean()), _spread("gain", drawn[label], both.n), 0.0, both.n,
                      "higher", facts=self.shared)
            for label in labels
        ]  # fmt: skip
        return [*rows, self._worst("gain_worst_class", change, drawn, 0.0)] if len(rows) > 1 else rows

    def _worst(
        self, name: str, classes: Mapping[str, Values], drawn: Mapping[str, Values], floor: float, **more: Any
    ) -> MetricRow:
        """The lowest class; draws of a minimum lie below it, so the interval is centred."""
        means = {label: float(values.mean()) for label, values in classes.items()}
        lowest = min(means, key=lambda label: means[label])
        found = np.nanmin(np.stack([drawn[label] for label in means]), axis=0)
        facts = {"class": lowest, "note": f"the lowest of {len(means)} classes: {lowest}", **more}
        return self._row(name, means[lowest], found - found.mean() + means[lowest], floor, self.real.n, **facts)


def _class_draws(arm: Arm) -> dict[str, Values]:
    return {label: arm.resampled_class(label) for label in arm.classes}


def _spread(name: str, drawn: Values, n: int) -> tuple[float, float]:
    about = describe(name)
    low, high = widened(interval(drawn), n, low=about.low, high=about.high)
    return low if about.low is None else max(low, about.low), high if about.high is None else min(high, about.high)


def learning_curve(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    seeds: Sequence[int],
    draws: int = 1000,
    multiples: Sequence[float] = (0, 0.25, 0.5, 1, 2, 4),
    cache: Cache | None = None,
    clock: Clock | None = None,
) -> list[CurvePoint]:
    """The judge's measure with all real and ever more synthetic records, at equal optimiser steps.

    Args:
        modality, schema, train, holdout, synthetic, seeds, draws, cache, clock: as of `measure`.
        multiples: synthetic records in multiples of the real ones; amounts beyond what there is are left out.
    """
    bench = Bench(modality, schema, seeds=seeds, draws=draws, cache=cache or Cache())
    order = generator(0, "utility-draw").permutation(len(synthetic))
    amounts = sorted({round(multiple * len(train)) for multiple in multiples} - {0})
    amounts = [0, *(amount for amount in amounts if amount <= len(synthetic))]
    if len(amounts) == 1 or amounts[-1] < min(len(synthetic), max(1, round(multiples[-1] * len(train)))):
        amounts.append(min(len(synthetic), round(multiples[-1] * len(train))))
    points = []
    for amount in amounts:
        if clock is not None:
            clock.begin(f"learning curve, {amount} synthetic records", len(bench.seeds))
        records = train if not amount else joined(train, synthetic.take(np.sort(order[:amount])))
        arm = bench.arms(records, {"holdout": holdout})["holdout"]
        points.append(CurvePoint(amount, arm.value, _spread("tstr", arm.resampled, arm.n)))
    return points
