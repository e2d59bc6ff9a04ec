"""Images that Pillow has no 8-bit mode for: 16-bit grey, arrays that NumPy saved, and TIFF of many bands or 16 bits.

16-bit grey PNG and TIFF are Pillow's; `.npy` is read with its header checked first and never as a pickle; TIFF of
several channels of 16 bits, which Pillow refuses or cuts to 8, is read by tifffile where it is installed.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import MAX_PIXELS, opened_image
from synthgen_image.schema import Form, Pixels

__all__ = ["GREY_MODES", "cut_to_8_bits", "encode_npy", "is_npy", "npy_form", "read_npy", "read_tiff", "tiff_form"]

GREY_MODES = frozenset({"I;16", "I;16B", "I;16L"})
"""Pillow's modes of 16-bit grey."""

_NPY = b"\x93NUMPY"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SAMPLES_PER_PIXEL = 277
_MOST_CHANNELS = 1024
_DIMENSIONS = (2, 3)

Encoded = Path | bytes


def is_npy(image: Encoded) -> bool:
    """Whether it is an array that NumPy saved."""
    return _start(image).startswith(_NPY)


def cut_to_8_bits(image: Image.Image) -> bool:
    """Whether the file has 16 bits a channel of which Pillow would give 8 (colour PNG and TIFF)."""
    return image.mode not in GREY_MODES and any("16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def npy_form(image: Encoded, name: str) -> tuple[int, int, Form]:
    """Height, width and form by the header alone.

    Raises:
        DataError: not `(H, W)` or `(H, W, C)` of uint8 or uint16, too large, or shorter than it says.
    """
    with _opened(image) as file:
        shape, dtype, _ = _npy_header(file, name)
        length = file.seek(0, io.SEEK_END) if isinstance(image, bytes) else Path(image).stat().st_size
    if math.prod(shape) * dtype.itemsize > length:
        raise DataError(f"{name} is shorter than its header says")
    return shape[0], shape[1], Form.of_array(shape[2] if len(shape) > 2 else 1, dtype)


def read_npy(image: Encoded, name: str) -> Pixels:
    """The array as `(H, W, C)`.

    Raises:
        DataError: see `npy_form`.
    """
    npy_form(image, name)
    try:
        with _opened(image) as file:
            pixels: NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{name} is a damaged array: {error}") from error
    return _native(pixels if pixels.ndim > 2 else pixels[..., None])


def encode_npy(pixels: Pixels) -> bytes:
    """`(H, W, C)` as the bytes of an `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels), allow_pickle=False)
    return buffer.getvalue()


def tiff_form(image: Encoded, name: str) -> tuple[int, int, Form] | None:
    """Height, width and form of a TIFF that Pillow cannot give whole; None for every other file.

    Raises:
        DataError: tifffile is needed and not installed, or the values are not uint8 or uint16.
    """
    if not _start(image).startswith(_TIFF):
        return None
    try:
        with opened_image(image, name) as picture:
            if not cut_to_8_bits(picture) and not _more_than_one_band(picture):
                return None
    except DataError:
        pass
    _, shape, dtype = _series(image, name)
    return shape[0], shape[1], Form.of_array(shape[2], dtype)


def read_tiff(image: Encoded, name: str) -> Pixels:
    """The first picture of a TIFF as `(H, W, C)`.

    Raises:
        DataError: see `tiff_form`; damaged, or compressed in a way that tifffile does not know.
    """
    axis, shape, _ = _series(image, name)
    tifffile = _tifffile(name)
    try:
        with _opened(image) as file, tifffile.TiffFile(file) as tiff:
            pixels: NDArray[Any] = tiff.series[0].asarray()
    except Exception as error:  # decoders raise what they like on damaged input
        raise DataError(f"{name} cannot be decoded: {error}") from error
    return _native((pixels[..., None] if axis is None else np.moveaxis(pixels, axis, 2)).reshape(shape))


def _more_than_one_band(picture: Image.Image) -> bool:
    """Whether Pillow would give the first of several bands: further planes, or 16-bit pages after the first."""
    samples = getattr(picture, "tag_v2", {}).get(_SAMPLES_PER_PIXEL, 1)
    pages = getattr(picture, "n_frames", 1) if picture.mode in GREY_MODES else 1
    return pages > 1 or (samples > 1 and picture.mode in ("L", *GREY_MODES))


def _series(image: Encoded, name: str) -> tuple[int | None, tuple[int, int, int], np.dtype[Any]]:
    """Which axis has the channels (None: there is one channel without), shape `(H, W, C)` and type of a TIFF."""
    tifffile = _tifffile(name)
    try:
        with _opened(image) as file, tifffile.TiffFile(file) as tiff:
            shape, axes, dtype = tiff.series[0].shape, tiff.series[0].axes, np.dtype(tiff.series[0].dtype)
    except Exception as error:
        raise DataError(f"{name} is a damaged image: {error}") from error
    if len(shape) not in _DIMENSIONS or "Y" not in axes or "X" not in axes:
        raise DataError(f"{name} has the axes {axes} of {shape}; expected height, width and at most bands")
    axis = next((position for position, letter in enumerate(axes) if letter not in "YX"), None)
    whole = (shape[axes.index("Y")], shape[axes.index("X")], 1 if axis is None else shape[axis])
    _check(whole, dtype, name)
    return axis, whole, dtype


def _tifffile(name: str) -> Any:
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise DataError(
            f"{name} is a TIFF of 16 bits in several channels, which Pillow cannot read",
            hint="pip install 'synthgen[tiff]', or save the images as .npy (H, W, C) or one .npz (N, H, W, C).",
        ) from error
    return tifffile


def _npy_header(file: io.BufferedIOBase, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{name} is a damaged array: {error}") from error
    _check(shape, dtype, name)
    return shape, dtype, fortran


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind != "u" or dtype.itemsize > np.dtype(np.uint16).itemsize:
        raise DataError(
            f"{name} holds {dtype}; images are uint8 or uint16",
            hint="Scale the values to whole numbers from 0 to 65535 first.",
        )
    if len(shape) not in _DIMENSIONS or min(shape) < 1 or (len(shape) > 2 and shape[2] > _MOST_CHANNELS):
        raise DataError(f"{name} has shape {shape}; an image is (H, W) or (H, W, C), C at most {_MOST_CHANNELS}")
    if math.prod(shape) > MAX_PIXELS:
        raise DataError(f"{name} has {math.prod(shape):,} values, more than the {MAX_PIXELS:,} allowed")


def _native(pixels: NDArray[Any]) -> Pixels:
    result: Pixels = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
    return result


def _start(image: Encoded) -> bytes:
    if isinstance(image, bytes):
        return image[: len(_NPY)]
    try:
        if not image.is_file():
            return b""
        with image.open("rb") as file:
            return file.read(len(_NPY))
    except OSError:
        return b""  # whoever opens it next says why


def _opened(image: Encoded) -> io.BufferedIOBase:
    return io.BytesIO(image) if isinstance(image, bytes) else image.open("rb")
