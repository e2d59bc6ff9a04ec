"""Squares cut from images that are larger than the model: no pixel is resized, and small things keep their size.

Squares of side s lie on a grid of ceil(H / s) x ceil(W / s) of them, the first at one edge and the last at the other,
so that together they show every pixel. Squares of one image are a group: none is trained on while another is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import ImageHeader
from synthgen_mask.pairs import Pairs

__all__ = ["Tiles", "tiles_of"]


class Tiles:
    """Squares of pairs; implements `synthgen_mask.pairs.Pairs`. The last images are kept: squares come in their order.

    Args:
        pairs: whole images with their masks.
        side: of a square, pixels.
        owner: `(N,)` the pair of each square.
        corner: `(N, 2)` its first row and column.
    """

    def __init__(self, pairs: Pairs, side: int, owner: NDArray[np.int64], corner: NDArray[np.int64]) -> None:
        self.owner = owner
        self.corner = corner
        self._pairs = pairs
        self._side = side
        self._image = lru_cache(maxsize=2)(pairs.image)
        self._mask = lru_cache(maxsize=2)(pairs.mask)

    def __len__(self) -> int:
        return len(self.owner)

    def name(self, index: int) -> str:
        """The image's, with the square's corner."""
        row, column = self.corner[index]
        return f"{self._pairs.name(int(self.owner[index]))} at row {row}, column {column}"

    def image(self, index: int) -> Image.Image:
        """The square of the image."""
        return self._square(self._image(int(self.owner[index])), index)

    def mask(self, index: int) -> Image.Image:
        """The square of the mask."""
        return self._square(self._mask(int(self.owner[index])), index)

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """The whole image's file."""
        return self._pairs.stored(int(self.owner[index]))

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Those of the pair, with the square's size."""
        image, mask = self._pairs.headers(int(self.owner[index]))
        side = self._side
        return replace(image, width=side, height=side), replace(mask, width=side, height=side)

    def _square(self, picture: Image.Image, index: int) -> Image.Image:
        row, column = (int(value) for value in self.corner[index])
        return picture.crop((column, row, column + self._side, row + self._side))


def tiles_of(pairs: Pairs, side: int, said: list[str]) -> Tiles:
    """All squares of all pairs.

    Args:
        pairs: whole images with their masks.
        side: of a square, pixels.
        said: sentences for the user, to which one is added.

    Raises:
        DataError: an image smaller than the square, or of another size than its mask.
    """
    owner: list[int] = []
    corner: list[tuple[int, int]] = []
    for index in range(len(pairs)):
        image, mask = pairs.headers(index)
        if (image.width, image.height) != (mask.width, mask.height):
            raise DataError(
                f"{pairs.name(index)} is {image.width} x {image.height}, its mask {mask.width} x {mask.height}",
                hint="Image and mask of a pair must have the same width and height.",
            )
        if min(image.width, image.height) < side:
            raise DataError(
                f"{pairs.name(index)} is {image.width} x {image.height}: no square of {side} fits into it",
                hint="Lower data.crop.",
            )
        corners = [(row, column) for row in _starts(image.height, side) for column in _starts(image.width, side)]
        owner += [index] * len(corners)
        corner += corners
    said.append(
        f"{len(pairs)} images are cut into {len(owner)} squares of {side} pixels; those of an image stay together"
    )
    return Tiles(pairs, side, np.array(owner, dtype=np.int64), np.array(corner, dtype=np.int64))


def _starts(length: int, side: int) -> Sequence[int]:
    count = -(-length // side)
    return [int(value) for value in np.linspace(0, length - side, count).round()] if count > 1 else [0]
