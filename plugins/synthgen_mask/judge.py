"""The judge of masks: a small segmentation U-Net (Ronneberger et al. 2015), scored by mean intersection over union.

The mIoU is of the data set: intersections and unions are summed over all records before the division, pixels of the
ignore id count nowhere, and classes that the test records do not contain are left out. Both are kept by record, so
that any weighting of the records (bootstrap) can be scored again without predicting again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Records, Schema
from synthgen.errors import DataError
from synthgen.seeding import derive_seed, generator
from synthgen_mask.classes import classes_of, index_masks

__all__ = ["SegmentationJudge", "SegmentationNetwork", "SegmentationOutcome"]

WIDTH = 48
STEPS = 400
"""For pairs of 32 x 32 pixels and smaller ones."""
MOST = 3
"""How many times as many steps larger ones get, at most."""
BATCH = 32
USUAL = 24
PIXELS = USUAL * 32 * 32
"""Largest number of pixels in a batch; larger images come in smaller batches."""
RATE = 4e-3
TOLERANCE = 1.25
"""A pixel's loss is unusual above this multiple of its class's mean on real records."""
SHIFT = 2
"""Largest shift in training, pixels. No flips: most classes, digits first of all, do not survive them."""


class _Convolutions(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, *, layers: int) -> None:
        parts: list[nn.Module] = []
        for layer in range(layers):
            parts.append(nn.Conv2d(outputs if layer else inputs, outputs, 3, padding=1, bias=False))
            parts += [nn.GroupNorm(8, outputs), nn.SiLU()]
        super().__init__(*parts)


class SegmentationNetwork(nn.Module):
    """A small U-Net, `(B, C, H, W)` to logits `(B, K, H, W)`; any H and W.

    It works at half resolution (2 x 2 pixels become channels, and come back at the end), goes down from there, and adds
    the coarsest map's maxima to every place of it, so that each pixel's class may depend on the whole image.

    Args:
        bands: C.
        classes: K.
        depth: resolutions, 2 or more.
        width: channels at the finest one; twice as many at the others.
    """

    def __init__(self, bands: int, classes: int, *, depth: int = 2, width: int = WIDTH) -> None:
        super().__init__()
        widths = [width] + [2 * width] * (depth - 1)
        self.down = nn.ModuleList(
            _Convolutions(inputs, outputs, layers=2)
            for inputs, outputs in zip([4 * bands, *widths], widths, strict=False)
        )
        self.whole = nn.Linear(widths[-1], widths[-1])
        self.lift = nn.ModuleList(nn.Conv2d(low, high, 1) for high, low in itertools.pairwise(widths))
        self.up = nn.ModuleList(_Convolutions(high, high, layers=1) for high in widths[:-1])
        self.out = nn.Conv2d(width, 4 * classes, 1)

    def features(self, image: Tensor) -> list[Tensor]:
        """The encoder's maps, finest first; the coarsest one knows of the whole image."""
        height, width = image.shape[2:]
        x = functional.pixel_unshuffle(functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate"), 2)
        maps: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2, ceil_mode=True) if level else x)
            maps.append(x)
        maps[-1] = x + self.whole(x.amax((2, 3)))[:, :, None, None]
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """The logits."""
        *skips, x = self.features(image)
        for skip, lift, block in zip(reversed(skips), reversed(self.lift), reversed(self.up), strict=True):
            x = block(skip + functional.interpolate(lift(x), size=skip.shape[2:]))
        logits = functional.pixel_shuffle(self.out(x), 2)
        return logits[:, :, : image.shape[2], : image.shape[3]]


