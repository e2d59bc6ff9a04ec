"""Reads images from NumPy `.npz`: X, x or images, with y or labels; or Keras's x_train, y_train, x_test, y_test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.npz import Archive
from synthgen_image.collection import Collection, annotated_source
from synthgen_image.frame import Survey, choose_frame, fit
from synthgen_image.labels import Labels, check_column, read_labels
from synthgen_image.schema import PLAIN_FORMS, Form, Pixels

__all__ = ["NpzReader"]

_IMAGES = ("X", "x", "images", "image", "data", "x_train", "X_train")
_LABELS = ("y", "Y", "labels", "label", "target", "targets", "y_train", "Y_train")
_USUAL = (1, 3, 4)
_NARROW, _WIDE = 255, 65535


class NpzReader:
    """Images `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, uint8, uint16, or numbers in 0..1, 0..255, 0..65535."""

    def accepts(self, path: Path) -> bool:
        """A file that ends in .npz."""
        return path.is_file() and path.suffix.lower() == ".npz"

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: damaged, no array of images or labels, wrong shapes or values.
        """
        arrays = Archive(path)
        key = next((name for name in _IMAGES if name in arrays.names), None)
        if key is None:
            raise DataError(
                f"{path} has no array of images ({', '.join(_IMAGES[:3])}); its arrays are {', '.join(arrays.names)}"
            )
        label_key = options.label_column or next((name for name in _LABELS if name in arrays.names), None)
        if label_key is not None:
            check_column(label_key, arrays.names, str(path), key="label_column")
        images, values, split, notes = _together(arrays, key, label_key)
        placed, where_channels = _channels_last(images, f"{key} of {path}")
        pixels, more = _to_pixels(placed, f"{key} of {path}")
        more = (*where_channels, *more)
        if values is not None and values.ndim == 2 and values.shape[1] > 1:
            values = _one_hot(values, f"{label_key} of {path}")
            more = (*more, f"{label_key} is one-hot and became class numbers")
        labels = None if values is None else _labels(values, len(pixels), f"{label_key} of {path}")
        groups = arrays.each(options.group_column, len(pixels)) if options.group_column else None
        size, height, width, channels = pixels.shape
        form = Form.of_array(channels, pixels.dtype)
        forms = tuple(dict.fromkeys((*PLAIN_FORMS, form)))
        found = Survey(np.tile([height, width], (size, 1)), np.full(size, forms.index(form)), {}, forms)
        frame, framed = choose_frame(found, options, where=str(path))
        if (height, width, channels) != (frame.height, frame.width, frame.channels):
            pixels = np.stack([fit(image, frame) for image in pixels]).astype(form.dtype, copy=False)
        collection = Collection(
            where=str(path),
            size=size,
            every=lambda: [],
            fetch=lambda _: [],
            label_column=options.label_column or "label",
            groups=groups,
            official_split=split,
            attributes=_attributes(arrays, options, size),
            captions=options.caption_columns,
            text_encoder=options.text_encoder,
        )
        kept = np.arange(size)
        return annotated_source(collection, frame, kept, labels, (*notes, *more, *framed), pixels=pixels)


def _attributes(arrays: Archive, options: DataConfig, size: int) -> dict[str, list[Any]]:
    """The arrays that `data.attributes` names: a cell an image, or `(N, K)` of 0 and 1 as members 0 to K - 1."""
    cells: dict[str, list[Any]] = {}
    for name in options.told_columns:
        check_column(name, arrays.names, str(arrays.path), key="attributes")
        values = arrays.load(name)
        if len(values) != size or values.ndim > 2:
            raise DataError(f"{name} of {arrays.path} has shape {values.shape} for {size:,} images")
        cells[name] = [np.flatnonzero(row).tolist() for row in values] if values.ndim == 2 else values.tolist()
    return cells


def _together(
    arrays: Archive, key: str, label_key: str | None
) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None, tuple[str, ...]]:
    """Images, labels, official split and notes; a train part is joined with its test part."""
    images = arrays.load(key)
    labels = None if label_key is None else arrays.load(label_key)
    other = key.replace("train", "test")
    if other == key or other not in arrays.names:
        return (
            images,
            labels,
            None,
            () if labels is not None else (f"no labels: no array {', '.join(_LABELS[:4])}",),
        )
    test = arrays.load(other)
    split = np.repeat(["train", "test"], [len(images), len(test)])
    if images.shape[1:] != test.shape[1:]:
        raise DataError(f"{key} and {other} of {arrays.path} differ in shape: {images.shape}, {test.shape}")
    if labels is not None and label_key is not None:
        other_labels = label_key.replace("train", "test")
        check_column(other_labels, arrays.names, str(arrays.path), key="label_column")
        parts = [_flat(labels), _flat(arrays.load(other_labels))]
        if parts[0].shape[1:] != parts[1].shape[1:]:
            raise DataError(f"{label_key} and {other_labels} of {arrays.path} differ in shape")
        labels = np.concatenate(parts)
    return np.concatenate([images, test]), labels, split, ("the file's own train/test split is kept",)


def _channels_last(images: NDArray[Any], where: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """`(N, H, W, C)`: the channels are the axis of size 1, 3 or 4, else the shorter one of the second and the last."""
    if images.ndim == 3:
        return images[..., None], ()
    if images.ndim != 4 or not images.size:
        raise DataError(
            f"{where} has shape {images.shape}; images are (N, H, W), (N, H, W, C) or (N, C, H, W)",
            hint="Flat vectors must be reshaped to images first.",
        )
    first, last = images.shape[1], images.shape[3]
    if last in _USUAL or first in _USUAL:
        return (images, ()) if last in _USUAL else (np.moveaxis(images, 1, 3), ())
    if last <= first:
        return images, (f"the last axis, of {last}, is taken as the channels",)
    return np.moveaxis(images, 1, 3), (f"the second axis, of {first}, is taken as the channels",)


def _to_pixels(images: NDArray[Any], where: str) -> tuple[Pixels, tuple[str, ...]]:
    """uint8 and uint16 as they are; other numbers as 8 bits where they fit, else as 16."""
    if images.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(images.astype(images.dtype.newbyteorder("="), copy=False)), ()
    if images.dtype == bool:
        return images.astype(np.uint8) * np.uint8(_NARROW), ("the images are true/false and became 0/255",)
    if not np.issubdtype(images.dtype, np.integer) and not np.issubdtype(images.dtype, np.floating):
        raise DataError(f"{where} holds {images.dtype}, not numbers")
    if not images.size or not np.isfinite(images).all():
        raise DataError(f"{where} is empty or holds values that are not finite")
    low, high = images.min(), images.max()
    if low < 0 or high > _WIDE:
        raise DataError(
            f"{where} holds values from {low} to {high}; images have 8 or 16 bits a channel, 0 to {_WIDE}",
            hint="Scale the images to 0..255 (or 0..1), or to 0..65535, first.",
        )
    if np.issubdtype(images.dtype, np.floating) and high <= 1:
        return np.rint(images * _NARROW).astype(np.uint8), ("values 0..1 became 0..255",)
    notes = () if high <= _NARROW else (f"values up to {high:g} ({images.dtype}) are kept at 16 bits",)
    whole: Pixels = np.rint(images).astype(np.uint8 if high <= _NARROW else np.uint16)
    exact = np.array_equal(whole, images)
    return whole, notes if exact else (*notes, f"values were rounded to whole numbers 0..{np.iinfo(whole.dtype).max}")


def _flat(labels: NDArray[Any]) -> NDArray[Any]:
    """`(N,)`, or `(N, K)` of one-hot rows."""
    return labels if labels.ndim == 2 and labels.shape[1] > 1 else labels.ravel()


def _one_hot(values: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Which entry of each row is 1.

    Raises:
        DataError: rows with more or fewer than one 1 among zeros.
    """
    if not np.isin(values, (0, 1)).all() or not (values.sum(1) == 1).all():
        raise DataError(
            f"{where} has shape {values.shape}, and its rows are not one-hot: labels are one class an image",
            hint="Several names an image are attributes: give the array another name and name it in data.attributes.",
        )
    return np.asarray(values.argmax(1), dtype=np.int64)


def _labels(values: NDArray[Any], size: int, where: str) -> Labels:
    if values.size != size:
        raise DataError(f"{where} has {values.size:,} labels for {size:,} images")
    flat = values.ravel()
    column = pa.array([str(value) for value in flat]) if flat.dtype.kind in "US" else pa.array(flat)
    return read_labels(pa.chunked_array([column]), where=where)
