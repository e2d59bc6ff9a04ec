"""Images as a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgen.api import Codec, Embedder, Judge, Records, Schema
from synthgen.data.augmentation import Augmentation, flip, quarter_turns, shift
from synthgen.errors import UsageError
from synthgen_image.attribute_judge import AttributeJudge, judged_attribute
from synthgen_image.codec import ImageCodec
from synthgen_image.embedder import CnnEmbedder, PcaEmbedder
from synthgen_image.figures import draw_image, overview_of_images
from synthgen_image.judge import CnnJudge, SvmJudge
from synthgen_image.presets import PRESETS, configure_images
from synthgen_image.schema import scaled

__all__ = ["ImageModality"]

_FEWEST_CLASSES = 2


class ImageModality:
    """Images of one size: grey, RGB, RGBA or any number of bands, 8 or 16 bits a channel."""

    name = "image"
    demo = "digits"
    formats = ("parquet", "folder")
    missing_judge = "the images have no labels, or one class only, and no attribute: there is nothing to predict"

    def codec(self, schema: Schema) -> Codec:
        """Per-channel z-score."""
        return ImageCodec(schema)

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """default, draft and quality."""
        return PRESETS

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """Network and batch sizes from the images' size, dropout from their number."""
        return configure_images(schema, records)

    def augmentations(self, schema: Schema) -> Augmentation:
        """Flips, small shifts, and quarter turns of square images; all exact."""
        transforms = [flip(-1, "flip-x"), flip(-2, "flip-y"), shift(2)]
        return Augmentation([*transforms, quarter_turns()] if schema.shape[1] == schema.shape[2] else transforms)

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """A small CNN (`default`, `cnn`) or a support-vector machine on pixels (`svm`).

        Without classes the CNN predicts the first attribute that is members (mean average precision) or a number (R^2);
        None where there is neither.

        Raises:
            UsageError: unknown kind.
        """
        if kind not in ("default", "cnn", "svm"):
            raise UsageError(f"unknown judge {kind!r} for images", hint="Known: cnn, svm.")
        if len(schema.labels) < _FEWEST_CLASSES:
            attribute = judged_attribute(schema)
            return None if attribute is None else AttributeJudge(attribute, seed=seed)
        return SvmJudge(schema) if kind == "svm" else CnnJudge(schema, seed=seed)

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """Features of a CNN trained on the labels; principal components where there are none."""
        return (
            CnnEmbedder(schema, seed=seed) if len(schema.labels) >= _FEWEST_CLASSES else PcaEmbedder(schema, seed=seed)
        )

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """Pixels `(N, H * W * C)`; 0 to 255, or to the largest of 16-bit values seen, as 0..1."""
        return scaled(records["image"], schema).reshape(len(records), -1)

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """One image, with heat over it."""
        draw_image(axis, records, index, schema, heat=heat)

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """Rows of classes, real on the left, synthetic on the right."""
        return overview_of_images(real, synthetic, schema)
