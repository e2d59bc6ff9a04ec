"""Is the report right? Data sets whose faults are known, made of real records, on many random splits of the digits.

Clean is real data that the training side never saw, passed off as synthetic. Each other set has one fault, and one
metric that is meant for it. The features are those of the image modality; the judge is its support-vector machine.

    python benchmarks/report_calibration.py --splits 40     # cut off, it continues with the next split
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from synthgen_image.judge import SvmJudge
from synthgen_image.modality import ImageModality

from synthgen.api import Judge, Modality, Records, Schema
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.measurement import measure_records
from synthgen.evaluation.metric import MetricRow, jsonable
from synthgen.evaluation.verdict import answer

__all__ = ["FAULTS", "Sides", "calibrate", "split"]


class QuickImages(ImageModality):
    """Images with the support-vector machine as judge."""

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        return SvmJudge(schema)


@dataclass(frozen=True)
class Sides:
    """One random split: training, held-out, and fresh real records that stand for a perfect generator's."""

    schema: Schema
    train: Records
    holdout: Records
    fresh: Records


def split(seed: int, *, train: int = 700, holdout: int = 500) -> Sides:
    """The digits, cut in three at random."""
    source = open_source("image", DataConfig(path="digits"))
    order = np.random.default_rng(seed).permutation(len(source))
    parts = np.split(order, [train, train + holdout, train + 2 * holdout])[:3]
    return Sides(source.schema, *(source.read(np.sort(part).astype(np.int64)) for part in parts))


def _label_shuffled(sides: Sides, rng: np.random.Generator) -> Records:
    assert sides.fresh.label is not None
    return Records(sides.fresh.columns, rng.permutation(sides.fresh.label))


def _noisy(sides: Sides, rng: np.random.Generator) -> Records:
    """A tenth of the grey range as standard deviation, rounded to the levels in use."""
    images = sides.fresh["image"].astype(np.float64)
    levels = np.unique(sides.train["image"])
    noisy = images + rng.normal(0, 0.1 * (levels.max() - levels.min()), images.shape)
    nearest = levels[np.abs(noisy[..., None] - levels).argmin(axis=-1)]
    return Records({"image": nearest.astype(np.uint8)}, sides.fresh.label)