@dataclass(frozen=True)
class SegmentationOutcome:
    """Intersections, unions and true pixels of K classes on N records.

    Args:
        intersection, union, truth: int64 `(N, K)`.
        names: of the K classes.
    """

    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    truth: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    def value(self, weights: NDArray[np.float64] | None = None) -> float:
        """Mean IoU over the classes that the (weighted) records contain; NaN when they contain none."""
        scores = list(self.per_class(weights).values())
        return float(np.mean(scores)) if scores else float("nan")

    def per_class(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """IoU by class name."""
        counted = np.ones(len(self)) if weights is None else np.asarray(weights, dtype=np.float64)
        intersection, union, truth = (counted @ table for table in (self.intersection, self.union, self.truth))
        return {name: float(intersection[k] / union[k]) for k, name in enumerate(self.names) if truth[k] > 0}


class SegmentationJudge:
    """Cross-entropy plus soft Dice, AdamW on one learning-rate cycle, as many steps for any data of one size.

    Args:
        schema: of the records.
        seed: of initialisation, order and shifts.
        steps: of the optimiser; None: 400, and up to three times as many for pairs so large that a batch holds fewer of
            them, because a judge that has seen little tells good pairs from poor ones badly.
    """

    measure = "miou"

    def __init__(self, schema: Schema, *, seed: int = 0, steps: int | None = None) -> None:
        height, width = schema.shape[1:]
        self._batch = max(4, min(BATCH, PIXELS // (height * width)))
        self._classes = classes_of(schema)
        self.classes = tuple(entry.name for entry in self._classes)
        self._usual = np.zeros(len(self._classes))
        self._seed = seed
        self.steps = round(STEPS * min(MOST, max(1.0, USUAL / self._batch))) if steps is None else steps
        self._network: SegmentationNetwork | None = None
        self._mean = torch.zeros(1)
        self._std = torch.ones(1)

    @property
    def network(self) -> SegmentationNetwork:
        """The trained network."""
        if self._network is None:
            raise DataError("the judge was asked before it was trained", hint="Call fit(records) first.")
        return self._network

    def fit(self, records: Records) -> Self:
        """Train from scratch."""
        image = torch.from_numpy(records["image"]).permute(0, 3, 1, 2)  # (N, C, H, W) uint8
        target = torch.from_numpy(index_masks(records["mask"], self._classes))  # (N, H, W) int64, -1 ignored
        pixels = image.double()
        self._mean = pixels.mean((0, 2, 3), keepdim=True).float()
        self._std = pixels.std((0, 2, 3), keepdim=True).float().clamp_min(1.0)
        seed = derive_seed(self._seed, "judge")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % (1 << 63))
            depth = 2 if max(image.shape[2:]) <= 32 else 3 if max(image.shape[2:]) <= 64 else 4
            network = SegmentationNetwork(image.shape[1], len(self._classes), depth=depth)
        network.to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=self.steps, pct_start=0.15)
        random = generator(self._seed, "judge batches")
        network.train()
        for _ in range(self.steps):
            chosen = torch.from_numpy(random.integers(0, len(image), self._batch))
            x, y = _shifted(self._scaled(image[chosen]), target[chosen], random)
            optimiser.zero_grad(set_to_none=True)
            _loss(network(x.contiguous(memory_format=torch.channels_last)), y).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        self._network = network.eval()
        return self

    def predict(self, records: Records) -> NDArray[np.int64]:
        """The most likely class of each pixel, `(N, H, W)`, as an index into the schema's classes."""
        return np.concatenate([part.argmax(1).numpy() for part in self._logits(records)])

    def evaluate(self, records: Records) -> SegmentationOutcome:
        """Predict the masks of the records' images and compare with theirs."""
        target = index_masks(records["mask"], self._classes)
        predicted = self.predict(records)
        kept = target >= 0
        both, either, truth = (np.empty((len(records), len(self._classes)), np.int64) for _ in range(3))
        for k in range(len(self._classes)):
            said, true = (predicted == k) & kept, target == k
            both[:, k] = (said & true).sum((1, 2))
            either[:, k] = (said | true).sum((1, 2))
            truth[:, k] = true.sum((1, 2))
        return SegmentationOutcome(both, either, truth, self.classes)

    def calibrate(self, real: Records) -> Self:
        """Learn the mean loss of each class's pixels on real records; of classes that these lack, it is that of all."""
        index, loss = index_masks(real["mask"], self._classes), self._losses(real)
        known = index >= 0
        everywhere = float(loss[known].mean()) if known.any() else 0.0
        found = [loss[index == k] for k in range(len(self._classes))]
        self._usual = np.array([float(each.mean()) if len(each) else everywhere for each in found])
        return self

    def agreement(self, records: Records) -> NDArray[np.float64]:
        """Share of each class's pixels that agree with the mask, `(N, K)`.

        A pixel disagrees when its loss exceeds 1.25 times the usual one of its class on real records: the rule by which
        FreeMask (Yang et al. 2023, arXiv:2310.15160) leaves pixels out.
        """
        index = index_masks(records["mask"], self._classes)
        agrees = self._losses(records) <= TOLERANCE * self._usual[index.clip(0)]
        shares = []
        for k in range(len(self._classes)):
            inside = index == k
            pixels = inside.sum((1, 2))
            shares.append(np.where(pixels > 0, (agrees & inside).sum((1, 2)) / np.maximum(pixels, 1), np.nan))
        return np.stack(shares, axis=1)

    def _losses(self, records: Records) -> NDArray[np.float64]:
        """Cross-entropy of each pixel, `(N, H, W)`; 0 where ignored."""
        target = torch.from_numpy(index_masks(records["mask"], self._classes))
        parts = zip(self._logits(records), torch.split(target, 256), strict=True)
        losses = [functional.cross_entropy(out, true, ignore_index=-1, reduction="none") for out, true in parts]
        return torch.cat(losses).double().numpy()

    def _scaled(self, image: Tensor) -> Tensor:
        return (image.float() - self._mean) / self._std

    @torch.no_grad()
    def _logits(self, records: Records) -> list[Tensor]:
        network = self.network
        image = torch.from_numpy(records["image"]).permute(0, 3, 1, 2)
        return [network(self._scaled(part)) for part in torch.split(image, 256)]


def _shifted(image: Tensor, target: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One random shift for the whole batch, edges repeated in the image and ignored in the target."""
    down, right = (int(step) for step in random.integers(-SHIFT, SHIFT + 1, 2))
    height, width = image.shape[2:]
    rows = torch.arange(height) - down
    columns = torch.arange(width) - right
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    moved = target[:, rows][:, :, columns].masked_fill(~inside, -1)
    return image[:, :, rows][:, :, :, columns], moved


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the classes in the batch; pixels of class -1 count nowhere."""
    entropy = functional.cross_entropy(logits, target, ignore_index=-1)
    kept = (target >= 0)[:, None]
    share = logits.softmax(1) * kept
    truth = functional.one_hot(target.clamp_min(0), logits.shape[1]).permute(0, 3, 1, 2) * kept
    present = truth.sum((0, 2, 3)) > 0
    if not bool(present.any()):
        return logits.sum() * 0.0
    overlap = 2 * (share * truth).sum((0, 2, 3))
    size = share.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    dice = overlap[present] / size[present].clamp_min(1e-6)
    return entropy + (1 - dice.mean())
