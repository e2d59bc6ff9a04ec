"""One digit is the anomaly: train on the nine others, score unseen images of all ten, ten times over.

Normal records are the hold-out of the run (never trained on), anomalies are all images of the left-out digit.
Everything is fitted and calibrated as `synthgen score` does it. Printed: AUROC of each detector by left-out digit, the
mean over the digits, and the share of unseen normal records with p <= 0.05, which should be 5 %.

A budget of samples gives the same networks everywhere: 60,000 are what a quiet minute of two cores with bf16 sees.
Each left-out digit and seed is a row in `results/digits_one_class_out.rows.jsonl`; the same command goes on there.

    python benchmarks/digits_one_class_out.py --samples 60000 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import Recording
from rows import Rows
from sklearn.metrics import average_precision_score, roc_auc_score

from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.evaluation.calibration import conformal_p
from synthgen.evaluation.scorer import CalibratedScorer, Model
from synthgen.io.run import Run
from synthgen.training import train


def without(digit: int, directory: Path) -> tuple[Path, Records]:
    """Write the digits without one as an `.npz` file; the images of that one come back."""
    source = open_source("image", DataConfig(path="digits"))
    assert source.labels is not None
    names = np.array(source.schema.labels)[source.labels]
    kept, anomalous = np.flatnonzero(names != str(digit)), np.flatnonzero(names == str(digit))
    path = directory / f"digits-without-{digit}.npz"
    if not path.exists():
        np.savez(path, X=source.read(kept)["image"], y=names[kept])
    return path, Records(source.read(anomalous).columns)


def _samples(run: Run) -> int:
    return max(int(row["samples"]) for row in run.history())


def model_of(run: Run) -> Model:
    return Model(run.denoiser(), run.codec(), run.modality, run.schema, run.config.noise.sigma_data)


def measure(run: Run, anomalies: Records, *, condition: str, seed: int) -> dict[str, Any]:
    """AUROC and average precision of every detector, and the false-alarm rate of ours."""
    source = run.source()
    scorer = CalibratedScorer(model_of(run), condition=condition, seed=seed).fit(  # type: ignore[arg-type]
        source,
        train=run.split.train,
        calibration=run.split.calibration,
        embedder=run.modality.embedder(run.schema, seed=seed),
    )
    normal = scorer.score(source.read(run.split.holdout)).scores
    odd = scorer.score(anomalies).scores
    truth = np.concatenate([np.zeros(len(normal["knn"])), np.ones(len(odd["knn"]))])
    joined = {name: np.concatenate([normal[name], odd[name]]) for name in normal}
    return {
        "auroc": {name: float(roc_auc_score(truth, values)) for name, values in joined.items()},
        "average_precision": {name: float(average_precision_score(truth, values)) for name, values in joined.items()},
        "false_alarms_at_0.05": {
            name: float(np.mean(conformal_p(scorer.calibration[name], values) <= 0.05))
            for name, values in normal.items()
        },
        "records": {
            "normal": len(normal["knn"]),
            "anomalous": len(odd["knn"]),
            "calibration": len(run.split.calibration),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60_000, help="of training, each run")
    parser.add_argument("--seconds", type=float, help="of training instead of samples")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--condition", choices=["null", "label", "best"], default="best")
    parser.add_argument("--preset", default="default", help="of the image modality")
    parser.add_argument("--threads", type=int, help="of training and scoring; unset: all cores")
    parser.add_argument("--runs", type=Path, help="keep the runs here and use those that are there already")
    parser.add_argument("--name", default="digits_one_class_out", help="of the record")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    length = {"samples": chosen.samples} if chosen.seconds is None else {"minutes": chosen.seconds / 60}
    budget = {**length, "condition": chosen.condition, "preset": chosen.preset}
    rows = Rows(chosen.name, budget=budget)
    with tempfile.TemporaryDirectory() as temporary, Recording(chosen.name, seeds=chosen.seeds) as recording:
        runs = chosen.runs or Path(temporary)
        runs.mkdir(parents=True, exist_ok=True)

        def one(digit: int, seed: int) -> dict[str, Any]:
            path, anomalies = without(digit, runs)
            overrides = {
                "preset": chosen.preset,
                "train": {**length, "seed": seed, "threads": chosen.threads},
            }
            run = train(overrides, modality="image", data=path, out=runs / f"without-{digit}-seed-{seed}")
            return {"samples": _samples(run), **measure(run, anomalies, condition=chosen.condition, seed=seed)}

        single = []
        for seed in chosen.seeds:
            for digit in chosen.digits:
                row = rows.get({"digit": digit, "seed": seed}, partial(one, digit, seed))
                single.append({**row, "digit": digit, "seed": seed})
                shown = "  ".join(f"{name} {value:.3f}" for name, value in row["auroc"].items())
                print(f"seed {seed}, without {digit}:  {shown}", flush=True)
        names = list(single[0]["auroc"])
        mean = {
            name: [
                statistics.fmean(item["auroc"][name] for item in single if item["seed"] == seed)
                for seed in chosen.seeds
            ]
            for name in names
        }
        recording.results = {
            "budget": budget,
            "mean_auroc": {name: statistics.median(values) for name, values in mean.items()},
            "mean_auroc_by_seed": mean,
            "mean_average_precision": {
                name: statistics.fmean(item["average_precision"][name] for item in single) for name in names
            },
            "mean_false_alarms_at_0.05": {
                name: statistics.fmean(item["false_alarms_at_0.05"][name] for item in single) for name in names
            },
            "single": single,
        }
        print(
            f"\nmean AUROC over {len(chosen.digits)} digits (median of {len(chosen.seeds)} seeds), false alarms at 5 %"
        )
        for name in sorted(names, key=lambda name: -recording.results["mean_auroc"][name]):
            alarms = recording.results["mean_false_alarms_at_0.05"][name]
            print(f"  {name:14s} {recording.results['mean_auroc'][name]:.4f}   {alarms:.3f}")
    print(f"recorded in {recording.path}")


if __name__ == "__main__":
    main()
