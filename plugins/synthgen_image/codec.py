"""Images <-> model tensors: channels z-scored on the training split, times 0.5; decoding rounds and clips to the bits.

The round trip is exact: float32 holds 65,536 levels with room to spare, whatever the mean and the standard deviation.
Images that use few of their levels (scanned at 4 or 5 bits, posterised, black and white; 12 bits in a file of 16) are
decoded to those levels, or every generated image would be told from a real one by its values alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Batch, Records, Schema
from synthgen.data.attribute_codec import attribute_columns, attribute_conditions
from synthgen.errors import DataError, RunError
from synthgen_image.schema import Pixels, bits_of, dtype_of

__all__ = ["ImageCodec"]

_SCALE = 0.5
_SMALLEST_STD = 1.0
_FEW_LEVELS = 4  # at most one in so many is in use
_PIXELS_A_LEVEL = 100


class ImageCodec:
    """Codec of images `(N, H, W, C)` of 8 or 16 bits a channel; alpha is a channel like the others.

    Args:
        schema: of the images.
    """

    public_defaults = True
    """Usable without `fit`, with a fixed scale that follows from no record; private training relies on it."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        channels = schema.shape[0]
        self._count = 2 ** bits_of(schema)  # of levels, L
        self._kept = torch.uint8 if dtype_of(schema) == np.uint8 else torch.int32  # torch indexes and stores no uint16
        self._mean = torch.full((channels, 1, 1), (self._count - 1) / 2)
        self._std = torch.full((channels, 1, 1), self._count / 4)
        self._levels = torch.arange(self._count).to(self._kept).repeat(channels, 1)  # (C, L): value -> legal value

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean and standard deviation of each channel, in one pass with exact integer sums.

        Raises:
            DataError: no records.
        """
        count = 0
        total = [0] * self._schema.shape[0]
        squares = [0] * self._schema.shape[0]
        seen = np.zeros((self._schema.shape[0], self._count), dtype=np.int64)
        for records in batches:
            images = self._checked(records)
            count += images[..., 0].size
            for channel in range(images.shape[3]):
                seen[channel] += np.bincount(images[..., channel].ravel(), minlength=self._count)
        for channel, histogram in enumerate(seen):
            used = np.flatnonzero(histogram).tolist()
            total[channel] = sum(int(histogram[value]) * value for value in used)
            squares[channel] = sum(int(histogram[value]) * value**2 for value in used)
        if not count:
            raise DataError("the training split holds no images")
        # Exact up to the last division; a constant channel would give 0, which nothing can be divided by.
        variance = [(count * square - part * part) / count**2 for part, square in zip(total, squares, strict=True)]
        self._mean = torch.tensor([part / count for part in total], dtype=torch.float32)[:, None, None]
        self._std = torch.tensor(variance, dtype=torch.float32).sqrt().clamp(min=_SMALLEST_STD)[:, None, None]
        self._levels = torch.from_numpy(np.stack([_nearest_levels(histogram) for histogram in seen])).to(self._kept)
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, C, H, W)`."""
        images = torch.from_numpy(self._checked(records).astype(np.float32))
        x = (images.permute(0, 3, 1, 2) - self._mean) * (_SCALE / self._std)
        conditions: dict[str, Tensor] = {}
        if records.label is not None and self._schema.labels:
            conditions["label"] = torch.from_numpy(records.label.astype(np.int64))
        return Batch(x.contiguous(), None, conditions | attribute_conditions(records, self._schema))

    def decode(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Records:
        """From any real values to uint8 or uint16; what is not finite becomes the channel's mean."""
        values = x.detach().float().cpu() * (self._std / _SCALE) + self._mean
        values = torch.where(values.isfinite(), values, self._mean).round().clamp(0, self._count - 1)
        legal = [table[channel.long()] for table, channel in zip(self._levels, values.unbind(1), strict=True)]
        images = torch.stack(legal, dim=3).numpy().astype(dtype_of(self._schema), copy=False)  # (B, H, W, C)
        label = conditions.get("label")
        known = label is not None and bool(self._schema.labels)
        columns = {"image": images, **attribute_columns(conditions, self._schema, len(x))}
        return Records(columns, label.cpu().numpy().astype(np.int64) if known and label is not None else None)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Means, standard deviations and legal values."""
        tensors = {"mean": self._mean.flatten().clone(), "std": self._std.flatten().clone(), "levels": self._levels}
        return {"scale": _SCALE}, tensors

    def load_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The inverse of `state`.

        Raises:
            RunError: the state is not one of this codec and schema.
        """
        channels = self._schema.shape[0]
        for name in ("mean", "std"):
            if name not in tensors or tensors[name].shape != (channels,) or not bool(tensors[name].isfinite().all()):
                raise RunError(f"the codec's state has no usable {name!r} for {channels} channels")
        if facts.get("scale") != _SCALE or not bool((tensors["std"] > 0).all()):
            raise RunError("the codec's state does not belong to an image codec of this version")
        levels = tensors.get("levels")
        if levels is None or levels.shape != (channels, self._count) or levels.dtype != self._kept:
            raise RunError(f"the codec's state has no usable 'levels' for {channels} channels")
        self._levels = levels
        self._mean = tensors["mean"].float()[:, None, None]
        self._std = tensors["std"].float()[:, None, None]
        return self

    def _checked(self, records: Records) -> Pixels:
        images = records["image"]
        channels, height, width = self._schema.shape
        dtype = dtype_of(self._schema)
        if images.dtype != dtype or images.shape[1:] != (height, width, channels):
            found = " x ".join(str(size) for size in images.shape[1:])
            if images.dtype == dtype:
                hint = "Set data.image_size and data.image_mode to what the model was trained on."
            else:
                hint = f"The model learnt on images of {bits_of(self._schema)} bits a channel; convert these alike."
            raise DataError(
                f"images are {found} {images.dtype} (height x width x channels), but the model's are "
                f"{height} x {width} x {channels} {dtype}",
                hint=hint,
            )
        return images


def _nearest_levels(histogram: NDArray[np.int64]) -> NDArray[np.int64]:
    """A table value -> nearest value in use, if few are in use and the pixels enough to say so; else identity.

    Halfway between two that are in use it is the lower one.
    """
    every = np.arange(len(histogram))
    used = np.flatnonzero(histogram)
    if len(used) > len(histogram) // _FEW_LEVELS or histogram.sum() < _PIXELS_A_LEVEL * len(used):
        return every
    above = np.searchsorted(used, every).clip(max=len(used) - 1)
    below = (above - 1).clip(min=0)
    nearest: NDArray[np.int64] = used[
        np.where(np.abs(every - used[below]) <= np.abs(used[above] - every), below, above)
    ]
    return nearest
