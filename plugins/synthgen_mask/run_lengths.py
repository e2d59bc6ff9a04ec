"""Masks as run lengths and polygons, the three ways in which COCO writes the outline of a thing.

COCO counts pixels down the columns: runs of "outside" and "inside" in turn, the first one outside (it may be 0).
Compressed run lengths are base 32 with a sign, six bits a character from `"0"` on, each value from the fourth on as the
difference to the one two before it. Polygons are traced at five times the resolution, as the reference `maskApi.c` of
`cocoapi` (Lin and Dollar) does, so that the same pixels come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

__all__ = ["decode_counts", "decode_segmentation", "polygon_mask", "run_lengths", "runs_mask"]

_SCALE = 5
_LONGEST = 1 << 24


def run_lengths(inside: NDArray[np.bool_]) -> list[int]:
    """The runs of a binary mask `(H, W)`."""
    flat = inside.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return [0, *runs.tolist()] if flat.size and flat[0] else [int(run) for run in runs]


def decode_segmentation(segmentation: Any, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """The pixels `(H, W)` of an annotation's `segmentation`.

    Args:
        segmentation: a list of polygons `[x, y, x, y, ...]`, or `{"size", "counts"}` with counts as a list or as text.
        size: height and width of the image.
        name: of the annotation, for errors.

    Raises:
        DataError: neither of these, of another size, or runs that do not cover the image exactly.
    """
    if isinstance(segmentation, dict):
        counts, stated = segmentation.get("counts"), segmentation.get("size")
        if not isinstance(stated, list) or [*map(str, stated)] != [*map(str, size)]:
            raise DataError(f"{name}: run lengths of size {stated}, but the image has {[*size]} (height, width)")
        if isinstance(counts, str):
            counts = decode_counts(counts, name)
        if not isinstance(counts, list):
            raise DataError(f"{name}: run lengths without counts")
        return runs_mask(counts, size, name)
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        raise DataError(f"{name}: the segmentation is neither polygons nor run lengths")
    inside = np.zeros(size, bool)
    for polygon in segmentation:
        inside |= polygon_mask(polygon, size, name)
    return inside


def decode_counts(text: str, name: str) -> list[int]:
    """Compressed run lengths as numbers.

    Raises:
        DataError: characters outside the code, or a text that ends within a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 30:
            raise DataError(f"{name}: {text[:20]!r} is no compressed run length")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise DataError(f"{name}: the compressed run length ends within a number")
    return counts


def runs_mask(counts: Sequence[Any], size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """The pixels `(H, W)` of run lengths.

    Raises:
        DataError: no whole numbers of pixels, or not as many as the image has.
    """
    pixels = size[0] * size[1]
    if not all(isinstance(run, int) and 0 <= run <= pixels for run in counts) or sum(counts) != pixels:
        raise DataError(f"{name}: the runs do not add up to the {pixels} pixels of the image")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return inside.reshape(size, order="F")


def polygon_mask(polygon: Sequence[Any], size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """The pixels `(H, W)` of one polygon `[x, y, x, y, ...]`.

    Raises:
        DataError: fewer than three corners, corners that are no numbers, or far outside the image.
    """
    try:
        corners = np.array(polygon, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: a polygon is x, y, x, y, ... in numbers") from error
    height, width = size
    reach = 2.0 * max(size)
    if len(corners) < 3 or not np.isfinite(corners).all() or np.abs(corners).max() > reach:
        raise DataError(f"{name}: a polygon has fewer than three corners, or one far outside the image")
    points = np.trunc(_SCALE * corners + 0.5).astype(np.int64)
    if np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum() > _LONGEST:
        raise DataError(f"{name}: a polygon is far longer than the outline of anything in the image")
    x, y = _boundary(points)
    moved = x[1:] != x[:-1]
    column = (np.minimum(x[1:], x[:-1])[moved] + 0.5) / _SCALE - 0.5
    row = np.ceil(np.clip((np.minimum(y[1:], y[:-1])[moved] + 0.5) / _SCALE - 0.5, 0, height))
    kept = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    crossings = column[kept].astype(np.int64) * height + row[kept].astype(np.int64)
    crossed = np.bincount(crossings, minlength=height * width)[: height * width]
    inside: NDArray[np.bool_] = (np.cumsum(crossed) % 2 == 1).reshape(size, order="F")
    return inside


def _boundary(points: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every point of the closed outline, each side from its lower end on, in the order of the outline."""
    across: list[NDArray[np.int64]] = []
    down: list[NDArray[np.int64]] = []
    for (xs, ys), (xe, ye) in zip(points, np.roll(points, -1, axis=0), strict=True):
        dx, dy = abs(int(xe - xs)), abs(int(ye - ys))
        turned = bool(xs > xe) if dx >= dy else bool(ys > ye)
        (x0, y0), (x1, y1) = ((xe, ye), (xs, ys)) if turned else ((xs, ys), (xe, ye))
        steps = np.arange(max(dx, dy) + 1)
        steps = steps[::-1] if turned else steps
        if dx >= dy:
            slope = float(y1 - y0) / dx if dx else 0.0
            across.append(x0 + steps)
            down.append(np.trunc(y0 + slope * steps + 0.5).astype(np.int64))
        else:
            slope = float(x1 - x0) / dy
            down.append(y0 + steps)
            across.append(np.trunc(x0 + slope * steps + 0.5).astype(np.int64))
    return np.concatenate(across), np.concatenate(down)
