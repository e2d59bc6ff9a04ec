"""Pictures for the report: one image with or without heat, and real beside synthetic for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgen.api import Records, Schema
from synthgen_image.schema import Pixels, dtype_of, largest_values

__all__ = ["draw_image", "overview_of_images"]

_PER_CLASS = 8
_MOST_CLASSES = 20
_UNLABELLED_ROWS = 6
_GAP = 1
_COLOURS = 3


def draw_image(axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None) -> None:
    """Draw one image; heat `(H, W)` or `(C, H, W)` lies over it, the more opaque the hotter."""
    _show(axis, records["image"][index], schema)
    if heat is not None:
        values = np.asarray(heat, dtype=np.float64)
        values = values.mean(0) if values.ndim == 3 else values
        values = np.nan_to_num(values, nan=0.0)
        low, high = float(values.min()), float(values.max())
        share = (values - low) / (high - low) if high > low else np.zeros_like(values)
        axis.imshow(share, cmap="inferno", alpha=0.15 + 0.6 * share, vmin=0, vmax=1, interpolation="nearest")


def overview_of_images(real: Records, synthetic: Records, schema: Schema) -> Figure:
    """A row for each class (up to 20): eight real images on the left, eight synthetic ones on the right."""
    rows = _rows(real, synthetic, schema)
    height, width = schema.shape[1:]
    figure = Figure(figsize=(9.0, max(1.6, 9.0 * len(rows) * height / (width * (2 * _PER_CLASS + 1)) + 0.7)))
    left, right = figure.subplots(1, 2)
    for axis, title, records, chosen in (
        (left, "real", real, [row[1] for row in rows]),
        (right, "synthetic", synthetic, [row[2] for row in rows]),
    ):
        _show(axis, _mosaic(records["image"], chosen, schema), schema)
        axis.set_title(title, fontsize=10)
    for number, (name, _, _) in enumerate(rows):
        if name:
            middle = number * (height + _GAP) + height / 2
            left.text(-1.5, middle, name[:16], ha="right", va="center", fontsize=8)
    figure.subplots_adjust(
        left=0.02 + 0.012 * max(min(len(row[0]), 16) for row in rows), right=0.99, top=0.93, bottom=0.01, wspace=0.04
    )
    return figure


def _rows(real: Records, synthetic: Records, schema: Schema) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    if real.label is None or synthetic.label is None or not schema.labels:
        return [
            ("", _piece(np.arange(len(real)), row), _piece(np.arange(len(synthetic)), row))
            for row in range(_UNLABELLED_ROWS)
        ]
    present = [k for k in range(len(schema.labels)) if (real.label == k).any() or (synthetic.label == k).any()]
    return [
        (
            schema.labels[k],
            np.flatnonzero(real.label == k)[:_PER_CLASS],
            np.flatnonzero(synthetic.label == k)[:_PER_CLASS],
        )
        for k in present[:_MOST_CLASSES]
    ]


def _piece(positions: NDArray[np.int64], row: int) -> NDArray[np.int64]:
    return positions[row * _PER_CLASS : (row + 1) * _PER_CLASS]


def _mosaic(images: Pixels, rows: list[NDArray[np.int64]], schema: Schema) -> Pixels:
    """`(H', W', C)`: one line of images for each entry of `rows`, white between and where there is none."""
    channels, height, width = schema.shape
    dtype = dtype_of(schema)
    shape = (len(rows) * (height + _GAP), _PER_CLASS * (width + _GAP), channels)
    canvas: Pixels = np.full(shape, np.iinfo(dtype).max, dtype=dtype)
    for line, chosen in enumerate(rows):
        for place, index in enumerate(chosen):
            top, left = line * (height + _GAP), place * (width + _GAP)
            canvas[top : top + height, left : left + width] = images[index]
    return canvas


def _show(axis: Axes, pixels: Pixels, schema: Schema) -> None:
    """Grey, or colour; of bands the first three as red, green and blue, of two bands the first."""
    if schema.extra.get("mode") == "multi-band" or dtype_of(schema) != np.uint8:
        seen = _stretched(pixels, schema)
        picture = seen[..., :3] if seen.shape[-1] >= _COLOURS else seen[..., 0]
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    elif schema.shape[0] == 1:
        axis.imshow(pixels[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axis.imshow(pixels, interpolation="nearest")
    axis.set_axis_off()


def _stretched(pixels: Pixels, schema: Schema) -> NDArray[np.float32]:
    """0..1 between the smallest and the largest value that the schema says each channel has."""
    low = np.array([channel.low or 0.0 for channel in schema.channels], dtype=np.float32)
    span = np.maximum(largest_values(schema) - low, 1)
    result: NDArray[np.float32] = ((pixels.astype(np.float32) - low) / span).clip(0, 1)
    return result
