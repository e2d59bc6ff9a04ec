"""Street scenes with masks (CamVid, 11 classes): what drawn pairs are worth to a segmentation network.

    SYNTHGEN_BENCH_DATA=... python benchmarks/camvid.py --samples 200000                    # three seeds
    SYNTHGEN_BENCH_DATA=... python benchmarks/camvid.py --samples 200000 --seeds 0 --only arms

At 80 x 60 pixels, a quarter of the 160 x 120 that figures on a GPU are given for: on two cores the larger size is not
trained in an hour. The official test part is held out; the train and validation parts, 468 pairs, train.

- `arms`: every row of the report that needs records alone. The judge is a small segmentation U-Net with the same number
  of optimiser steps for each arm, by mIoU over the test part: trained on real pairs (`trtr`), on as many drawn ones
  (`tstr`), on both (`gain`); then at 25 and 10 % of the pairs, real (the floor of `tstr_25`), drawn (`tstr_25`) and
  these real ones with all drawn ones (`gain_25`).
- `masks`: images drawn to the masks of the test part (`noise.clean` above 0, as is usual), and the
  mIoU of a judge trained on real pairs on them, beside its value on the real images of these masks.
- `require`: of each class that at least 50 training pairs show, `--require CLASS:SHARE` with the median share of those
  pairs: on how many records it is reached, at the first draw and in the end.

The budget is training records, so a busy machine changes the time and nothing else. Runs stay in `--runs`: a training
that was stopped goes on, and rows are kept as they come (`results/camvid.rows.jsonl`), so the same command goes on
where it was stopped.

`--coding bits`, `--scale` and `--share` change how masks are coded (`synthgen_mask.codec`), for an ablation; with
`--quick` the arms are R, S and R+S at all pairs alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from record import Recording
from rows import Rows
from synthgen_mask import classes, codec
from synthgen_mask.areas import shares
from synthgen_mask.classes import classes_of
from synthgen_mask.judge import SegmentationJudge

from synthgen.config import merge, parse_assignments
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.measurement import measure_records
from synthgen.generation import generate
from synthgen.generation.generating import generate_records
from synthgen.generation.given import Given
from synthgen.io.run import Run
from synthgen.training import train

SIZE = 60
"""Height; the width is 80."""
SHARES = (0.25, 0.1)
"""Of the training pairs."""

_SEEN = 50
_FIGURES = (
    "trtr", "tstr", "tstr_ratio", "tstr_25", "tstr_10", "gain", "gain_25", "gain_10", "label_fidelity",
    "mask_consistency", "mask_class_shares", "c2st_auc", "fd", "precision", "recall", "copy_rate", "dcr_share",
)  # fmt: skip
_BY_CLASS = ("trtr/", "tstr/", "gain/")


def trained(data: Path, seed: int, budget: Mapping[str, Any], out: Path) -> Run:
    """A run of the modality's defaults, but for what the budget overrides."""
    choices = {
        "modality": "mask",
        "data": {"path": str(data), "image_size": SIZE},
        "train": {"samples": budget["samples"], "seed": seed, "precision": budget["precision"]},
    }
    return train(merge(choices, parse_assignments(budget["set"])), out=out)


def arms(run: Run, seed: int, judges: int, *, quick: bool) -> dict[str, Any]:
    """Value, interval and floor of each row, from as many drawn pairs as there are training pairs."""
    source = run.source()
    real, held_out = source.read(run.split.train), source.read(run.split.holdout)
    drawn = generate_records(run, n=len(real), seed=seed)
    found = measure_records(
        run.modality, run.schema, real, held_out, drawn,
        seeds=range(judges), shares=() if quick else SHARES, cache=Cache(run.path.parent / "cache"),
    )  # fmt: skip
    kept = [row for row in found.rows if row.name in _FIGURES or row.name.startswith(_BY_CLASS)]
    figures = {row.name: {"value": row.value, "ci": row.ci, "floor": row.floor} for row in kept if row.error is None}
    return {"figures": figures, "errors": {row.name: row.error for row in kept if row.error is not None}}


def given_masks(run: Run, seed: int, judges: int, data: Path) -> dict[str, Any]:
    """mIoU of real-trained judges on held-out pairs, and on images drawn to the held-out masks."""
    source = run.source()
    real, held_out = source.read(run.split.train), source.read(run.split.holdout)
    masks = Given(data / "test" / "masks", part="mask")
    drawn = generate_records(run, n=len(held_out), given=masks, seed=seed)
    trained = [SegmentationJudge(run.schema, seed=judge).fit(real) for judge in range(judges)]
    on_real, on_drawn = ([judge.evaluate(records) for judge in trained] for records in (held_out, drawn))
    return {
        "real": [outcome.value() for outcome in on_real],
        "drawn": [outcome.value() for outcome in on_drawn],
        "real_by_class": [outcome.per_class() for outcome in on_real],
        "drawn_by_class": [outcome.per_class() for outcome in on_drawn],
    }


