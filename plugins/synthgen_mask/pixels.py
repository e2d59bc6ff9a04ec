"""From an image file's pixels to class ids, and sizes changed without inventing classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.errors import DataError

__all__ = ["MODES", "mask_ids", "resize_image", "resize_mask"]

MODES = {"grey": "L", "rgb": "RGB", "rgba": "RGBA"}
"""`data.image_mode` -> Pillow's name of the mode."""


def mask_ids(image: Image.Image, colors: Mapping[tuple[int, int, int], int], *, name: str) -> NDArray[np.uint16]:
    """Class ids `(H, W)` of a mask image.

    Grey masks hold ids. Of palette masks the indices are the ids, whatever their colours. Colour masks need the
    table's colours, exactly; without a table, one whose channels are all alike is a grey mask saved in colour.

    Args:
        image: the mask as Pillow opened it.
        colors: colour -> id, from `classes.csv`.
        name: of the file, for errors.

    Raises:
        DataError: a colour mask without a table of colours, a colour that the table does not have, or another mode.
    """
    if image.mode in ("L", "P", "1"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I;16", "I;16B", "I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() >= 1 << 16:
            raise DataError(f"{name} holds class ids up to {values.max()}; 65535 is the largest")
        return values.astype(np.uint16)
    if image.mode == "LA":
        return np.asarray(image)[..., 0].astype(np.uint16)
    if image.mode not in ("RGB", "RGBA"):
        raise DataError(f"{name} is no mask: Pillow mode {image.mode}", hint="Masks are index PNG files, mode L or P.")
    pixels = np.asarray(image.convert("RGB"))
    if not colors and (pixels == pixels[..., :1]).all():
        return pixels[..., 0].astype(np.uint16)
    if not colors:
        raise DataError(
            f"{name} is a colour mask, and no classes.csv says which class each colour is; "
            f"pixels by colour: {_color_histogram(pixels)}",
            hint="Write classes.csv with the columns id,name,r,g,b, or save the masks as index PNG (mode L or P).",
        )
    return _ids_of_colors(pixels, colors, name)


def _color_histogram(pixels: NDArray[np.uint8], *, limit: int = 8) -> str:
    """Pixels by colour, the commonest first."""
    values, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    text = ", ".join(f"({', '.join(map(str, values[k]))}): {counts[k]}" for k in order[:limit])
    return text if len(order) <= limit else f"{text}, and {len(order) - limit} more"


def _ids_of_colors(
    pixels: NDArray[np.uint8], colors: Mapping[tuple[int, int, int], int], name: str
) -> NDArray[np.uint16]:
    packed = (pixels.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(-1)
    values, inverse = np.unique(packed, return_inverse=True)
    table = {(red << 16) + (green << 8) + blue: identity for (red, green, blue), identity in colors.items()}
    unknown = [int(value) for value in values if int(value) not in table]
    if unknown:
        shown = ", ".join(f"({v >> 16}, {v >> 8 & 255}, {v & 255})" for v in unknown[:5])
        raise DataError(
            f"{name} has {len(unknown)} colours that classes.csv does not list: {shown}; "
            f"pixels by colour: {_color_histogram(pixels)}",
            hint="Add them, or save the masks without smoothing and without JPEG.",
        )
    ids = np.array([table[int(value)] for value in values], np.uint16)
    return ids[inverse].reshape(packed.shape)


def resize_image(image: Image.Image, mode: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image as uint8 `(H, W, C)` in a mode and a size (height, width); box average down, cubic up."""
    converted = image if image.mode == mode else image.convert(mode)
    height, width = size
    if converted.size != (width, height):
        smaller = converted.width >= width and converted.height >= height
        kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
        converted = converted.resize((width, height), kind)
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def resize_mask(ids: NDArray[np.uint16], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Class ids in a size (height, width): each pixel takes the id at its centre, so no class is invented."""
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64) for old, new in zip(ids.shape, size, strict=True)
    )
    resized: NDArray[np.uint16] = ids[rows][:, columns]
    return resized
