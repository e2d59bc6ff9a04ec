"""The modality `mask`: images with a class for every pixel, generated together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgen.api import Codec, Drawing, Embedder, Judge, Records, Schema, Shares, Source
from synthgen.config import DataConfig
from synthgen.data.augmentation import Augmentation, flip, quarter_turns, shift
from synthgen.errors import UsageError
from synthgen_mask import figures
from synthgen_mask.areas import ClassShares
from synthgen_mask.classes import classes_of
from synthgen_mask.codec import MaskCodec
from synthgen_mask.embedder import PixelMaskEmbedder, pooled
from synthgen_mask.foreign import translation
from synthgen_mask.invented import invent
from synthgen_mask.judge import SegmentationJudge
from synthgen_mask.partial import open_part
from synthgen_mask.presets import PRESETS, choices

__all__ = ["MaskModality"]

_FLAT_SIDE = 16


class MaskModality:
    """Implements `synthgen.api.Modality`."""

    name = "mask"
    demo = "digits-on-photos"
    formats = ("folder", "parquet")

    def codec(self, schema: Schema) -> Codec:
        """Image channels beside one-hot mask channels."""
        return MaskCodec(schema)

    def channel_groups(self, schema: Schema) -> Mapping[str, int]:
        """Image and mask, each with a noise level of its own: one network, three modes."""
        bands = len(schema.channels) - 1
        return {"image": bands, "mask": schema.shape[0] - bands}

    def open_part(self, options: DataConfig, schema: Schema, part: str) -> Source:
        """Masks whose images are to be drawn, or images whose masks are."""
        return open_part(options, schema, part)

    def translation(self, found: Schema, wanted: Schema) -> tuple[Schema, Callable[[Records], Records]] | None:
        """Pixel classes of other data by their names."""
        return translation(found, wanted)

    def shares(self, schema: Schema) -> Shares:
        """Of the pixel classes, for `generate --require`."""
        return ClassShares(classes_of(schema))

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """See `synthgen_mask.presets`."""
        return PRESETS

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """Network, batch and sampling by image size."""
        return choices(schema, records)

    def augmentations(self, schema: Schema) -> Augmentation:
        """Flips and small shifts of image and mask together, quarter turns of square ones; all exact."""
        transforms = [flip(-1, "flip-x"), flip(-2, "flip-y"), shift(2)]
        return Augmentation([*transforms, quarter_turns()] if schema.shape[1] == schema.shape[2] else transforms)

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """A small segmentation U-Net; None when there is only one pixel class.

        Raises:
            UsageError: another kind than `default`.
        """
        if kind != "default":
            raise UsageError(f"the mask modality has no judge {kind!r}", hint="Its only judge is `default`.")
        return SegmentationJudge(schema, seed=seed) if len(classes_of(schema)) > 1 else None

    def missing_judge(self, schema: Schema) -> str:
        """Why `judge` gave None."""
        return "there is only one pixel class, so there is nothing to segment"

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """Principal components of pixels and masks."""
        return PixelMaskEmbedder(schema, seed=seed)

    def invent(self, schema: Schema, ranges: Mapping[str, tuple[float, float]], *, seed: int) -> Source:
        """Images with masks that follow from no record, for private training; the range is that of 8 bits."""
        return invent(schema, seed=seed)

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """The pixels in 0..1, averaged down to at most 16 a side. Masks are what a detector should not need."""
        return pooled(records["image"].astype(np.float32) / np.float32(255), _FLAT_SIDE)

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """The image with its mask over it, or with the heat map."""
        figures.draw(axis, records, index, schema, heat=heat)

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """Image, mask and overlay of real and synthetic records, a row for each class."""
        return figures.overview(real, synthetic, schema)

    def drawings(self, schema: Schema, train: Records, holdout: Records, synthetic: Records) -> list[Drawing]:
        """The records whose masks agree least with their images, real beside synthetic."""
        return figures.drawings(schema, train, holdout, synthetic) if len(classes_of(schema)) > 1 else []
