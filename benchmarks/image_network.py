"""Which network for images at equal processor time: pixels or patches of 2 x 2, width, depth, optimiser, guidance.

    SYNTHGEN_BENCH_DATA=... python benchmarks/image_network.py --set mnist --seconds 300 --seeds 0 1 2
    python benchmarks/image_network.py --set digits --seconds 80 --variants "pixels, AdamW" "patches, Muon"

Every variant trains for the same seconds of one processor core in bf16: its rate is measured first, in a short run, and
the seconds become a number of records, so that other work on the machine changes nothing. Figures are those of
`synthgen evaluate --fast` on `--n` generated records, for each weight of guidance. Rows are kept as they come
(`results/image_network.rows.jsonl`): the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import Recording
from rows import Rows

from synthgen.config import merge
from synthgen.evaluation import evaluate
from synthgen.generation import generate
from synthgen.io.run import Run
from synthgen.training import train

_ADAMW = {"name": "adamw", "lr": 1e-3}
_MUON = {"name": "muon", "lr": 4e-3}
_PIXELS = {"width": 48, "multipliers": [1, 2, 2], "blocks": 1, "patch": 1}
_PATCHES = {"width": 64, "multipliers": [1, 2], "blocks": 2, "patch": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "pixels, AdamW": {"network": _PIXELS, "optim": _ADAMW},
    "pixels, Muon": {"network": _PIXELS, "optim": _MUON},
    "patches, AdamW": {"network": _PATCHES, "optim": _ADAMW},
    "patches, AdamW, twice the rate": {"network": _PATCHES, "optim": {**_ADAMW, "lr": 2e-3}},
    "patches, Muon": {"network": _PATCHES, "optim": _MUON},
    "patches, Muon, half the rate": {"network": _PATCHES, "optim": {**_MUON, "lr": 2e-3}},
    "patches, one block, Muon": {"network": {**_PATCHES, "blocks": 1}, "optim": _MUON},
    "patches, width 96, one block, Muon": {"network": {**_PATCHES, "width": 96, "blocks": 1}, "optim": _MUON},
}
_FIGURES = ("tstr_ratio", "gain", "c2st_auc", "fd", "precision", "recall", "label_fidelity", "copy_rate")
_PROBE = (2, 18)
"""Steps of the two short runs whose difference gives the rate."""


def trained(overrides: dict[str, Any], samples: int, out: Path) -> tuple[Run, float]:
    """A run, and the processor seconds that it took."""
    started = time.process_time()
    run = train(merge(overrides, {"train": {"samples": samples, "precision": "bf16"}}), out=out)
    return run, time.process_time() - started


def rate_of(overrides: dict[str, Any], folder: Path) -> float:
    """Records a second of training, start and end left out."""
    batch = trained(overrides, 1, folder / "first")[0].config.optim.batch_size
    few, many = (trained(overrides, steps * batch, folder / f"{steps}")[1] for steps in _PROBE)
    return (_PROBE[1] - _PROBE[0]) * batch / (many - few)


def measure(options: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    """One training, and what each weight of guidance makes of it."""
    overrides = merge({"modality": "image", "train": {"seed": seed}}, data_of(options.set))
    overrides = merge(overrides, VARIANTS[name])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rate = rate_of(overrides, folder)
        run, spent = trained(overrides, int(rate * options.seconds), folder / "run")
        guided = {}
        for weight in options.guidance:
            started = time.process_time()
            dataset = generate(run, n=options.n, labels=(), guidance=weight, seed=seed, out=folder / f"{weight}")
            making = time.process_time() - started
            report = evaluate(run, dataset.path, out=folder / f"report-{weight}", fast=True)
            found = {row.name: row for row in report.metrics}
            guided[str(weight)] = {
                **{figure: found[figure].value for figure in _FIGURES if figure in found},
                "fd_floor": found["fd"].floor,
                "records_a_second": round(options.n / making, 1),
            }
        return {
            "samples": run.facts["samples"],
            "cpu_seconds": round(spent, 1),
            "parameters": run.facts["parameters"],
            "held_out": min(run.facts["held_out"].values()),
            "guidance": guided,
        }


def data_of(name: str) -> dict[str, Any]:
    """What `train` is told of a set."""
    if name == "digits":
        return {}
    return {"data": {"path": str(Path(os.environ["SYNTHGEN_BENCH_DATA"]) / "images" / name / "train.parquet")}}


def main() -> None:
    """Measure what is missing, print and record the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("digits", "mnist"), default="digits")
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS), default=["pixels, AdamW", "patches, AdamW", "patches, Muon"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=80, help="of one core, for each training")
    parser.add_argument("--guidance", nargs="+", type=float, default=[1.0, 1.5])
    parser.add_argument("--n", type=int, default=1_500, help="records generated for each comparison")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = Rows("image_network", budget={"set": options.set, "seconds": options.seconds, "n": options.n})
    with Recording(f"image_network_{options.set}", seeds=options.seeds) as recording:
        medians: dict[str, dict[str, Any]] = {}
        for name in options.variants:
            found = []
            for seed in options.seeds:
                key = {"variant": name, "seed": seed, "guidance": options.guidance}
                row = rows.get(key, lambda name=name, seed=seed: measure(options, name, seed))
                print(name, seed, row["samples"], row["guidance"], flush=True)
                found.append(row)
            medians[name] = {
                weight: {
                    figure: round(statistics.median(row["guidance"][weight][figure] for row in found), 4)
                    for figure in found[0]["guidance"][weight]
                }
                for weight in found[0]["guidance"]
            }
        recording.results = {"seconds": options.seconds, "n": options.n, "medians": medians, "rows": rows.all()}


if __name__ == "__main__":
    main()
