"""Masks without images, and images without masks: what `generate --masks` and `synthgen label` start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen import registry
from synthgen.api import Records, Schema, Source
from synthgen.config import DataConfig
from synthgen.data.opening import alike, open_source
from synthgen.data.source import LazySource
from synthgen.errors import DataError, UsageError
from synthgen.io.folder import image_files, load_image
from synthgen_mask.classes import IGNORE, classes_of, find_class_table, index_masks, read_class_table
from synthgen_mask.foreign import renumbered
from synthgen_mask.grey import looks_smoothed, threshold
from synthgen_mask.pairs import IMAGE_FOLDERS, MASK_FOLDERS, first_folder
from synthgen_mask.pixels import mask_ids, resize_image, resize_mask

__all__ = ["open_part"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_LOOKED_AT = 50


def open_part(options: DataConfig, schema: Schema, part: str) -> Source:
    """Records of which the images, or the masks, are as they are found, and the other is left blank.

    Args:
        options: `path` is a whole data set of images and masks, or files of one kind alone: a folder of them, or one
            that holds them under a usual name (`masks/`, `images/`).
        schema: of the run; files of another size are resized, masks by nearest neighbour.
        part: `image` or `mask`.

    Raises:
        DataError: unreadable files, another shape than the run's, or class ids that the run does not know.
        UsageError: another part.
    """
    if part not in ("image", "mask"):
        raise UsageError(f"records of images and masks have no part {part}", hint="Its parts are image and mask.")
    path = Path(options.path).expanduser()
    alone = path.is_dir() and not registry.accepting(path, "mask")
    source = _files(path, schema, part) if alone else open_source("mask", options)
    if part == "mask":
        source = alike(source, schema)
    if source.schema.shape[1:] != schema.shape[1:]:
        raise DataError(
            f"{path} holds records of {source.schema.shape[2]} x {source.schema.shape[1]} pixels, "
            f"the run's are {schema.shape[2]} x {schema.shape[1]}"
        )

    def load(indices: NDArray[np.int64]) -> Records:
        records = source.read(indices)
        if part == "image":
            return replace(records, columns={**records.columns, "mask": np.full_like(records["mask"], IGNORE)})
        index_masks(records["mask"], classes_of(schema))
        return replace(records, columns={**records.columns, "image": np.zeros_like(records["image"])})

    names = getattr(source, "names", None)
    return LazySource(source.schema, len(source), load, labels=source.labels, notes=source.notes, names=names)


def _files(path: Path, schema: Schema, part: str) -> Source:
    """Files of one kind."""
    folder = first_folder(path, MASK_FOLDERS if part == "mask" else IMAGE_FOLDERS) or path
    files, _ = image_files(folder)
    if not files:
        raise DataError(f"{folder} holds no image files")
    height, width = schema.shape[1:]
    bands = len(schema.channels) - 1
    read, notes = _mask_reader(files, path, schema) if part == "mask" else (None, ())

    def load(indices: NDArray[np.int64]) -> Records:
        images = np.zeros((len(indices), height, width, bands), np.uint8)
        masks = np.full((len(indices), height, width), IGNORE, np.uint16)
        for row, index in enumerate(indices):
            picture = load_image(files[int(index)])
            _check_shape(picture, files[int(index)], height, width)
            if read is None:
                images[row] = resize_image(picture, _MODES[bands], (height, width))
            else:
                masks[row] = resize_mask(read(picture, files[int(index)]).astype(np.uint16), (height, width))
        narrow = max(entry.id for entry in classes_of(schema)) <= IGNORE
        return Records({"image": images, "mask": masks.astype(np.uint8) if narrow else masks})

    found = LazySource(replace(schema, labels=()), len(files), load, notes=notes)
    found.names = [file.relative_to(path).as_posix() for file in files]
    return found


def _mask_reader(
    files: Sequence[Path], path: Path, schema: Schema
) -> tuple[Callable[[Image.Image, Path], NDArray[np.integer]], tuple[str, ...]]:
    """What reads a mask file as ids of the run, and notes.

    Colours and names are those of the folder's `classes.csv`, where it has one, else the run's. Of a run with two
    classes, 255 is the second where no table says otherwise, and soft edges are parted as in its training data.
    """
    classes = classes_of(schema)
    beside = find_class_table(path)
    table = None if beside is None else read_class_table(beside)
    colors = {entry.color: entry.id for entry in classes} if table is None else table.colors
    binary = [entry.id for entry in classes] == [0, 1] and (table is None or table.binary)
    notes: list[str] = []
    cut = 0
    if binary:
        some = [files[k] for k in np.linspace(0, len(files) - 1, min(len(files), _LOOKED_AT)).astype(int)]
        values = np.concatenate([mask_ids(load_image(file), colors, name=str(file)).ravel() for file in some])
        cut = threshold(values[None], notes) if looks_smoothed(values) else 0
    own = classes if table is None else table.classes

    def read(picture: Image.Image, file: Path) -> NDArray[np.integer]:
        ids = mask_ids(picture, colors, name=str(file))
        if cut:
            return (ids >= cut).astype(np.uint16)
        if binary and set(np.unique(ids).tolist()) <= {0, IGNORE}:
            return (ids > 0).astype(np.uint16)
        return renumbered(ids, own, classes, name=str(file))

    return read, tuple(notes)


def _check_shape(picture: Image.Image, file: Path, height: int, width: int) -> None:
    if abs(picture.width * height - picture.height * width) > max(picture.size):
        raise DataError(
            f"{file} is {picture.width} x {picture.height}, the run's records are {width} x {height}",
            hint="Another size is resized, another shape is not: cut the files first.",
        )
