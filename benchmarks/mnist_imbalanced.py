"""MNIST with five classes cut to 50 images: what restores the balance best?

    SYNTHGEN_BENCH_DATA=data python benchmarks/mnist_imbalanced.py --minutes 10 --seeds 0 1 2

Which five is drawn by the seed; the other five keep 1,000 images each. Five ways to train the report's small CNN, with
the same number of optimiser steps, all tested on the official test images:

`plain`      as the images are
`weighted`   each class counts as much as any other in the loss
`flips`      weighted, and images mirrored and cropped at random
`balance`    `synthgen augment --balance`: a generator that saw these images alone fills the small classes up
`alike`      the same, but real images are repeated until real and drawn ones of each class are as many

Balanced accuracy is the mean recall over the ten classes. Differences come with a paired 95 % interval over test images
and seeds. An interrupted run continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classifiers import CLASSES, Labels, at_most, balanced, interval, mnist, predictions
from numpy.typing import NDArray
from record import Recording

from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.generation import augment
from synthgen.training import train

_SMALL, _LARGE = 50, 1_000
_ARMS = ("plain", "weighted", "flips", "balance", "alike")


def one_seed(seed: int, *, minutes: float, threads: int | None, runs: Path) -> dict[str, Any]:
    """Predictions of the arms, and which classes are small."""
    images, labels = mnist("train")
    test, _ = mnist("test")
    small = np.sort(np.random.default_rng(seed).permutation(CLASSES)[: CLASSES // 2])
    chosen = at_most(labels, [_SMALL if k in small else _LARGE for k in range(CLASSES)], seed)
    images, labels = images[chosen], labels[chosen]
    found: dict[str, Any] = {
        "plain": predictions(images, labels, test, seed=seed),
        "weighted": predictions(images, labels, test, seed=seed, weighted=True),
        "flips": predictions(images, labels, test, seed=seed, weighted=True, flips=True),
    }
    place = runs / f"{minutes:g}-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "train.npz").exists():
        np.savez(place / "train.npz", X=images, y=labels)
        np.savez(place / "same.npz", X=images, y=labels)  # all of them; under its own name only the split is taken
    asked = {
        "train": {"minutes": minutes, "seed": seed, "threads": threads},
        "data": {"balance": 0.5, "holdout": 0.02, "calibration": 0},
    }
    run = train(asked, modality="image", data=place / "train.npz", out=place / "run")
    mixed = augment(run, place / "same.npz", balance=True, seed=seed, out=place / "mixed")
    source = open_source("image", DataConfig(path=str(mixed.path)))
    assert source.labels is not None
    digits = np.array([int(name) for name in source.schema.labels])[source.labels]
    filled = source.read(np.arange(len(source)))["image"]
    found["balance"] = predictions(filled, digits, test, seed=seed)
    alike = _alike(digits, len(images))
    found["alike"] = predictions(filled[alike], digits[alike], test, seed=seed)
    return {**{name: found[name].tolist() for name in _ARMS}, "small": small.tolist()}


def _alike(labels: Labels, real: int) -> NDArray[np.int64]:
    """Positions, those of real images (the first so many) as often as there are drawn ones of their class."""
    chosen = []
    for k in range(CLASSES):
        own, drawn = np.flatnonzero(labels[:real] == k), np.flatnonzero(labels[real:] == k) + real
        times = max(1, round(len(drawn) / len(own)))
        chosen += [np.tile(own, times if len(drawn) else 2), drawn]  # classes stay as large as one another
    return np.concatenate(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, help="of training and drawing; unset: all cores")
    parser.add_argument("--runs", type=Path, default=Path("runs/mnist_imbalanced"), help="where runs stay")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    name = "mnist_imbalanced" if options.minutes >= 10 else "mnist_imbalanced_draft"
    with Recording(name, seeds=options.seeds) as recording:
        found = [
            recording.once(
                f"seed {seed}",
                lambda seed=seed: one_seed(seed, minutes=options.minutes, threads=options.threads, runs=options.runs),
            )
            for seed in options.seeds
        ]
        _, truth = mnist("test")
        arms = {name: [np.array(one[name]) for one in found] for name in _ARMS}
        each = {name: interval(lambda t, p: balanced(t, p[0]), truth, [arms[name]]) for name in _ARMS}
        above = {
            f"{ours} minus {name}": interval(
                lambda t, p: balanced(t, p[0]) - balanced(t, p[1]), truth, [arms[ours], arms[name]]
            )
            for ours in _ARMS[3:]
            for name in _ARMS[:3]
        }
        recording.results = {
            "settings": {
                "minutes": options.minutes,
                "threads": options.threads,
                "small": [one["small"] for one in found],
            },
            "balanced_accuracy": each,
            "differences": above,
        }
    for name, row in {**each, **above}.items():
        print(f"{name:24} {row['value']:+.4f}  [{row['ci'][0]:+.4f}, {row['ci'][1]:+.4f}]")


if __name__ == "__main__":
    main()
