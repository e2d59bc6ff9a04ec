"""Which part of a given picture is drawn anew: white in mask images, or a box that (seed, i) places."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.api import Records
from synthgen.errors import DataError, UsageError
from synthgen.io.folder import image_files, load_image
from synthgen.seeding import generator

__all__ = ["BOX", "boxes", "kept", "region_files", "region_hash", "regions"]

BOX = "box"
"""Instead of a path: a box for each record, a quarter to half of each side long, anywhere."""

_WHITE = 128
_MASKS_KEPT = 4096


def region_files(path: Path | str, records: int) -> list[Path]:
    """The mask images at a path: one for all records, or one for each, in the order of their names.

    Raises:
        UsageError: none, or another number of them.
    """
    where = Path(path).expanduser()
    found = image_files(where)[0] if where.is_dir() else [where] if where.is_file() else []
    if not found:
        raise UsageError(f"no mask images at {where}", hint=f"Name a folder of masks, one image, or {BOX}.")
    if len(found) not in (1, records):
        raise UsageError(
            f"{where} holds {len(found):,} masks for {records:,} given records",
            hint="One mask serves all; else each record needs one, in the same order of names.",
        )
    return found


def region_hash(path: Path | str, records: int) -> str:
    """SHA-256 of the mask images' names and bytes."""
    digest = hashlib.sha256()
    for file in region_files(path, records):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def regions(
    path: str, sha256: str, size: tuple[int, int], records: int, positions: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.bool_]:
    """True where the given records at these positions are drawn anew, `(N, H, W)`.

    Args:
        path: of mask images.
        sha256: of their content, see `region_hash`; changed files are read again.
        size: height and width; masks of another size are resized to it by nearest neighbour.
        records: how many are given.
        positions: which of them.

    Raises:
        DataError: a mask cannot be read, has another shape, or marks nothing.
    """
    files = region_files(path, records)
    return np.stack([_region(str(files[int(position) % len(files)]), sha256, size) for position in positions])


def boxes(size: tuple[int, int], seed: int, sample_ids: Sequence[int]) -> NDArray[np.bool_]:
    """True inside one box a record, `(N, H, W)`, drawn from (seed, i) alone."""
    inside = np.zeros((len(sample_ids), *size), dtype=bool)
    for row, sample_id in enumerate(sample_ids):
        draw = generator(seed, "box", sample_id=int(sample_id))
        (top, bottom), (left, right) = (_span(length, draw) for length in size)
        inside[row, top:bottom, left:right] = True
    return inside


def kept(records: Records, given: Records, anew: NDArray[np.bool_]) -> Records:
    """The records with everything outside the regions as it was given, to the bit.

    Args:
        records: as drawn; columns aligned with the picture are `(N, H, W)` or `(N, H, W, C)`.
        given: what they were made from.
        anew: `(N, H, W)`.
    """
    columns = {}
    for name, column in records.columns.items():
        aligned = column.shape[: anew.ndim] == anew.shape
        inside = anew.reshape(*anew.shape, *[1] * (column.ndim - anew.ndim)) if aligned else anew
        columns[name] = np.where(inside, column, given[name]) if aligned else column
    return dataclasses.replace(records, columns=columns)


def _span(length: int, draw: np.random.Generator) -> tuple[int, int]:
    """Begin and end of a quarter to half of a side, anywhere along it."""
    long = max(1, round(length * draw.uniform(0.25, 0.5)))
    begin = int(draw.integers(0, length - long + 1))
    return begin, begin + long


@lru_cache(maxsize=_MASKS_KEPT)
def _region(path: str, sha256: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    picture = load_image(Path(path)).convert("L")
    height, width = size
    if picture.size != (width, height):
        if abs(picture.width * height - picture.height * width) > max(picture.size):
            raise DataError(
                f"the mask {path} is {picture.width} x {picture.height}, the records are {width} x {height}",
                hint="A mask may have another size, but not another shape.",
            )
        picture = picture.resize((width, height), Image.Resampling.NEAREST)
    marked: NDArray[np.bool_] = np.asarray(picture) >= _WHITE
    if not marked.any():
        raise DataError(f"the mask {path} marks nothing to draw anew", hint="White is drawn anew, black is kept.")
    return marked
