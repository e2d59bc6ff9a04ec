"""Images and masks as one tensor: `[image channels | mask channels]`, denoised together.

Image channels are z-scored and halved. A mask of K <= 16 classes becomes K channels, one-hot as -1 and +1, centred on
the training mean and multiplied by `MASK_SCALE`: arg-max always gives a legal class. Two classes share one channel.
Above 16 the class index is written in bits (Chen et al. 2023, "Analog bits"); decoding takes the nearest code in use.

The scale decides at which noise level a mask is settled: large, it is before the image, which then follows the mask,
and no noise is left at the end that an arg-max could mistake for a class. The weights make both groups count alike in
the loss, however many channels they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Batch, Records, Schema
from synthgen.errors import DataError
from synthgen_mask.areas import AREA, shares, told
from synthgen_mask.classes import IGNORE, classes_of, index_masks, mask_channels

__all__ = ["IMAGE_SHARE", "MASK_SCALE", "MaskCodec"]

MASK_SCALE = 2.0
"""Half the distance between "of this class" and "not", in units of the encoded data (standard deviation 0.5)."""
_PIECE = 32  # records whose probabilities of all classes are in memory at once
IMAGE_SHARE = 0.5
"""Share of the loss that the image channels carry, the mask channels carry the rest."""


class MaskCodec:
    """Records with `image` and `mask` <-> tensors `(B, bands + mask channels, H, W)`.

    Args:
        schema: of the records; its pixel classes decide the coding.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._classes = classes_of(schema)
        self._bands = len(schema.channels) - 1
        self._codes = _codes(len(self._classes))  # (K, M) of -1 and +1
        self._mean = torch.zeros(self._bands)
        self._std = torch.ones(self._bands)
        self._center = torch.zeros(self._codes.shape[1])
        self._scale = MASK_SCALE

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean and deviation of the image channels, mean code of the masks."""
        count = 0
        first, second = np.zeros(self._bands), np.zeros(self._bands)
        classes = np.zeros(len(self._classes))
        for records in batches:
            pixels = records["image"].astype(np.float64)
            count += pixels[..., 0].size
            first += pixels.sum((0, 1, 2))
            second += np.square(pixels).sum((0, 1, 2))
            index = index_masks(records["mask"], self._classes)
            classes += np.bincount(index[index >= 0], minlength=len(self._classes))
        if not count or not classes.sum():
            raise DataError("the training records have no labelled pixel: every mask pixel is ignored")
        mean = first / count
        deviation = np.sqrt(np.maximum(second / count - mean**2, 0))
        self._mean = torch.tensor(mean, dtype=torch.float32)
        self._std = torch.tensor(np.where(deviation < 1e-3, 1.0, deviation), dtype=torch.float32)
        share = torch.tensor(classes / classes.sum(), dtype=torch.float32)
        self._center = share @ self._codes
        return self

    def encode(self, records: Records) -> Batch:
        """To tensors; ignored pixels have weight 0 in the mask channels and hold the mean code.

        Raises:
            DataError: other size or channels than the schema's, or a class id that the schema does not have.
        """
        self._check(records)
        image = torch.from_numpy(np.ascontiguousarray(records["image"])).permute(0, 3, 1, 2).float()
        x_image = 0.5 * (image - self._mean[:, None, None]) / self._std[:, None, None]  # (N, bands, H, W)
        index = torch.from_numpy(index_masks(records["mask"], self._classes))  # (N, H, W)
        known = (index >= 0)[:, None]  # (N, 1, H, W)
        code = self._codes[index.clamp_min(0)].permute(0, 3, 1, 2)  # (N, M, H, W)
        x_mask = self._scale * (code - self._center[:, None, None]) * known
        width = self._bands + len(self._center)
        weight = torch.empty(len(records), width, *index.shape[1:])
        weight[:, : self._bands] = IMAGE_SHARE * width / self._bands
        weight[:, self._bands :] = (1 - IMAGE_SHARE) * width / len(self._center) * known
        return Batch(torch.cat([x_image, x_mask], dim=1).contiguous(), weight, self._conditions(records, index))

    def decode(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Records:
        """Image values rounded into 0..255, masks as the nearest code's class id."""
        x = x.detach().float().cpu()
        pixels = 2 * x[:, : self._bands] * self._std[:, None, None] + self._mean[:, None, None]
        image = pixels.nan_to_num(0.0).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        code = x[:, self._bands :].nan_to_num(0.0) / self._scale + self._center[:, None, None]  # (N, M, H, W)
        ids = np.array([entry.id for entry in self._classes])
        dtype = np.uint8 if ids.max() < 256 else np.uint16
        columns: dict[str, NDArray[Any]] = {
            "image": image.contiguous().numpy(),
            "mask": ids.astype(dtype)[self._nearest(code).numpy()],
        }
        label = conditions.get("label") if self.schema.labels else None
        return Records(columns, None if label is None else label.cpu().numpy().astype(np.int64))

    def doubtful(self, records: Records, x: Tensor, *, below: float = 0.0) -> Records:
        """The records with the column `margin` uint8 `(N, H, W)`: the likeliest class's probability minus the second's.

        Args:
            records: decoded from x.
            x: encoded records `(N, C, H, W)`.
            below: pixels with a smaller margin, in 0..1, become ignored (255).
        """
        margin = self.margins(x)
        mask = np.where(margin < below, np.array(IGNORE, records["mask"].dtype), records["mask"])
        columns = {**records.columns, "mask": mask, "margin": np.rint(255 * margin).astype(np.uint8)}
        return replace(records, columns=columns)

    def certainty(self, x: Tensor) -> NDArray[np.float32]:
        """Mean margin of each record's mask, `(N,)` in 0..1."""
        return np.asarray(self.margins(x).mean((1, 2), dtype=np.float64), dtype=np.float32)

    def margins(self, x: Tensor) -> NDArray[np.float32]:
        """Of each pixel, the likeliest class's probability minus the second's, `(N, H, W)` in 0..1."""
        return np.concatenate([self._margins(part) for part in torch.split(x, _PIECE)])

    def _margins(self, x: Tensor) -> NDArray[np.float32]:
        top = self.probabilities(x).topk(min(2, len(self._classes)), dim=1).values  # (N, 2, H, W)
        return np.asarray((top[:, 0] - top[:, 1] if top.shape[1] > 1 else top[:, 0]).numpy())

    def probabilities(self, x: Tensor) -> Tensor:
        """Of each class, as the mask channels of x stand for it, each channel by itself; `(N, K, H, W)`."""
        x = x.detach().float().cpu()
        code = x[:, self._bands :].nan_to_num(0.0) / self._scale + self._center[:, None, None]  # (N, M, H, W)
        up = ((code + 1) / 2).clamp(1e-4, 1 - 1e-4)
        if len(self._classes) == self._codes.shape[1]:
            return up / up.sum(dim=1, keepdim=True)
        bit = (self._codes + 1) / 2  # (K, M): a class is the product of its bits
        logs = torch.einsum("nmhw,km->nkhw", up.log(), bit) + torch.einsum("nmhw,km->nkhw", (1 - up).log(), 1 - bit)
        return logs.softmax(dim=1)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Scaling of the image channels, mean code and scale of the masks."""
        return {"mask_scale": self._scale}, {"mean": self._mean, "std": self._std, "center": self._center}

    def load_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The inverse of `state`.

        Raises:
            DataError: values are missing or of another schema.
        """
        try:
            mean, std, center = (tensors[name].float() for name in ("mean", "std", "center"))
            scale = float(facts["mask_scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the stored state of the mask codec is incomplete: {error}") from error
        if mean.shape != self._mean.shape or std.shape != self._std.shape or center.shape != self._center.shape:
            raise DataError("the stored state of the mask codec belongs to another schema")
        self._mean, self._std, self._center, self._scale = mean, std, center, scale
        return self

    def _nearest(self, code: Tensor) -> Tensor:
        """Index of the class whose code is nearest, `(N, H, W)`.

        All codes have the same length, so the nearest one has the largest inner product with the values.
        """
        return torch.einsum("nmhw,km->nkhw", code, self._codes).argmax(1)

    def _conditions(self, records: Records, index: Tensor) -> dict[str, Tensor]:
        conditions: dict[str, Tensor] = {}
        for condition in self.schema.conditions:
            if condition.name == "label" and records.label is not None:
                conditions["label"] = torch.from_numpy(records.label.astype(np.int64))
            elif condition.name == "present":
                found = [(index == k).flatten(1).any(1) for k in range(condition.size)]
                conditions["present"] = torch.stack(found, dim=1).float()
            elif condition.name == AREA:
                conditions[AREA] = told(shares(records["mask"], self._classes))
        return conditions

    def _check(self, records: Records) -> None:
        height, width = self.schema.shape[1:]
        image, mask = records["image"], records["mask"]
        if image.shape[1:] != (height, width, self._bands) or mask.shape[1:] != (height, width):
            raise DataError(
                f"records of {image.shape[2]} x {image.shape[1]} pixels with {image.shape[3]} channels, "
                f"but the model has {width} x {height} with {self._bands}",
                hint=f"Open the data with data.image_size={height} and the same data.image_mode.",
            )


def _codes(classes: int) -> Tensor:
    """Codes of -1 and +1, `(K, M)`: one channel for two classes, one-hot, or bits (highest first)."""
    channels = mask_channels(classes)
    if channels == classes:
        return 2 * torch.eye(classes) - 1
    index = torch.arange(classes)[:, None]
    bits = (index >> torch.arange(channels - 1, -1, -1)) & 1
    return (2 * bits - 1).float()
