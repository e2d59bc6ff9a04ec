"""The figures of the three demo sets: train for the stated time, generate, evaluate, over several seeds.

    python benchmarks/demo_figures.py                      # all three modalities, three seeds
    python benchmarks/demo_figures.py --modality image --seeds 0 1 2 --seconds 20

Time is that of the training loop on this machine (two cores in the recorded results), everything else by the defaults
of the modality. Each seed is another split, other weights and another synthetic data set. `report_seconds` is the wall
time of the report, from reading the records to the page; with `--fast`, which is what `synthgen demo` writes, it should
be below 60 on two quiet cores. Takes about three minutes a seed and modality.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from record import Recording

from synthgen.config import merge, parse_assignments
from synthgen.evaluation import evaluate
from synthgen.generation import generate
from synthgen.training import train

SECONDS = {"image": 60.0, "timeseries": 60.0, "mask": 120.0}
METRICS = ("trtr", "tstr", "tstr_ratio", "gain", "c2st_auc", "fd", "precision", "recall", "copy_rate", "label_fidelity")


def one(modality: str, training: float, seed: int, overrides: Mapping[str, Any], *, fast: bool) -> dict[str, Any]:
    """Every metric of one run: value, interval and floor."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        budget = {"train": {"minutes": training / 60, "seed": seed}}
        run = train(merge(overrides, budget), modality=modality, out=place / "run")
        dataset = generate(run, n=len(run.split.train), labels=(), seed=seed, out=place / "data")
        started = time.perf_counter()
        report = evaluate(run, dataset.path, out=place / "report", fast=fast)
        seconds = round(time.perf_counter() - started, 1)
    rows = {row.name: row for row in report.metrics}
    facts = {key: run.facts[key] for key in ("samples", "seconds", "precision", "ended", "parameters", "held_out")}
    return {
        "seed": seed,
        "run": facts,
        "report_seconds": seconds,
        "verdict": list(report.verdict),
        "metrics": {
            name: {"value": rows[name].value, "ci": rows[name].ci, "floor": rows[name].floor}
            for name in METRICS
            if name in rows
        },
    }


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modality", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, help="of training; the stated time when left away")
    parser.add_argument("--fast", action="store_true", help="one judge a data set instead of three")
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="configuration, as for `synthgen train`")
    parser.add_argument("--name", default="demo_figures", help="of the result file")
    arguments = parser.parse_args()
    overrides = parse_assignments(arguments.set)
    for modality in arguments.modality:
        seconds = arguments.seconds or SECONDS[modality]
        with Recording(f"{arguments.name}_{modality}", seeds=arguments.seeds) as recording:
            results = []
            for seed in arguments.seeds:
                results.append(one(modality, seconds, seed, overrides, fast=arguments.fast))
                values = {name: row["value"] for name, row in results[-1]["metrics"].items()}
                shown = {name: round(value, 4) for name, value in values.items()}
                print(modality, seed, shown, f"report {results[-1]['report_seconds']} s", flush=True)
            median = {
                name: statistics.median(result["metrics"][name]["value"] for result in results)
                for name in results[0]["metrics"]
            }
            print(modality, "median", {name: round(value, 4) for name, value in median.items()}, flush=True)
            recording.results = {
                "seconds": seconds,
                "overrides": overrides,
                "judges": 1 if arguments.fast else 3,
                "median": median,
                "report_seconds": statistics.median(result["report_seconds"] for result in results),
                "runs": results,
            }


if __name__ == "__main__":
    main()
