"""A small convolutional classifier, trained alike whatever the number of images; judge and embedder rest on it.

The number of optimiser steps is fixed, so that a classifier trained on 1,000 synthetic images and one trained on 1,000
real images, or on 2,000 of both, have had the same computation. Adam with decoupled weight decay (Loshchilov and Hutter
2019), one-cycle learning rate (Smith and Topin 2019), random shifts; float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from synthgen_image.schema import Pixels

__all__ = ["FEATURES", "Classifier", "SmallCnn"]

FEATURES = 64
"""Size of the penultimate features."""

_STEPS = 400
_BATCH = 64
_LEARNING_RATE = 4e-3
_WORKING_SIDE = 32
_EVALUATION_BATCH = 512


class SmallCnn(nn.Module):
    """Convolutions with batch normalisation, 64 features by position-aware pooling, one linear layer.

    Args:
        channels: of the images.
        height, width: of the images; above about 32 they are averaged down first.
        classes: number of outputs.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        side = max(height, width)
        self.reduction = max(1, side // _WORKING_SIDE)
        widths = (32, 64) if side // self.reduction < 16 else (16, 32, 64)
        layers: list[nn.Module] = []
        for number, width_out in enumerate(widths):
            layers += [*_convolution(channels, width_out), *(_convolution(width_out, width_out) if number else ())]
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            channels = width_out
        self.body = nn.Sequential(*layers)
        grid = (min(3, height), min(3, width))
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.project = nn.Sequential(nn.Linear(channels * grid[0] * grid[1], FEATURES), nn.BatchNorm1d(FEATURES))
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)`, normalised, to features `(B, 64)`."""
        if self.reduction > 1:
            x = F.avg_pool2d(x, self.reduction, ceil_mode=True)
        result: Tensor = self.project(self.pool(self.body(x)).flatten(1))
        return result

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)`, normalised, to logits `(B, K)`."""
        logits: Tensor = self.head(F.relu(self.features(x)))
        return logits


def _convolution(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Classifier:
    """Trains a `SmallCnn` on images of 8 or 16 bits; deterministic by seed.

    Args:
        classes: number of classes, or of other outputs.
        seed: of initialisation, order and shifts.
        steps: optimiser steps.
        loss: of outputs `(B, classes)` and targets; None: cross-entropy of classes.
    """

    def __init__(
        self, *, classes: int, seed: int, steps: int = _STEPS, loss: Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> None:
        self._classes = classes
        self._loss = _cross_entropy if loss is None else loss
        self._seed = seed
        self._steps = steps
        self._network: SmallCnn | None = None
        self._mean = torch.zeros(1)
        self._std = torch.ones(1)

    def fit(self, images: Pixels, labels: NDArray[Any]) -> Classifier:
        """Train from scratch on images `(N, H, W, C)` with labels `(N,)`, or whatever the loss takes."""
        _, height, width, channels = images.shape
        generator = torch.Generator().manual_seed(self._seed)
        self._mean, self._std = _statistics(images)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            network = SmallCnn(channels=channels, height=height, width=width, classes=self._classes)
        optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, _LEARNING_RATE, total_steps=self._steps, pct_start=0.2
        )
        targets = torch.from_numpy(labels)
        reach = max(1, round(min(height, width) / 14))
        network.train()
        for index in _batches(len(images), self._steps, generator):
            x = _shift(self._normalise(images[index.numpy()]), reach, generator)
            loss = self._loss(network(x), targets[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        self._network = network.eval()
        return self

    def predict(self, images: Pixels) -> NDArray[np.int64]:
        """Class indices `(N,)` of images `(N, H, W, C)`."""
        return self._apply(images, lambda network, x: network(x).argmax(1)).astype(np.int64)

    def probability(self, images: Pixels) -> NDArray[np.float32]:
        """Of each class, `(N, K)`."""
        return self._apply(images, lambda network, x: network(x).softmax(1)).astype(np.float32)

    def outputs(self, images: Pixels) -> NDArray[np.float32]:
        """The last layer's values `(N, classes)` of images `(N, H, W, C)`."""
        return self._apply(images, lambda network, x: network(x)).astype(np.float32)

    def features(self, images: Pixels) -> NDArray[np.float32]:
        """Penultimate features `(N, 64)` of images `(N, H, W, C)`."""
        return self._apply(images, lambda network, x: network.features(x)).astype(np.float32)

    def _apply(self, images: Pixels, function: Callable[[SmallCnn, Tensor], Tensor]) -> NDArray[Any]:
        if self._network is None:
            raise RuntimeError("fit comes first")
        with torch.inference_mode():
            parts = [
                function(self._network, self._normalise(images[start : start + _EVALUATION_BATCH])).numpy()
                for start in range(0, len(images), _EVALUATION_BATCH)
            ]
        return np.concatenate(parts)

    def _normalise(self, images: Pixels) -> Tensor:
        x = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
        return (x - self._mean) / self._std


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels.long(), label_smoothing=0.05)


def _statistics(images: Pixels) -> tuple[Tensor, Tensor]:
    flat = images.reshape(-1, images.shape[-1])
    mean = flat.mean(0, dtype=np.float64)
    std = np.maximum(flat.std(0, dtype=np.float64), 1.0)
    as_tensor = [torch.tensor(value, dtype=torch.float32)[:, None, None] for value in (mean, std)]
    return as_tensor[0], as_tensor[1]


def _batches(size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Index batches from permutations one after the other."""
    batch = min(_BATCH, size)
    queue = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(queue) < batch:
            queue = torch.cat([queue, torch.randperm(size, generator=generator)])
        yield queue[:batch]
        queue = queue[batch:]


def _shift(x: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `reach` pixels in both directions, edges repeated."""
    batch, _, height, width = x.shape
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    offsets = torch.randint(0, 2 * reach + 1, (2, batch, 1), generator=generator)
    rows = offsets[0] + torch.arange(height)  # (B, H)
    columns = offsets[1] + torch.arange(width)  # (B, W)
    return padded[torch.arange(batch)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