def _single_mode(sides: Sides, rng: np.random.Generator) -> Records:
    """Of each class the tenth of the fresh records that is nearest to one of them, drawn with repeats."""
    assert sides.fresh.label is not None
    flat = sides.fresh["image"].reshape(len(sides.fresh), -1).astype(np.float64)
    chosen = np.empty(len(sides.fresh), dtype=np.int64)
    for k in np.unique(sides.fresh.label):
        members = np.flatnonzero(sides.fresh.label == k)
        centre = flat[rng.choice(members)]
        near = members[np.linalg.norm(flat[members] - centre, axis=1).argsort()[: max(2, len(members) // 10)]]
        chosen[members] = rng.choice(near, len(members))
    return sides.fresh.take(chosen)


def _half_duplicated(sides: Sides, rng: np.random.Generator) -> Records:
    """Every second record is one of the others once more."""
    n = len(sides.fresh)
    kept = rng.permutation(n)[: n // 2]
    return sides.fresh.take(np.concatenate([kept, kept]))


def _half_copied(sides: Sides, rng: np.random.Generator) -> Records:
    """Every second record is a training record."""
    n = len(sides.fresh) // 2
    return Records.concatenate([sides.fresh.take(slice(0, n)), sides.train.take(rng.permutation(len(sides.train))[:n])])


Rows = Mapping[str, MetricRow]


def _below_floor(name: str, share: float = 1.0) -> Callable[[Rows], bool]:
    def caught(rows: Rows) -> bool:
        row = rows[name]
        assert row.ci is not None, row.error
        assert row.floor_ci is not None
        return row.ci[1] < share * row.floor_ci[0]

    return caught


def _above_floor(name: str) -> Callable[[Rows], bool]:
    def caught(rows: Rows) -> bool:
        row = rows[name]
        assert row.ci is not None, row.error
        assert row.floor_ci is not None
        return row.ci[0] > row.floor_ci[1]

    return caught


@dataclass(frozen=True)
class Fault:
    """A data set with a known fault.

    Args:
        make: it, from a split.
        metric: the one that is meant for it; its whole interval has to lie on the bad side of the floor's.
        caught: whether it does.
        verdict: the question and the answer that the verdict has to give as well, where one is meant for it.
    """

    make: Callable[[Sides, np.random.Generator], Records]
    metric: str
    caught: Callable[[Rows], bool]
    verdict: tuple[str, str] | None = None


FAULTS: Mapping[str, Fault] = {
    "copy of the training set": Fault(
        lambda sides, rng: sides.train, "copy_rate", _above_floor("copy_rate"), ("Leaks?", "yes")
    ),
    "half copied from training": Fault(_half_copied, "copy_rate", _above_floor("copy_rate"), ("Leaks?", "yes")),
    "labels shuffled": Fault(_label_shuffled, "label_fidelity", _below_floor("label_fidelity")),
    "noise added": Fault(_noisy, "c2st_auc", _above_floor("c2st_auc"), ("Looks right?", "no")),
    "one mode a class": Fault(_single_mode, "recall", _below_floor("recall", 0.8), ("Looks right?", "no")),
    "half duplicated": Fault(_half_duplicated, "duplicate_rate", _above_floor("duplicate_rate")),
}


def calibrate(
    sides: Sides, *, seed: int, draws: int = 100, modality: Modality | None = None
) -> dict[str, dict[str, Any]]:
    """What the report says of the clean set and of each fault.

    Args:
        sides: a split.
        seed: of the faults.
        draws: bootstrap samples.
        modality: makes embedder and judge; None: images with a support-vector machine.

    Returns:
        Name of the set -> `decisions` by question, and for faults `caught` and the row's `value`, `ci` and `floor`.
    """
    cache = Cache()
    modality = modality or QuickImages()
    found: dict[str, dict[str, Any]] = {}

    def report(records: Records) -> tuple[Rows, dict[str, str]]:
        measured = measure_records(
            modality, sides.schema, sides.train, sides.holdout, records, seeds=(0,), draws=draws, cache=cache
        )
        decisions = {one.question: one.decision for one in answer(measured.rows, absent=measured.absent)}
        return {row.name: row for row in measured.rows}, decisions

    rows, decisions = report(sides.fresh)
    false_alarms = [name for name, fault in FAULTS.items() if fault.caught(rows)]
    found["real data passed off as synthetic"] = {"decisions": decisions, "false_alarms": false_alarms}
    for name, fault in FAULTS.items():
        rows, decisions = report(fault.make(sides, np.random.default_rng(seed)))
        row = rows[fault.metric]
        found[name] = {
            "decisions": decisions,
            "caught": fault.caught(rows),
            "answered": fault.verdict is None or decisions[fault.verdict[0]] == fault.verdict[1],
            "metric": fault.metric,
            "value": row.value,
            "ci": row.ci,
            "floor": row.floor,
        }
    return found


def _one_split(seed: int) -> Any:
    return jsonable(calibrate(split(seed), seed=seed))


def main() -> None:
    from record import Recording

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=40)
    arguments = parser.parse_args()
    seeds = list(range(arguments.splits))
    with Recording(f"report_calibration_{arguments.splits}", seeds=seeds) as recording:
        splits = []
        for seed in seeds:
            splits.append(recording.once(f"split {seed}", partial(_one_split, seed)))
            clean = splits[-1]["real data passed off as synthetic"]
            missed = [name for name in FAULTS if not splits[-1][name]["caught"] or not splits[-1][name]["answered"]]
            alarms = clean["false_alarms"]
            print(f"split {seed}: {clean['decisions']}, false alarms {alarms}, missed {missed}", flush=True)
        recording.results = {"summary": summary(splits), "splits": splits}
    for name, counts in recording.results["summary"].items():
        print(f"{name}: {counts}")


def summary(splits: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Counts over splits."""
    clean = [one["real data passed off as synthetic"] for one in splits]
    found: dict[str, Any] = {
        "real data passed off as synthetic": {
            "splits": len(splits),
            "looks right, leaks nothing": sum(
                one["decisions"]["Looks right?"] == "yes" and one["decisions"]["Leaks?"] == "no" for one in clean
            ),
            "called wrong or leaking": sum(
                one["decisions"]["Looks right?"] == "no" or one["decisions"]["Leaks?"] == "yes" for one in clean
            ),
            "false alarms of metrics": sum(len(one["false_alarms"]) for one in clean),
        }
    }
    for name, fault in FAULTS.items():
        rows = [one[name] for one in splits]
        values = [row["value"] for row in rows]
        found[name] = {
            "metric": fault.metric,
            "caught": sum(row["caught"] for row in rows),
            "verdict as it has to be": None if fault.verdict is None else sum(row["answered"] for row in rows),
            "value": [min(values), max(values)],
            "floor": [min(row["floor"] for row in rows), max(row["floor"] for row in rows)],
        }
    return found


if __name__ == "__main__":
    main()
