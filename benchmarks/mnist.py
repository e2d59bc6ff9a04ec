"""MNIST: does a classifier learn as much from synthetic digits as from real ones, and more from both?

    SYNTHGEN_BENCH_DATA=data python benchmarks/mnist.py --minutes 10 --seeds 0 1 2

For each seed a generator with default settings trains on the 60,000 training images. The small CNN of the report, with
the same number of optimiser steps in every arm, is tested on the 10,000 official test images:

`tstr_ratio`     accuracy after 10,000 synthetic images over that after 10,000 real ones
`gain_100`       accuracy after 100 real images a class and 10,000 synthetic ones, minus that after the real ones alone
`gain_100_own`   the same with a generator that saw these 1,000 images and nothing else

Intervals draw test images and seeds again, paired. An interrupted run continues.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from classifiers import CLASSES, Images, Labels, at_most, interval, mnist, predictions
from record import Recording

from synthgen.generation import generate_records
from synthgen.training import train

_FEW = 100


def made(images: Images, labels: Labels, *, minutes: float, n: int, seed: int, folder: Path) -> tuple[Images, Labels]:
    """Synthetic images, classes equally, of a generator trained on these for so long."""
    path = folder / "train.npz"
    np.savez(path, X=images, y=labels)
    run = train({"train": {"minutes": minutes, "seed": seed}}, modality="image", data=path, out=folder / "run")
    records = generate_records(run, n=n, labels=(), seed=seed)
    assert records.label is not None
    digits = np.array([int(name) for name in run.schema.labels])
    return records["image"], digits[records.label]


def one_seed(seed: int, *, minutes: float, own_minutes: float, n: int) -> dict[str, Any]:
    """Predictions of every arm."""
    images, labels = mnist("train")
    test, _ = mnist("test")
    few = at_most(labels, [_FEW] * CLASSES, seed)
    many = at_most(labels, [n // CLASSES] * CLASSES, seed)
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "all", Path(folder) / "few"
        large.mkdir()
        small.mkdir()
        ours = made(images, labels, minutes=minutes, n=n, seed=seed, folder=large)
        own = made(images[few], labels[few], minutes=own_minutes, n=n, seed=seed, folder=small)
    real = images[few], labels[few]
    arms = {
        "real": (images[many], labels[many]),
        "synthetic": ours,
        "few": real,
        "few_and_synthetic": _joined(real, ours),
        "few_and_own": _joined(real, own),
    }
    return {name: predictions(*arm, test, seed=seed).tolist() for name, arm in arms.items()}


def _joined(first: tuple[Images, Labels], second: tuple[Images, Labels]) -> tuple[Images, Labels]:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--own-minutes", type=float, default=5.0, help="of the generator that saw 1,000 images")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    name = "mnist" if options.minutes >= 10 else "mnist_draft"
    with Recording(name, seeds=options.seeds) as recording:
        found = [
            recording.once(
                f"seed {seed}",
                lambda seed=seed: one_seed(seed, minutes=options.minutes, own_minutes=options.own_minutes, n=options.n),
            )
            for seed in options.seeds
        ]
        _, truth = mnist("test")
        arm = {key: [np.array(one[key]) for one in found] for key in found[0]}
        ratio = interval(
            lambda t, p: float((p[0] == t).mean() / (p[1] == t).mean()), truth, [arm["synthetic"], arm["real"]]
        )
        gains = {
            name: interval(lambda t, p: float((p[0] == t).mean() - (p[1] == t).mean()), truth, [arm[more], arm["few"]])
            for name, more in (("gain_100", "few_and_synthetic"), ("gain_100_own", "few_and_own"))
        }
        accuracy = {key: [float((p == truth).mean()) for p in each] for key, each in arm.items()}
        settings = {"minutes": options.minutes, "own_minutes": options.own_minutes, "n": options.n}
        recording.results = {"settings": settings, "tstr_ratio": ratio, **gains, "accuracy": accuracy}
    print("accuracy by seed")
    for key, values in accuracy.items():
        print(f"  {key:20}", "  ".join(f"{value:.4f}" for value in values))
    for key in ("tstr_ratio", *gains):
        row = recording.results[key]
        print(f"{key:14} {row['value']:.4f}  [{row['ci'][0]:.4f}, {row['ci'][1]:.4f}]")


if __name__ == "__main__":
    main()
