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
from synthgen.io.folder import ImageHeader, load_image, opened_image
from synthgen_image.deep import GREY_MODES, cut_to_8_bits, is_npy, npy_form, read_npy, read_tiff, tiff_form
from synthgen_image.schema import CHANNELS, MODE_NAMES, PLAIN_FORMS, Form, Pixels

__all__ = ["LARGEST_SIDE", "Frame", "Survey", "choose_frame", "decode", "fit", "survey"]

LARGEST_SIDE = 1024
"""Larger images are refused unless `data.image_size` says what to reduce them to."""

_GREY = Form("L", 1, 16)


@dataclass(frozen=True)
class Frame:
    """The size and form that every image is brought to."""

    height: int
    width: int
    form: Form

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.form.channels


@dataclass(frozen=True)
class Survey:
    """What the headers of N images say.

    Args:
        sizes: int64 `(N, 2)`, height and width; 0 where damaged.
        modes: `(N,)` index into `forms`, -1 where damaged.
        damage: position -> reason.
        forms: that occur, the plain ones first, poorest first.
        cut: images of 16 bits in colour of which 8 are read.
        turned: images that are stored turned (EXIF) and set upright.
    """

    sizes: NDArray[np.int64]
    modes: NDArray[np.int64]
    damage: dict[int, str]
    forms: tuple[Form, ...] = PLAIN_FORMS
    cut: int = 0
    turned: int = 0


def survey(images: Iterable[tuple[str, Path | bytes | None]], count: int) -> Survey:
    """Read the header of each (name, image); None is an image that is missing.

    Raises:
        DataError: an image has neither 8 nor 16 bits a channel.
    """
    sizes = np.zeros((count, 2), dtype=np.int64)
    modes = np.full(count, -1, dtype=np.int64)
    forms = {form: number for number, form in enumerate(PLAIN_FORMS)}
    damage: dict[int, str] = {}
    total_cut = total_turned = 0
    for position, (name, image) in enumerate(images):
        if image is None:
            damage[position] = f"{name} is empty"
            continue
        try:
            height, width, form, cut, turned = _header(image, name)
        except DataError as error:
            if error.hint:  # not damaged, but of a kind that is not read: what to do stands there
                raise
            damage[position] = error.message
            continue
        total_cut += cut
        total_turned += turned
        sizes[position] = height, width
        modes[position] = forms.setdefault(form, len(forms))
    return Survey(sizes, modes, damage, tuple(forms), total_cut, total_turned)


def _header(image: Path | bytes, name: str) -> tuple[int, int, Form, bool, bool]:
    """Height, width, form, whether 16 bits are cut to 8, and whether it is stored turned."""
    if is_npy(image):
        return *npy_form(image, name), False, False
    if (deep := tiff_form(image, name)) is not None:
        return *deep, False, False
    with opened_image(image, name) as picture:
        cut = cut_to_8_bits(picture)
        header = ImageHeader.of(picture)
    if header.mode in GREY_MODES:
        return header.height, header.width, _GREY, False, header.turned
    mode = header.natural_mode(name)
    return header.height, header.width, Form(mode, len(CHANNELS[mode])), cut, header.turned


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
    form = _form(found, whole, options, notes, where=where)
    if found.turned:
        notes.append(f"{found.turned:,} images are stored turned or mirrored (EXIF) and were set upright")
    if found.cut and form.plain:
        notes.append(
            f"{found.cut:,} images are colour PNG of 16 bits a channel, of which 8 are read; TIFF or .npy keeps all 16"
        )
    return Frame(height, width, form), tuple(notes)


def _form(found: Survey, whole: NDArray[np.int64], options: DataConfig, notes: list[str], *, where: str) -> Form:
    """The richest form of plain images, or what is asked for; of others the one that all have."""
    numbers = found.modes[whole]
    counts = Counter(found.forms[number] for number in numbers.tolist())
    asked = {name: mode for mode, name in MODE_NAMES.items()}.get(options.image_mode)
    if not all(form.plain for form in counts):
        if len(counts) > 1:
            kinds = " and ".join(f"{count:,} {form.text}" for form, count in counts.most_common())
            raise DataError(
                f"{where} mixes {kinds} images; only 8-bit grey, RGB and RGBA are converted into each other",
                hint="Bring them to one kind: what 255 is on a 16-bit scale, only you know.",
            )
        form: Form = next(iter(counts))
        if asked is not None and len(CHANNELS[asked]) != form.channels:
            raise DataError(
                f"the images of {where} are {form.text} and are not converted to {options.image_mode}",
                hint="Leave data.image_mode at auto.",
            )
        return form
    chosen: Form = next((form for form in PLAIN_FORMS if form.mode == asked), found.forms[int(numbers.max())])
    changed = [f"{counts[other]:,} {other.text}" for other in PLAIN_FORMS if other != chosen and counts[other]]
    if changed:
        notes.append(f"of {len(whole):,} images, {' and '.join(changed)} were converted to {chosen.text}")
    return chosen


def fit(image: Image.Image | NDArray[Any], frame: Frame) -> Pixels:
    """An image as `(H, W, C)` of the frame: converted, cropped in the centre to its shape, resized (Lanczos).

    Raises:
        DataError: it is of another form, which is not converted.
    """
    if not frame.form.plain:
        return _fit_array(np.asarray(image), frame)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(_squeeze(image))
    if picture.mode != frame.form.mode:
        picture = picture.convert(frame.form.mode)
    pixels = np.asarray(_resized(picture, frame), dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _fit_array(pixels: NDArray[Any], frame: Frame) -> Pixels:
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    found = Form.of_array(pixels.shape[2], pixels.dtype)
    if found != frame.form:
        raise DataError(f"a {found.text} image among {frame.form.text} ones")
    if pixels.shape[:2] == (frame.height, frame.width):
        same: Pixels = pixels.astype(frame.form.dtype, copy=False)
        return same
    bands = [
        np.asarray(_resized(Image.fromarray(pixels[..., band].astype(np.float32)), frame))
        for band in range(pixels.shape[2])
    ]
    whole = np.rint(np.stack(bands, axis=2)).clip(0, 2**frame.form.bits - 1)
    result: Pixels = whole.astype(frame.form.dtype)
    return result


def _resized(picture: Image.Image, frame: Frame) -> Image.Image:
    if picture.size == (frame.width, frame.height):
        return picture
    scale = min(picture.width / frame.width, picture.height / frame.height)
    wide, high = frame.width * scale, frame.height * scale
    left, top = (picture.width - wide) / 2, (picture.height - high) / 2
    return picture.resize(
        (frame.width, frame.height), Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high)
    )


def _squeeze(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def decode(images: Sequence[tuple[str, Path | bytes | None]], frame: Frame) -> tuple[Pixels, dict[int, str]]:
    """Decode and fit (name, image) pairs: `(n, H, W, C)`, and position -> reason for those that are damaged."""
    pixels: Pixels = np.zeros((len(images), frame.height, frame.width, frame.channels), dtype=frame.form.dtype)
    damage: dict[int, str] = {}
    for position, (name, image) in enumerate(images):
        if image is None:
            damage[position] = f"{name} is empty"
            continue
        try:
            pixels[position] = fit(_load(image, name), frame)
        except DataError as error:
            damage[position] = error.message
    return pixels, damage


def _load(image: Path | bytes, name: str) -> Image.Image | Pixels:
    if is_npy(image):
        return read_npy(image, name)
    if tiff_form(image, name) is not None:
        return read_tiff(image, name)
    return load_image(image, name=name)
