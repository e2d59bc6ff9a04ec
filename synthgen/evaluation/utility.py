"""Does it help? Downstream models trained on real, synthetic and both, all tested on the same held-out records.

- `trtr`, `tstr`: the judge's measure after training on real or on synthetic records, tested on held-out real ones,
  with the same number of training records and of optimiser steps (Esteban et al. 2017; classification accuracy score,
  Ravuri and Vinyals 2019).
- `tstr_ratio` = tstr / trtr; `gain` = real + as many synthetic records, minus real alone.
- `label_fidelity`: the measure of the real-trained judge on the synthetic records; its floor is the same judge on
  held-out records. High guidance raises it and kills diversity, so read it beside `recall`.

Each arm is trained once for each seed. An interval resamples test records and seeds together; for ratio and gain with
the same draws in both arms, because both were tested on the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Judge, Modality, Outcome, Records, Schema
from synthgen.evaluation.metric import UTILITY, MetricRow, describe, guarded, interval, widened
from synthgen.seeding import generator

__all__ = ["Arm", "judge_measure", "measure", "missing_judge", "row_names"]

Progress = Callable[[Mapping[str, Any]], None]
Values = NDArray[np.float64]


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
    return tuple(name if measure in {"accuracy", "miou"} else f"{measure}_{name}" for name in UTILITY)


class Arm:
    """One way of training, judged once for each seed on the same N test records."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes
        self.per_seed = [outcome.value() for outcome in outcomes]

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.per_seed))

    @property
    def per_class(self) -> dict[str, float]:
        """Mean over seeds by class."""
        found = [outcome.per_class() for outcome in self.outcomes]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def resampled(self, weights: NDArray[np.int64], seeds: NDArray[np.int64]) -> Values:
        """The mean over seeds in each draw `(B,)`, given weights of test records `(B, N)` and chosen seeds `(B, S)`."""
        values = np.array([[outcome.value(row) for outcome in self.outcomes] for row in weights])  # (B, S)
        return np.asarray(np.take_along_axis(values, seeds, axis=1).mean(axis=1))

    def resampled_classes(self, weights: NDArray[np.int64], seeds: NDArray[np.int64]) -> dict[str, Values]:
        """As `resampled`, by class."""
        found = [[outcome.per_class(row) for outcome in self.outcomes] for row in weights]
        return {
            name: np.array(
                [np.mean([row[s].get(name, np.nan) for s in pick]) for row, pick in zip(found, seeds, strict=True)]
            )
            for name in self.per_class
        }


class _Draws:
    """The same draws of test records and of seeds for every arm."""

    def __init__(self, n: int, seeds: int, *, draws: int, purpose: str) -> None:
        rng = generator(0, purpose)
        self.weights = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        self.seeds = rng.integers(0, seeds, size=(draws, seeds))

    def values(self, arm: Arm) -> Values:
        return arm.resampled(self.weights, self.seeds)

    def classes(self, arm: Arm, *, most: int = 200) -> dict[str, Values]:
        return arm.resampled_classes(self.weights[:most], self.seeds[:most])


def measure(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1000,
    progress: Progress | None = None,
) -> list[MetricRow]:
    """The utility rows, in total and by class.

    Args:
        modality: makes the judges.
        schema: of the records.
        train, holdout, synthetic: real training, held-out real and synthetic records.
        seeds: one judge an arm is trained for each.
        draws: bootstrap samples.
        progress: told before each training.
    """
    measured = judge_measure(modality, schema)
    if measured is None:
        raise ValueError(missing_judge(modality, schema))
    names = row_names(measured)
    labelled = measured in {"accuracy", "miou"}
    wanted = [*names, "label_fidelity"] if labelled else list(names)
    return guarded(
        wanted,
        lambda: _rows(
            modality, schema, train, holdout, synthetic, measured=measured, seeds=seeds, draws=draws, progress=progress
        ),
    )


def _rows(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    measured: str,
    seeds: Sequence[int],
    draws: int,
    progress: Progress | None,
) -> list[MetricRow]:
    n = min(len(train), len(synthetic))
    rng = generator(0, "utility-draw")
    real = train if n == len(train) else train.take(np.sort(rng.permutation(len(train))[:n]))
    ours = synthetic if n == len(synthetic) else synthetic.take(np.sort(rng.permutation(len(synthetic))[:n]))
    both = Records.concatenate([_bare(train, ours), _bare(ours, train)])
    trainings = {"real": real, "synthetic": ours, "real + synthetic": both}
    if real is not train:
        trainings["all real"] = train
    outcomes: dict[str, list[Outcome]] = {name: [] for name in [*trainings, "fidelity"]}
    done = 0
    for seed in seeds:
        for name, records in trainings.items():
            if progress is not None:
                total = len(seeds) * len(trainings)
                progress({"kind": "evaluate", "stage": f"judge trained on {name}", "done": done, "total": total})
            judge = _fitted(modality, schema, records, seed)
            outcomes[name].append(judge.evaluate(holdout))
            if name == "real":
                outcomes["fidelity"].append(judge.evaluate(synthetic))
            done += 1
    arms = {name: Arm(found) for name, found in outcomes.items()}
    return _summarise(arms, schema, measured, len(holdout), len(synthetic), n, len(train), seeds, draws)


