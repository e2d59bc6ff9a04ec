"""What the image benchmarks share: MNIST from the folder of benchmark data, a judge, and paired intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from synthgen_image.classifier import Classifier
from torch import Tensor
from torch.nn import functional as F

from synthgen.config import DataConfig
from synthgen.data.opening import open_source

__all__ = ["CLASSES", "STEPS", "at_most", "balanced", "interval", "mnist", "predictions"]

CLASSES = 10
STEPS = 2_000
"""Of a judge, with batches of 64: 13 passes over 10,000 images. The 400 of the report are 2.5."""

_RESAMPLES = 2000
_CROP = 3

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def mnist(part: str) -> tuple[Images, Labels]:
    """The official `train` or `test` part: uint8 `(N, 28, 28, 1)` and digits `(N,)`."""
    folder = os.environ.get("SYNTHGEN_BENCH_DATA")
    if not folder:
        raise SystemExit("set SYNTHGEN_BENCH_DATA to the folder of benchmark data, which holds images/mnist")
    source = open_source("image", DataConfig(path=str(Path(folder) / "images" / "mnist" / f"{part}.parquet")))
    assert source.labels is not None
    digits = np.array([int(name) for name in source.schema.labels])
    return source.read(np.arange(len(source)))["image"], digits[source.labels]


def at_most(labels: Labels, counts: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Positions of so many records of each class, drawn by seed, in order."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == k))[:count] for k, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))


def predictions(
    images: Images,
    labels: Labels,
    test: Images,
    *,
    seed: int,
    steps: int = STEPS,
    weighted: bool = False,
    flips: bool = False,
) -> Labels:
    """The digits that the report's small CNN sees in `test` after training on `images`.

    Args:
        images, labels: to train on; the number of optimiser steps is the same whatever their number.
        test: images to judge.
        seed: of the training.
        steps: of the optimiser.
        weighted: each class counts as much as any other in the loss.
        flips: half of the training images mirrored, and all cropped at random, drawn once for each of eight copies.
    """
    if flips:
        images, labels = _flipped_and_cropped(images, labels, seed)
    loss = _weighted(labels) if weighted else None
    return Classifier(classes=CLASSES, seed=seed, steps=steps, loss=loss).fit(images, labels).predict(test)


def balanced(truth: Labels, predicted: Labels) -> float:
    """Mean recall over the classes."""
    return float(np.mean([(predicted[truth == k] == k).mean() for k in range(CLASSES)]))


def interval(
    measure: Callable[[Labels, list[Labels]], float], truth: Labels, arms: Sequence[Sequence[Labels]]
) -> dict[str, Any]:
    """Value and 95 % interval of a number that compares arms; test records and seeds are drawn again together.

    Args:
        measure: of the truth and one prediction an arm.
        truth: of the test records.
        arms: for each arm its predictions, one a seed.
    """
    rng = np.random.default_rng(0)
    seeds = len(arms[0])
    each = [measure(truth, [arm[s] for arm in arms]) for s in range(seeds)]
    drawn = []
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(truth), len(truth))
        picked = rng.integers(0, seeds, seeds)
        drawn.append(np.mean([measure(truth[rows], [arm[s][rows] for arm in arms]) for s in picked]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(np.mean(each)), "ci": [float(low), float(high)], "by_seed": each}


def _weighted(labels: Labels) -> Callable[[Tensor, Tensor], Tensor]:
    counts = np.bincount(labels, minlength=CLASSES)
    weight = torch.from_numpy(len(labels) / (CLASSES * np.maximum(counts, 1))).float()

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets, weight=weight, label_smoothing=0.05)

    return loss


def _flipped_and_cropped(images: Images, labels: Labels, seed: int, copies: int = 8) -> tuple[Images, Labels]:
    rng = np.random.default_rng(seed)
    size = images.shape[1]
    parts = []
    for _ in range(copies):
        made = np.where(rng.random(len(images))[:, None, None, None] < 0.5, images[:, :, ::-1], images)
        padded = np.pad(made, ((0, 0), (_CROP, _CROP), (_CROP, _CROP), (0, 0)))
        corners = rng.integers(0, 2 * _CROP + 1, (len(images), 2))
        parts.append(np.stack([one[t : t + size, u : u + size] for one, (t, u) in zip(padded, corners, strict=True)]))
    return np.concatenate(parts), np.tile(labels, copies)
