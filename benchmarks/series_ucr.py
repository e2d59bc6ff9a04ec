"""Labelled series: judges trained on synthetic series of UCR sets, tested on the official TEST part.

The generator sees TRAIN alone (its own held-out loss is watched on TRAIN too, so that TEST decides nothing), makes
classes in the shares of TRAIN and at least 1,000 series, and judges trained on these meet TEST: the protocol of
TimeVQVAE (Lee, Malacarne and Aune 2023) with its fully convolutional network, and MiniRocket beside it. The same
judges trained on TRAIN are the reference. The published judge takes 1,000 epochs of batch 256, which is
`--judge-steps 4000 --judge-batch 256`; the default here is smaller, for the same network on two cores.

    SYNTHGEN_BENCH_DATA=... python benchmarks/series_ucr.py --minutes 4 --seeds 0 --work /tmp/ucr

A result is written for each set. Runs are kept under `--work` and finished rows beside the results; the same command
goes on after the last.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import Recording
from series_data import add_training_options, data_folder, records_of, training_facts, training_overrides
from synthgen_timeseries.archive import parse_ucr
from synthgen_timeseries.judge import NetworkJudge, RocketJudge
from synthgen_timeseries.modality import TimeSeries

from synthgen.api import Records
from synthgen.evaluation.privacy import Nearness
from synthgen.evaluation.privacy import measure as privacy_rows
from synthgen.generation import generate_records
from synthgen.io.run import Run
from synthgen.training import train

TIMEVQVAE = {
    "SyntheticControl": 97.2, "Strawberry": 95.7, "PowerCons": 89.4, "GunPointAgeSpan": 98.5, "CBF": 96.5,
    "PhalangesOutlinesCorrect": 79.0,
}  # fmt: skip
"""TSTR accuracy of the FCN in percent: ML4ITS/TimeVQVAE at c1b3040, `results/CAS; full results.csv`."""

REAL = {
    "SyntheticControl": 99.7, "Strawberry": 98.4, "PowerCons": 99.4, "GunPointAgeSpan": 99.1, "CBF": 99.9,
    "PhalangesOutlinesCorrect": 85.2,
}  # fmt: skip
"""Accuracy of InceptionTime trained on TRAIN, in percent: aeon's published reference results, resample 0."""

_LEAST = 1_000  # synthetic series
_SMALL = 100  # training series, at most, of a small set


def load(name: str) -> tuple[np.ndarray, list[str], np.ndarray, list[str]]:
    """TRAIN and TEST series `(N, 1, L)` with their labels."""
    found: list[Any] = []
    for part in ("TRAIN", "TEST"):
        held = parse_ucr(data_folder() / "timeseries" / "ucr" / name / f"{name}_{part}.tsv")
        found += [np.stack(held.series), held.label]
    return found[0], found[1], found[2], found[3]


def trained(name: str, seed: int, chosen: argparse.Namespace, place: Path) -> Run:
    """A run that saw TRAIN alone; an interrupted one is taken up."""
    x, y, _, _ = load(name)
    archive = place / "train.npz"
    if not archive.exists():
        np.savez(archive, X_train=x, y_train=np.array(y), X_test=x, y_test=np.array(y))
    overrides = training_overrides(chosen, seed)
    overrides["data"] = {"validation": 0.0, "calibration": 0.0}  # TRAIN is small enough
    return train(overrides, modality="timeseries", data=archive, out=place / "run")