def _bare(records: Records, beside: Records) -> Records:
    """Only the columns that both have, so that real and synthetic records can be joined."""
    return Records({name: records.columns[name] for name in records.columns if name in beside.columns}, records.label)


def _fitted(modality: Modality, schema: Schema, records: Records, seed: int) -> Judge:
    judge = modality.judge(schema, seed=seed)
    assert judge is not None
    return judge.fit(records)


def _summarise(
    arms: Mapping[str, Arm],
    schema: Schema,
    measured: str,
    n_test: int,
    n_synthetic: int,
    n: int,
    n_train: int,
    seeds: Sequence[int],
    draws: int,
) -> list[MetricRow]:
    trtr, tstr, ratio, gain = row_names(measured)
    test = _Draws(n_test, len(seeds), draws=draws, purpose="utility-test")
    real, synthetic, both = arms["real"], arms["synthetic"], arms["real + synthetic"]
    alone = arms.get("all real", real)
    drawn = {id(arm): test.values(arm) for arm in (real, synthetic, both, alone)}
    shared = {"measure": measured, "seeds": list(seeds), "n_train": n}
    equal = f"{measured}; each judge trained on {n} records"

    def row(name: str, value: float, found: Values, floor: float, **facts: Any) -> MetricRow:
        return MetricRow(name, value, _spread(name, found, n_test), floor, n_test, "higher", facts=shared | facts)

    reference = _spread(trtr, drawn[id(real)], n_test)
    rows = [
        row(trtr, real.value, drawn[id(real)], real.value, floor_ci=reference, per_seed=real.per_seed, note=equal),
        row(tstr, synthetic.value, drawn[id(synthetic)], real.value, floor_ci=reference, per_seed=synthetic.per_seed,
            note=equal),
        row(gain, both.value - alone.value, drawn[id(both)] - drawn[id(alone)], 0.0, n_train=n_train,
            note=f"{measured}; {n_train} real + {n} synthetic against {n_train} real records"),
    ]  # fmt: skip
    rows[2:2] = guarded([ratio], lambda: _ratio_row(ratio, real, synthetic, drawn, row, equal))
    rows += _by_class(trtr, real, real, test, shared, n_test)
    rows += _by_class(tstr, synthetic, real, test, shared, n_test)
    if measured not in {"accuracy", "miou"}:
        return rows
    fidelity = arms["fidelity"]
    ours = _Draws(n_synthetic, len(seeds), draws=min(draws, 500), purpose="fidelity-test")
    facts = shared | {
        "floor_ci": reference,
        "per_seed": fidelity.per_seed,
        "note": f"{measured} of judges trained on {n} real records",
    }
    ci = _spread("label_fidelity", ours.values(fidelity), n_synthetic)
    rows.append(MetricRow("label_fidelity", fidelity.value, ci, real.value, n_synthetic, "higher", facts=facts))
    return rows + _by_class("label_fidelity", fidelity, real, ours, shared, n_synthetic)


def _spread(name: str, drawn: Values, n: int) -> tuple[float, float]:
    about = describe(name)
    return widened(interval(drawn), n, low=about.low, high=about.high)


def _ratio_row(
    name: str,
    real: Arm,
    synthetic: Arm,
    drawn: Mapping[int, Values],
    row: Callable[..., MetricRow],
    note: str,
) -> list[MetricRow]:
    if real.value <= 0:
        raise ValueError(f"the real-trained judge reaches {real.value:.3f}; a ratio to it means nothing")
    return [row(name, synthetic.value / real.value, drawn[id(synthetic)] / drawn[id(real)], 1.0, note=note)]


def _by_class(name: str, arm: Arm, reference: Arm, test: _Draws, facts: Mapping[str, Any], n: int) -> list[MetricRow]:
    drawn = test.classes(arm)
    floors = reference.per_class
    return [
        MetricRow(f"{name}/{label}", value, _spread(name, drawn[label], n), floors.get(label), n, "higher", facts=facts)
        for label, value in arm.per_class.items()
    ]
