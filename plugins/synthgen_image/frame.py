"""One size and one mode for a whole data set: what images have, what is chosen, and how each is brought there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.folder import load_image, read_header
from synthgen_image.schema import CHANNELS, MODE_NAMES

__all__ = ["LARGEST_SIDE", "Frame", "Survey", "choose_frame", "decode", "fit", "survey"]

LARGEST_SIDE = 1024
"""Larger images are refused unless `data.image_size` says what to reduce them to."""

_RICHNESS = list(CHANNELS)


@dataclass(frozen=True)
class Frame:
    """The size and Pillow mode that every image is brought to."""

    height: int
    width: int
    mode: str

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(CHANNELS[self.mode])


@dataclass(frozen=True)
class Survey:
    """What the headers of N images say.

    Args:
        sizes: int64 `(N, 2)`, height and width; 0 where damaged.
        modes: `(N,)` index into the modes of `CHANNELS`, -1 where damaged.
        damage: position -> reason.
    """

    sizes: NDArray[np.int64]
    modes: NDArray[np.int64]
    damage: dict[int, str]


def survey(images: Iterable[tuple[str, Path | bytes | None]], count: int) -> Survey:
    """Read the header of each (name, image); None is an image that is missing.

    Raises:
        DataError: an image has more than 8 bits a channel.
    """
    sizes = np.zeros((count, 2), dtype=np.int64)
    modes = np.full(count, -1, dtype=np.int64)
    damage: dict[int, str] = {}
    for position, (name, image) in enumerate(images):
        if image is None:
            damage[position] = f"{name} is empty"
            continue
        try:
            header = read_header(image, name=name)
        except DataError as error:
            damage[position] = error.message
            continue
        sizes[position] = header.height, header.width
        modes[position] = _RICHNESS.index(header.natural_mode(name))
    return Survey(sizes, modes, damage)


def choose_frame(found: Survey, options: DataConfig, *, where: str) -> tuple[Frame, tuple[str, ...]]:
    """The most common size (or `data.image_size`) and richest mode (or `data.image_mode`), with notes on who changes.

    Raises:
        DataError: no readable image, or the images are too large for a model.
    """
    whole = np.flatnonzero(found.modes >= 0)
    if not len(whole):
        raise DataError(f"{where} holds no readable image: {next(iter(found.damage.values()), 'it is empty')}")
    notes: list[str] = []
    sizes = Counter(map(tuple, found.sizes[whole].tolist()))
    side = options.image_size
    height, width = (side, side) if side else max(sizes, key=lambda size: (sizes[size], size))
    others = len(whole) - sizes.get((height, width), 0)
    if others:
        sort = "asked for" if side else f"of {len(sizes)} sizes, the most common"
        notes.append(
            f"{others:,} of {len(whole):,} images were cropped to the shape of {width} x {height} and resized ({sort})"
        )
    if max(height, width) > LARGEST_SIDE:
        raise DataError(
            f"the images of {where} are {width} x {height} pixels; at most {LARGEST_SIDE} a side can be modelled",
            hint="Set data.image_size, for example --set data.image_size=64.",
        )
    return Frame(height, width, _mode(found.modes[whole], options, notes)), tuple(notes)


def _mode(modes: NDArray[np.int64], options: DataConfig, notes: list[str]) -> str:
    asked = {name: mode for mode, name in MODE_NAMES.items()}.get(options.image_mode)
    mode = asked or _RICHNESS[int(modes.max())]
    counts = Counter(_RICHNESS[number] for number in modes.tolist())
    changed = [f"{counts[other]:,} {MODE_NAMES[other]}" for other in _RICHNESS if other != mode and counts[other]]
    if changed:
        notes.append(f"of {len(modes):,} images, {' and '.join(changed)} were converted to {MODE_NAMES[mode]}")
    return mode


def fit(image: Image.Image | NDArray[Any], frame: Frame) -> NDArray[np.uint8]:
    """An image as uint8 `(H, W, C)` of the frame: converted, cropped in the centre to its shape, resized (Lanczos)."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(_squeeze(image))
    if picture.mode != frame.mode:
        picture = picture.convert(frame.mode)
    if picture.size != (frame.width, frame.height):
        scale = min(picture.width / frame.width, picture.height / frame.height)
        wide, high = frame.width * scale, frame.height * scale
        left, top = (picture.width - wide) / 2, (picture.height - high) / 2
        picture = picture.resize(
            (frame.width, frame.height), Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high)
        )
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _squeeze(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def decode(images: Sequence[tuple[str, Path | bytes | None]], frame: Frame) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode and fit (name, image) pairs: uint8 `(n, H, W, C)`, and position -> reason for those that are damaged."""
    pixels = np.zeros((len(images), frame.height, frame.width, frame.channels), dtype=np.uint8)
    damage: dict[int, str] = {}
    for position, (name, image) in enumerate(images):
        if image is None:
            damage[position] = f"{name} is empty"
            continue
        try:
            pixels[position] = fit(load_image(image, name=name), frame)
        except DataError as error:
            damage[position] = error.message
    return pixels, damage