def required(run: Run, seed: int, n: int) -> dict[str, Any]:
    """For each class: the share asked for, and on how much of n records it is reached."""
    table = classes_of(run.schema)
    share = shares(run.source().read(run.split.train)["mask"], table)  # (N, K)
    found = {}
    for k, entry in enumerate(table):
        seen = share[share[:, k] > 0, k]
        if len(seen) < _SEEN:
            continue
        asked = round(float(np.median(seen)), 4)
        out = run.path.parent / f"require-{k}-of-{seed}"
        told = generate(run, n=n, seed=seed, require={entry.name: asked}, out=out).provenance["require"]
        found[entry.name] = {
            "asked": asked,
            "pairs": len(seen),
            "first": told["first"] / n,
            "reached": told["reached"] / n,
        }
    return {"classes": found}


def main() -> None:
    """Measure what is missing, print the medians, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200_000, help="training records of each seed")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", choices=("train", "arms", "masks", "require"), help="all when left away")
    parser.add_argument("--judges", type=int, default=3, help="trained for each arm")
    parser.add_argument("--asked", type=int, default=100, help="records for each class of `require`")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="configuration, as for `synthgen train`")
    parser.add_argument("--coding", choices=("one-hot", "bits"), default="one-hot", help="of masks")
    parser.add_argument("--scale", type=float, default=codec.MASK_SCALE, help="of masks beside images")
    parser.add_argument("--share", type=float, default=codec.IMAGE_SHARE, help="of the loss that the image carries")
    parser.add_argument("--quick", action="store_true", help="no arms with fewer pairs")
    parser.add_argument("--runs", type=Path, default=Path("runs/camvid"), help="where runs stay")
    parser.add_argument("--name", default="camvid", help="of the result; another for a trial")
    arguments = parser.parse_args()
    root = os.environ.get("SYNTHGEN_BENCH_DATA")
    if root is None:
        parser.error("SYNTHGEN_BENCH_DATA must name the folder that holds masks/camvid")
    data = Path(root, "masks/camvid")
    budget = {
        "samples": arguments.samples,
        "size": f"80x{SIZE}",
        "precision": arguments.precision,
        "set": arguments.set,
        "masks": {"coding": arguments.coding, "scale": arguments.scale, "share": arguments.share},
    }
    classes.ONE_HOT_LIMIT = 1 if arguments.coding == "bits" else classes.ONE_HOT_LIMIT
    codec.MASK_SCALE, codec.IMAGE_SHARE = arguments.scale, arguments.share
    coding = f"{arguments.coding}-{arguments.scale:g}-{arguments.share:g}"
    rows = Rows(arguments.name, budget=budget)
    with Recording(arguments.name, seeds=arguments.seeds) as recording:
        found: dict[str, list[dict[str, Any]]] = {"arms": [], "masks": [], "require": []}
        for seed in arguments.seeds:
            run = trained(data, seed, budget, arguments.runs / f"{arguments.name}-{coding}-{seed}")
            facts = {name: run.facts[name] for name in ("samples", "seconds", "held_out", "parameters")}
            if arguments.only in (None, "arms"):
                key = {"part": "arms", "seed": seed, "judges": arguments.judges, "quick": arguments.quick}
                measure = partial(arms, run, seed, arguments.judges, quick=arguments.quick)
                row = rows.get(key, measure)
                found["arms"].append({"seed": seed, "run": facts, **row})
            if arguments.only == "masks" or (arguments.only is None and run.config.noise.clean):
                key = {"part": "masks", "seed": seed, "judges": arguments.judges}
                row = rows.get(key, partial(given_masks, run, seed, arguments.judges, data))
                found["masks"].append({"seed": seed, "run": facts, **row})
            if arguments.only in (None, "require"):
                key = {"part": "require", "seed": seed, "records": arguments.asked}
                row = rows.get(key, partial(required, run, seed, arguments.asked))
                found["require"].append({"seed": seed, "run": facts, **row})
        recording.results = {"budget": budget, "medians": medians(found), "runs": found}
        print(recording.results["medians"], flush=True)


def medians(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Over the seeds: each figure, and for each class how often the asked share was reached."""
    names = [name for name in _FIGURES if any(name in row["figures"] for row in found["arms"])]
    classes = {name for row in found["require"] for name in row["classes"]}

    def middle(values: list[float]) -> float:
        return round(statistics.median(values), 4)

    return {
        "arms": {
            name: middle([row["figures"][name]["value"] for row in found["arms"] if name in row["figures"]])
            for name in names
        },
        "masks": {
            name: middle([statistics.fmean(row[name]) for row in found["masks"]])
            for name in ("real", "drawn")
            if found["masks"]
        },
        "require": {
            name: {
                when: middle([row["classes"][name][when] for row in found["require"] if name in row["classes"]])
                for when in ("first", "reached")
            }
            for name in sorted(classes)
        },
    }


if __name__ == "__main__":
    main()