def measure(name: str, seed: int, chosen: argparse.Namespace, recording: Recording) -> dict[str, Any]:
    """Every stage of one set and seed; those that an earlier, interrupted command finished are taken over."""
    place = chosen.work / name / f"seed-{seed}"
    place.mkdir(parents=True, exist_ok=True)

    def once(stage: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = recording.once(f"{name} seed {seed} {stage}", make)
        print(f"{name} seed {seed} {stage}: {found}", flush=True)
        return found

    row: dict[str, Any] = {"set": name, "seed": seed}
    row["training"] = once("training", lambda: training_facts(trained(name, seed, chosen, place)))
    run = Run.open(place / "run")
    x, y, x_test, y_test = load(name)
    real, test = (records_of(a, b, run.schema) for a, b in ((x, y), (x_test, y_test)))
    synthetic = _generated(run, real, seed, chosen)
    for kind in chosen.judges:
        arms = {"trtr": real, "tstr": synthetic}
        if kind == "minirocket" or len(real) <= _SMALL:
            arms["both"] = Records.concatenate([real, synthetic])
        for arm, records in arms.items():

            def judged(kind: str = kind, records: Records = records) -> dict[str, Any]:
                return {"accuracy": 100 * _judge(kind, run, seed, chosen).fit(records).evaluate(test).value()}

            row[f"{arm}-{kind}"] = once(f"{arm}-{kind}", judged)

    def copies() -> dict[str, Any]:
        modality = TimeSeries()
        flat = [modality.flatten(side, run.schema) for side in (real, test, synthetic)]
        rows = {one.name: one for one in privacy_rows(Nearness(*flat), draws=200)}
        found = rows["copy_rate"]
        return {"copy_rate": found.value, "ci": found.ci, "floor": found.floor, "floor_ci": found.facts["floor_ci"]}

    row["copies"] = once("copies", copies)
    return row


def _generated(run: Run, real: Records, seed: int, chosen: argparse.Namespace) -> Records:
    """As many series a class as TRAIN has, or so many times that there are at least `--least`."""
    assert real.label is not None
    times = max(1, -(-chosen.least // len(real)))
    counts = {name: times * int((real.label == k).sum()) for k, name in enumerate(run.schema.labels)}
    return generate_records(run, n=sum(counts.values()), counts=counts, guidance=chosen.guidance, steps=chosen.steps,
                            seed=seed)  # fmt: skip


def _judge(kind: str, run: Run, seed: int, chosen: argparse.Namespace) -> Any:
    if kind == "minirocket":
        return RocketJudge(run.schema, seed=seed, features=10_000)
    dtype = (
        torch.bfloat16 if run.facts["precision"] == "bf16" else torch.float32
    )  # what the run found to be faster here
    return NetworkJudge(
        run.schema, seed=seed, name=kind, steps=chosen.judge_steps, batch=chosen.judge_batch, dtype=dtype
    )


def summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over seeds, what real and synthetic series together gain, and the published figures."""
    arms = [key for key in rows[0] if key.startswith(("tstr", "trtr", "both"))]
    found: dict[str, Any] = {arm: statistics.median(row[arm]["accuracy"] for row in rows) for arm in arms}
    for both in [arm for arm in arms if arm.startswith("both")]:
        kind = both.removeprefix("both-")
        gains = [row[both]["accuracy"] - row[f"trtr-{kind}"]["accuracy"] for row in rows]
        found[f"gain-{kind}"] = statistics.median(gains)
    found["copy_rate"] = statistics.median(row["copies"]["copy_rate"] for row in rows)
    found["train_seconds"] = statistics.median(row["training"]["seconds"] for row in rows)
    return found | {"timevqvae_fcn": TIMEVQVAE[name], "real_inceptiontime": REAL[name]}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training_options(parser, minutes=4.0)
    parser.add_argument("--sets", nargs="+", default=list(TIMEVQVAE), choices=list(TIMEVQVAE))
    parser.add_argument("--judges", nargs="+", default=["minirocket", "fcn"],
                        choices=["minirocket", "fcn", "inceptiontime"])  # fmt: skip
    parser.add_argument("--least", type=int, default=_LEAST, help="synthetic series, at least")
    parser.add_argument("--judge-steps", type=int, default=1_500)
    parser.add_argument("--judge-batch", type=int, default=32)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    medians = {}
    for name in chosen.sets:
        with Recording(f"{chosen.name or 'series_ucr'}_{name}", seeds=chosen.seeds) as recording:
            rows = [measure(name, seed, chosen, recording) for seed in chosen.seeds]
            medians[name] = summary(name, rows)
            recording.results = {"median": medians[name], "rows": rows}
            print(name, medians[name], flush=True)
    for key in sorted(set.intersection(*(set(found) for found in medians.values()))):
        print(f"mean {key}: {statistics.fmean(found[key] for found in medians.values()):.2f}")


if __name__ == "__main__":
    main()
