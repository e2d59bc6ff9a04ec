"""The demo set `digits-on-photos`: real handwritten digits on crops of real photographs, with per-pixel classes.

Glyphs are scikit-learn's digits (8 x 8, sixteen grey levels), grounds are crops of its two sample photographs. Nothing
is drawn by hand: a glyph is enlarged, laid on a dimmed crop as light ink at a random place, and the pixels where the
ink covers at least half are of the digit's class. All compositions of one glyph form a group, so no handwriting is ever
in training and holdout at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from synthgen.api import Records, Source
from synthgen.data.source import ArraySource
from synthgen.seeding import generator
from synthgen_mask.classes import MaskClass, mask_schema, palette

__all__ = ["SIZE", "compose", "digits_on_photos"]

SIZE = 16
"""Height and width of a composition, pixels."""
GLYPH = (12, 14)
"""Smallest and largest height of a glyph on it, pixels."""
CROP = (48, 96)
"""Smallest and largest side of the photograph's crop, pixels."""
DIM = 0.6
"""The photograph's brightness, so that light ink stands out everywhere."""
INK = 240.0
"""Grey value of full ink."""
COMPOSITIONS = 2
"""How often each glyph is used, each time elsewhere on another crop."""


def compose(
    glyph: NDArray[np.float64], photographs: Sequence[NDArray[np.uint8]], index: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One composition, a function of its arguments alone.

    Args:
        glyph: `(8, 8)`, ink in 0..16.
        photographs: grey, `(H, W)` each.
        index: which composition; it alone decides photograph, crop, place and height of the glyph.

    Returns:
        The image `(SIZE, SIZE)`, and where the ink covers at least half of a pixel.
    """
    random = generator(0, "digits-on-photos", sample_id=index)
    photograph = photographs[int(random.integers(len(photographs)))]
    crop = int(random.integers(CROP[0], CROP[1] + 1))
    top, left = (int(random.integers(0, side - crop + 1)) for side in photograph.shape)
    patch = Image.fromarray(photograph[top : top + crop, left : left + crop])
    ground = DIM * np.asarray(patch.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float64)

    height = int(random.integers(GLYPH[0], GLYPH[1] + 1))
    ink = Image.fromarray((glyph * (255 / 16)).astype(np.uint8)).resize((height, height), Image.Resampling.BICUBIC)
    row, column = (int(random.integers(0, SIZE - height + 1)) for _ in range(2))
    cover = np.zeros((SIZE, SIZE))
    cover[row : row + height, column : column + height] = np.asarray(ink, dtype=np.float64) / 255
    image = (1 - cover) * ground + cover * INK
    return np.rint(image).clip(0, 255).astype(np.uint8), cover >= 0.5


def digits_on_photos() -> Source:
    """The demo set, opened. The label of a record is its digit; pixel class 0 is ground, d + 1 is the digit d."""
    glyphs = load_digits()
    photographs = [np.asarray(Image.fromarray(photograph).convert("L")) for photograph in load_sample_images().images]
    count = COMPOSITIONS * len(glyphs.target)
    source_glyph = np.arange(count) % len(glyphs.target)
    image = np.empty((count, SIZE, SIZE, 1), np.uint8)
    mask = np.zeros((count, SIZE, SIZE), np.uint8)
    for index, glyph in enumerate(source_glyph):
        image[index, :, :, 0], covered = compose(glyphs.images[glyph], photographs, index)
        mask[index][covered] = glyphs.target[glyph] + 1
    names = ("ground", *(f"digit {digit}" for digit in range(10)))
    classes = [MaskClass(index, name, palette(index)) for index, name in enumerate(names)]
    label = glyphs.target[source_glyph].astype(np.int64)
    return ArraySource(
        mask_schema((SIZE, SIZE), bands=1, classes=classes, labels=tuple(str(digit) for digit in range(10)), area=True),
        Records({"image": image, "mask": mask}, label),
        groups=source_glyph,
        notes=(f"{count} compositions of {len(glyphs.target)} handwritten digits on crops of two photographs",),
    )
