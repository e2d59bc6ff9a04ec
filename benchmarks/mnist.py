"""MNIST: does a classifier learn as much from synthetic digits as from real ones, and more from both?

    SYNTHGEN_BENCH_DATA=data python benchmarks/mnist.py --minutes 10 --seeds 0 1 2
    SYNTHGEN_BENCH_DATA=data python benchmarks/mnist.py --minutes 20 --threads 1      # the same time of processor

For each seed a generator with default settings trains on the 60,000 training images. The small CNN of the report, with
the same number of optimiser steps in every arm (`--judge-steps`), is tested on the 10,000 official test images:

`tstr_ratio`     accuracy after 10,000 synthetic images over that after 10,000 real ones
`gain_100`       accuracy after 100 real images a class and 10,000 synthetic ones, minus that after the real ones alone
`gain_100_alike` the same where half of what the judge sees is real: each real image ten times as often
`gain_100_own`   the same with a generator that saw these 1,000 images and nothing else (`--own-minutes 5`)

Intervals draw test images and seeds again, paired. Runs stay in `--runs`, and an interrupted one continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classifiers import CLASSES, STEPS, Images, Labels, at_most, interval, mnist, predictions
from record import Recording

from synthgen.generation import generate_records
from synthgen.io.run import Run
from synthgen.training import train

_FEW = 100
_FACTS = ("samples", "seconds", "precision", "held_out", "guidance", "guidance_tried")


def made(
    images: Images, labels: Labels, options: argparse.Namespace, *, name: str, minutes: float, seed: int
) -> tuple[Images, Labels, dict[str, Any]]:
    """Synthetic images, classes equally, of a generator trained on these for so long, and facts of its training."""
    place = options.runs / f"{name}-{minutes:g}-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    path = place / "train.npz"
    if not path.exists():
        np.savez(path, X=images, y=labels)
    budget = {"minutes": minutes, "seed": seed, "threads": options.threads}
    run = train({"train": budget}, modality="image", data=path, out=place / "run")
    return *_drawn(run, options.n, seed), {name: run.facts[name] for name in _FACTS}


def _drawn(run: Run, n: int, seed: int) -> tuple[Images, Labels]:
    records = generate_records(run, n=n, labels=(), seed=seed)
    assert records.label is not None
    digits = np.array([int(name) for name in run.schema.labels])
    return records["image"], digits[records.label]


def one_seed(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Predictions of every arm, and facts of the trainings."""
    images, labels = mnist("train")
    test, _ = mnist("test")
    few = at_most(labels, [_FEW] * CLASSES, seed)
    many = at_most(labels, [options.n // CLASSES] * CLASSES, seed)
    real = images[few], labels[few]
    *ours, facts = made(images, labels, options, name="all", minutes=options.minutes, seed=seed)
    arms = {
        "real": (images[many], labels[many]),
        "synthetic": (ours[0], ours[1]),
        "few": real,
        "few_and_synthetic": _joined(real, (ours[0], ours[1])),
        "few_and_synthetic_alike": _joined(_repeated(real, len(ours[0])), (ours[0], ours[1])),
    }
    if options.own_minutes:
        *own, _ = made(*real, options, name="few", minutes=options.own_minutes, seed=seed)
        arms["few_and_own"] = _joined(real, (own[0], own[1]))
    steps = options.judge_steps
    found = {name: predictions(*arm, test, seed=seed, steps=steps).tolist() for name, arm in arms.items()}
    return {"facts": facts, **found}


def _repeated(part: tuple[Images, Labels], size: int) -> tuple[Images, Labels]:
    times = size // len(part[0])
    return np.tile(part[0], (times, 1, 1, 1)), np.tile(part[1], times)


def _joined(first: tuple[Images, Labels], second: tuple[Images, Labels]) -> tuple[Images, Labels]:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--own-minutes", type=float, default=0.0, help="of the generator that saw 1,000 images; 0: none"
    )
    parser.add_argument("--threads", type=int, help="of training and drawing; unset: all cores")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--judge-steps", type=int, default=STEPS, help="of 64 images, of every arm's judge")
    parser.add_argument("--runs", type=Path, default=Path("runs/mnist"), help="where runs stay")
    parser.add_argument("--name", help="of the record")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    name = options.name or ("mnist" if options.minutes >= 10 else "mnist_draft")
    with Recording(name, seeds=options.seeds) as recording:
        found = [recording.once(f"seed {seed}", lambda seed=seed: one_seed(seed, options)) for seed in options.seeds]
        facts = [one.pop("facts") for one in found]
        _, truth = mnist("test")
        arm = {key: [np.array(one[key]) for one in found] for key in found[0]}
        ratio = interval(
            lambda t, p: float((p[0] == t).mean() / (p[1] == t).mean()), truth, [arm["synthetic"], arm["real"]]
        )
        gains = {
            name: interval(lambda t, p: float((p[0] == t).mean() - (p[1] == t).mean()), truth, [arm[more], arm["few"]])
            for name, more in (
                ("gain_100", "few_and_synthetic"),
                ("gain_100_alike", "few_and_synthetic_alike"),
                ("gain_100_own", "few_and_own"),
            )
            if more in arm
        }
        accuracy = {key: [float((p == truth).mean()) for p in each] for key, each in arm.items()}
        settings = {name: getattr(options, name) for name in ("minutes", "threads", "own_minutes", "n", "judge_steps")}
        recording.results = {
            "settings": settings, "tstr_ratio": ratio, **gains, "accuracy": accuracy, "trainings": facts,
        }  # fmt: skip
    print("accuracy by seed")
    for key, values in accuracy.items():
        print(f"  {key:20}", "  ".join(f"{value:.4f}" for value in values))
    for key in ("tstr_ratio", *gains):
        row = recording.results[key]
        print(f"{key:14} {row['value']:.4f}  [{row['ci'][0]:.4f}, {row['ci'][1]:.4f}]")


if __name__ == "__main__":
    main()
