"""Unlabelled windows of Stocks, ETTh1 and Energy: the four scores by the protocol of published tables.

The protocol scales each channel of the whole series to [0, 1], cuts windows one step apart, trains on all of them,
generates as many and compares with the same windows: what is trained on is what is measured on. Beside it, the
chronological hold-out that nobody publishes: trained on the windows of the first 70 % of the steps, compared with those
of the rest after a gap of one window, with the training windows against the same ones as the floor.

    SYNTHGEN_BENCH_DATA=... python benchmarks/series_paper.py --row stocks-24 --minutes 15 --work /tmp/paper

Runs are kept under `--work` and finished scores beside the results; the same command goes on after the last.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import Recording
from series_data import add_training_options, training_facts, training_overrides, windows_of
from synthgen_timeseries import protocol

from synthgen.config import merge
from synthgen.generation import generate_records
from synthgen.io.run import Run
from synthgen.training import train

PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "stocks-24": {
        "WFM": {"context_fid": 0.005, "discriminative": 0.012, "correlational": 0.007},
        "WFM, time domain": {"context_fid": 0.014, "discriminative": 0.016},
        "FlowTS": {"context_fid": 0.017, "discriminative": 0.014, "correlational": 0.015},
        "Diffusion-TS": {"context_fid": 0.175, "discriminative": 0.083, "correlational": 0.015, "predictive": 0.037},
    },
    "etth1-24": {
        "WFM": {"context_fid": 0.005, "discriminative": 0.005, "correlational": 0.042},
        "WFM, time domain": {"context_fid": 0.006, "discriminative": 0.006},
        "FlowTS": {"context_fid": 0.025, "discriminative": 0.008, "correlational": 0.044},
        "Diffusion-TS": {"context_fid": 0.137, "discriminative": 0.074, "correlational": 0.053, "predictive": 0.120},
    },
    "energy-24": {
        "WFM": {"context_fid": 0.010, "discriminative": 0.098, "correlational": 0.890},
        "WFM, time domain": {"context_fid": 0.012, "discriminative": 0.118},
        "FlowTS": {"context_fid": 0.042, "discriminative": 0.079, "correlational": 0.957},
        "Diffusion-TS": {"context_fid": 0.090, "discriminative": 0.120, "correlational": 0.902, "predictive": 0.250},
    },
    "energy-64": {
        "WFM": {"context_fid": 0.079, "discriminative": 0.312},
        "FlowTS": {"context_fid": 0.172, "discriminative": 0.116},
        "Diffusion-TS": {"context_fid": 0.085, "discriminative": 0.203},
        "PaD-TS, its own run": {"discriminative": 0.023},
    },
    "energy-128": {
        "WFM": {"context_fid": 0.123, "discriminative": 0.411},
        "FlowTS": {"context_fid": 0.260, "discriminative": 0.296},
        "Diffusion-TS": {"context_fid": 0.074, "discriminative": 0.231},
        "PaD-TS, its own run": {"discriminative": 0.050},
    },
}
"""WFM and its re-runs of the others: Poinsignon et al. 2026, "Wavelet Flow Matching for Time Series"; PaD-TS: 2025."""

_SCORES = ("context_fid", "discriminative", "correlational", "predictive")
_TRAINED = 0.7
_WATCHED = 1_000

Windows = NDArray[np.float32]


def sides(row: str, arm: str) -> tuple[Windows, Windows]:
    """The windows to train on and those to compare with."""
    name, _, window = row.partition("-")
    everything = windows_of(name, int(window))
    if arm == "protocol":
        return everything, everything
    border = int((len(everything) + int(window) - 1) * _TRAINED)
    return everything[: border - int(window) + 1], everything[border + int(window) :]


def trained(row: str, arm: str, seed: int, chosen: argparse.Namespace, windows: Windows) -> Run:
    """A run on all these windows; its held-out loss is watched on some of them, so nothing else decides anything."""
    place = chosen.work / row / f"seed-{seed}" / arm
    place.mkdir(parents=True, exist_ok=True)
    archive = place / "windows.npz"
    if not archive.exists():
        watched = np.random.default_rng(0).permutation(len(windows))[:_WATCHED]
        np.savez(archive, X_train=windows, X_test=windows[watched])
    everything = {"data": {"validation": 0.0, "calibration": 0.0}}  # the protocol trains on all windows
    overrides = dict(merge(everything, training_overrides(chosen, seed)))
    return train(overrides, modality="timeseries", data=archive, out=place / "run")


def score(name: str, real: Windows, synthetic: Windows, seed: int) -> float:
    """One value of one score."""
    function = getattr(protocol, name)
    return float(function(np.asarray(real), np.asarray(synthetic), seed=seed))


def measure(row: str, arm: str, seed: int, chosen: argparse.Namespace, recording: Recording) -> dict[str, Any]:
    """Train, generate as many windows as there are to compare with, and score them `--repeats` times."""
    train_windows, real = sides(row, arm)
    mark = f"{row} {arm} seed {seed}"

    def training() -> dict[str, Any]:
        return training_facts(trained(row, arm, seed, chosen, train_windows))

    found: dict[str, Any] = {"row": row, "arm": arm, "seed": seed, "windows": len(real)}
    found["training"] = recording.once(f"{mark} training", training)
    print(mark, found["training"], flush=True)
    run = Run.open(chosen.work / row / f"seed-{seed}" / arm / "run")
    made = generate_records(run, n=len(real), guidance=chosen.guidance, steps=chosen.steps, seed=seed)["values"]
    found["evaluations"] = chosen.steps or run.config.sampling.steps
    compared = {"synthetic": np.clip(made, 0, 1)}
    if arm != "protocol":
        order = np.random.default_rng(seed).permutation(len(train_windows))
        compared["training windows"] = train_windows[order[: len(real)]]
    for side, windows in compared.items():
        for name in chosen.scores:
            values = []
            for repeat in range(chosen.repeats):
                key = f"{mark} {side} {name} {repeat}"
                make = lambda n=name, w=windows, s=100 * seed + repeat: score(n, real, w, s)  # noqa: E731
                values.append(float(recording.once(key, make)))
            found.setdefault(side, {})[name] = values
            print(f"{mark} {side} {name}: {statistics.fmean(values):.4f} {values}", flush=True)
    return found


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training_options(parser, minutes=15.0)
    parser.add_argument("--row", required=True, choices=list(PUBLISHED), help="data set and window")
    parser.add_argument("--arms", nargs="+", default=["protocol", "chronological"],
                        choices=["protocol", "chronological"])  # fmt: skip
    parser.add_argument("--scores", nargs="+", default=list(_SCORES), choices=_SCORES)
    parser.add_argument("--repeats", type=int, default=5, help="of each score; the protocol has 5")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with Recording(chosen.name or f"series_paper_{chosen.row}", seeds=chosen.seeds) as recording:
        rows = [measure(chosen.row, arm, seed, chosen, recording) for seed in chosen.seeds for arm in chosen.arms]
        median = {
            arm: {
                side: {
                    name: statistics.median(statistics.fmean(row[side][name]) for row in rows if row["arm"] == arm)
                    for name in chosen.scores
                }
                for side in ("synthetic", "training windows")
                if any(row["arm"] == arm and side in row for row in rows)
            }
            for arm in chosen.arms
        }
        recording.results = {"median": median, "published": PUBLISHED[chosen.row], "rows": rows}
        print(median, PUBLISHED[chosen.row], sep="\n")


if __name__ == "__main__":
    main()
