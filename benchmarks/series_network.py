"""Which network for which series: U-Net, axial transformer and grid transformer at one budget of training records.

    SYNTHGEN_BENCH_DATA=... python benchmarks/series_network.py --samples 30000 --seeds 0 1 2

A variant is a network, with `+context` when half of the training records come with a part of them given
(`train.context=0.5`), which must not cost anything in what is generated from nothing, and with `+muon` when Muon with a
learning rate of 0.004 trains it instead of the default. Each row is one training:

    tstr          accuracy on the hold-out of a MiniRocket judge that was trained on as many synthetic records as there
                  are training records; without classes the R2 of next-step prediction
    c2st_auc      the better of two probes, on MiniRocket features and on the values, tells synthetic from held-out
                  records; 0.5 is best, the floor is training records
    kd            kernel distance of the same features
    held_out      the held-out loss, and cpu_seconds the processor time of training

Rows are kept as they come (`results/series_network.rows.jsonl`), so that a stopped run goes on; the summary beside them
is made anew from all rows of the budget.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from record import Recording
from rows import Rows

import synthgen
from synthgen.evaluation.comparison import standardised
from synthgen.evaluation.fidelity import classifier_two_sample, kernel_distance
from synthgen.generation import generate_records

NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"name": "unet"},
    "dit": {"name": "dit", "width": 64, "blocks": 4},
    "grid": {"name": "grid", "width": 64, "blocks": 4},
}
DEMO = ("basic-motions", "gunpoint")
OURS = ("CBF", "SyntheticControl", "PowerCons", "Strawberry", "stocks", "etth1")
MOST = 1_000
"""Synthetic records at most; the comparison costs more than the training otherwise."""


def data_of(name: str) -> dict[str, Any]:
    """What `train` is told of a set; those that are no demo sets lie in SYNTHGEN_BENCH_DATA."""
    if name in DEMO:
        return {"path": name}
    folder = Path(os.environ["SYNTHGEN_BENCH_DATA"]) / "timeseries"
    if name in ("stocks", "etth1"):
        return {"path": str(folder / f"{name}.csv"), "window": 24, "stride": 4}
    return {"path": str(folder / "ucr" / name)}


def patch_of(name: str) -> int:
    """Time steps a token of the transformers."""
    return 2 if name in ("stocks", "etth1") else 4


def measure(name: str, variant: str, seed: int, samples: int) -> dict[str, Any]:
    """One training and what came out of it."""
    with tempfile.TemporaryDirectory() as folder:
        return figures_of(name, variant, seed, samples, Path(folder))


def figures_of(name: str, variant: str, seed: int, samples: int, folder: Path) -> dict[str, Any]:
    """The row of one training in a folder."""
    network, _, more = variant.partition("+")
    overrides = {
        "data": data_of(name),
        "network": NETWORKS[network] if network == "unet" else {**NETWORKS[network], "patch": patch_of(name)},
        "optim": {"name": "muon", "lr": 4e-3} if more == "muon" else {"name": "adamw"},
        "train": {"samples": samples, "seed": seed, "context": 0.5 if more == "context" else 0.0, "sample_checks": 0},
    }
    started = time.process_time()
    run = synthgen.train(overrides, modality="timeseries", out=folder / "run")
    seconds = time.process_time() - started
    source = run.source()
    train, holdout = (source.read(part) for part in (run.split.train, run.split.holdout))
    made = generate_records(run, n=min(MOST, len(train)), seed=seed)
    judge = run.modality.judge(run.schema, seed=seed)
    assert judge is not None
    embedder = run.modality.embedder(run.schema, seed=0).fit(train)
    rng = np.random.default_rng(0)
    n = min(len(train), len(holdout), len(made), 500)
    rows, flat = {}, {}
    for part, records in (("train", train), ("holdout", holdout), ("made", made)):
        chosen = records.take(rng.permutation(len(records))[:n])
        rows[part] = embedder.transform(chosen).astype(np.float64)
        flat[part] = run.modality.flatten(chosen, run.schema).astype(np.float64)

    scale = standardised(rows["train"])

    def told_apart(part: str) -> float:
        probes = classifier_two_sample((rows[part], flat[part]), (rows["holdout"], flat["holdout"]), seed=0)
        return max(probe.auc for probe in probes.values())

    return {
        "set": name,
        "variant": variant,
        "seed": seed,
        "samples": samples,
        "shape": list(run.schema.shape),
        "records": len(train),
        "parameters": run.facts["parameters"],
        "cpu_seconds": round(seconds, 1),
        "ended": run.facts["ended"],
        "held_out": min(run.facts["held_out"].values()),
        "measure": judge.measure,
        "trtr": judge.fit(train).evaluate(holdout).value(),
        "tstr": judge.fit(made).evaluate(holdout).value(),
        "c2st_auc": told_apart("made"),
        "c2st_floor": told_apart("train"),
        "kd": kernel_distance(scale(rows["made"]), scale(rows["holdout"])),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the seeds, by set, budget and variant."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        place = groups.setdefault(f"{row['set']}, {row['samples']:,} samples", {})
        place.setdefault(row["variant"], []).append(row)
    figures = ("tstr", "trtr", "c2st_auc", "c2st_floor", "kd", "held_out", "cpu_seconds", "parameters")
    return {
        name: {
            variant: {
                "seeds": sorted(row["seed"] for row in found),
                **{figure: round(statistics.median(row[figure] for row in found), 4) for figure in figures},
            }
            for variant, found in variants.items()
        }
        for name, variants in groups.items()
    }


def main() -> None:
    """Measure what is missing, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = [*DEMO, *(OURS if "SYNTHGEN_BENCH_DATA" in os.environ else ())]
    variants = [f"{name}{more}" for name in NETWORKS for more in ("", "+context", "+muon")]
    parser.add_argument("--sets", nargs="+", default=sets, choices=[*DEMO, *OURS])
    parser.add_argument("--variants", nargs="+", default=variants, choices=variants)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=30_000, help="training records seen")
    chosen = parser.parse_args()
    rows = Rows("series_network", budget={"samples": chosen.samples})
    with Recording("series_network", seeds=chosen.seeds) as recording:
        for seed in chosen.seeds:
            for name in chosen.sets:
                for variant in chosen.variants:
                    place = {"set": name, "variant": variant, "seed": seed}
                    row = rows.get(place, partial(measure, name, variant, seed, chosen.samples))
                    shown = {figure: round(row[figure], 3) for figure in ("tstr", "c2st_auc", "kd", "cpu_seconds")}
                    print(name, variant, seed, shown, flush=True)
        recording.results = summary(rows.all())


if __name__ == "__main__":
    main()
