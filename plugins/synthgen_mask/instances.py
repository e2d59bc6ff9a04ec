"""Masks as one file a thing: `masks/<image>/*.png`, or a folder an image with `images/` and `masks/` in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import ImageHeader, image_files, load_image, read_header
from synthgen_mask.classes import IGNORE, ClassTable, MaskClass, histogram, palette
from synthgen_mask.found import Found
from synthgen_mask.pairs import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    as_drawn_on,
    first_folder,
    inside_of,
    load_drawn_on,
    size_of,
)

__all__ = ["InstancePairs", "find_instances", "read_instances"]

_HALF = 128
_LOOKED_AT = 50


@dataclass(frozen=True)
class InstancePairs:
    """Images with the files of their things; what no file covers is background, id 0.

    Args:
        images: one file an image.
        things: the files of each image, later ones above earlier ones.
        ids: class id of each of them.
    """

    images: Sequence[Path]
    things: Sequence[Sequence[Path]]
    ids: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Path of the image."""
        return str(self.images[index])

    def image(self, index: int) -> Image.Image:
        """The decoded image."""
        return load_drawn_on(self.images[index], self._size(index))

    def mask(self, index: int) -> Image.Image:
        """The things laid over one another.

        Inside are, of grey values, 128 and more; of two values, such as 0 and 1, the larger; of a palette, all but
        index 0.

        Raises:
            DataError: the files of one image differ in size, or one shows nothing.
        """
        width, height = self._size(index)
        ids = np.zeros((height, width), np.uint8 if self._small else np.uint16)
        for file, identity in zip(self.things[index], self.ids[index], strict=True):
            inside = _inside(load_image(file), file)
            if inside.shape != ids.shape:
                raise DataError(
                    f"{file} has {inside.shape[1]} x {inside.shape[0]} pixels, its image {width} x {height}"
                )
            ids[inside] = identity
        return Image.fromarray(ids)

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """The image's file."""
        return self.name(index), self.images[index]

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Size and mode of the image; the mask has its size, which `mask` checks."""
        size = self._size(index)
        return as_drawn_on(read_header(self.images[index]), size), ImageHeader(*size, "L", False)

    def _size(self, index: int) -> tuple[int, int]:
        """Width and height of the image as its things are drawn on it."""
        header = read_header(self.images[index])
        if header.turned and self.things[index]:
            header = as_drawn_on(header, size_of(self.things[index][0]))
        return header.width, header.height

    @property
    def _small(self) -> bool:
        return max((identity for each in self.ids for identity in each), default=0) < 256


def _inside(picture: Image.Image, file: Path) -> NDArray[np.bool_]:
    """Which pixels the file of one thing marks.

    Raises:
        DataError: none, although not all is black; the message counts the values.
    """
    grey = np.asarray(picture if picture.mode == "P" or picture.mode.startswith("I") else picture.convert("L"))
    values = np.unique(grey)
    if picture.mode == "P" or len(values) == 1:
        inside = grey > 0
    else:
        inside = grey >= (values[1] if len(values) == 2 else _HALF)
    if not inside.any() and grey.any():
        raise DataError(
            f"{file} marks no pixel of its thing; pixels by value: {histogram(grey)}",
            hint="In the file of a thing, what belongs to it is white (128 to 255), or the larger of two values.",
        )
    return inside


def find_instances(path: Path) -> list[tuple[Path, Path]]:
    """Each image with the folder of its things, sorted; empty: this is another layout."""
    images, masks = first_folder(path, IMAGE_FOLDERS), first_folder(path, MASK_FOLDERS)
    if images is not None and masks is not None:
        folders = {child.name: child for child in masks.iterdir() if child.is_dir() and not child.name.startswith(".")}
        files = [file for file in sorted(images.iterdir()) if file.is_file() and not file.name.startswith(".")]
        loose = any(child.is_file() and child.name[0] not in "._" for child in masks.iterdir())
        if loose or not {file.stem for file in files} & set(folders):
            return []
        return [(file, folders.get(file.stem, masks / file.stem)) for file in files]
    found: list[tuple[Path, Path]] = []
    folders_inside = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    for number, child in enumerate(folders_inside):
        images, masks = child / "images", child / "masks"
        if not (images.is_dir() and masks.is_dir()):
            if number >= _LOOKED_AT or not found:
                return []
            continue
        inside = [file for file in sorted(images.iterdir()) if file.is_file() and not file.name.startswith(".")]
        if len(inside) != 1:
            return []
        found.append((inside[0], masks))
    return found if len(found) > 1 else []


def read_instances(path: Path, table: ClassTable | None) -> Found:
    """The pairs. A file whose name begins with a class of `classes.csv` is of that class; all others are foreground.

    Raises:
        DataError: links out of the folder, no things at all, or names of which only some begin with a class.
    """
    pairs = find_instances(path)
    images = [image for image, _ in pairs]
    things = [image_files(folder)[0] if folder.is_dir() else [] for _, folder in pairs]
    inside_of(path, [*images, *(file for each in things for file in each)])
    count = sum(map(len, things))
    if not count:
        raise DataError(f"{path} holds no masks of things")
    notes = [f"one file a thing: {count:,} things in {len(images):,} images, later files above earlier ones"]
    bare = sum(not each for each in things)
    if bare:
        notes.append(f"{bare:,} images have no thing and are background throughout")
    named = _by_name(table) if table is not None else {}
    ids = [[_id_of(file, named) for file in each] for each in things]
    known = [identity for each in ids for identity in each if identity is not None]
    if not named or not known:
        if table is None:
            named_classes = ("background", "foreground")
            table = ClassTable(tuple(MaskClass(i, name, palette(i)) for i, name in enumerate(named_classes)), {})
        fallback = next((entry.id for entry in table.classes if entry.id not in (0, IGNORE)), 1)
        ids = [[fallback] * len(each) for each in things]
    elif len(known) < count:
        stranger = next(
            f for each, row in zip(things, ids, strict=True) for f, i in zip(each, row, strict=True) if i is None
        )
        raise DataError(
            f"{count - len(known)} of {count} files begin with no class of classes.csv; the first is {stranger}",
            hint="Call the files <class>_<number>.png, or leave classes.csv away: then all are foreground.",
        )
    settled = [[int(identity or 0) for identity in each] for each in ids]
    return Found(InstancePairs(images, things, settled), table=_with_background(table), notes=notes)


def _by_name(table: ClassTable | None) -> Mapping[str, int]:
    return {} if table is None else {entry.name.casefold(): entry.id for entry in table.classes}


def _id_of(file: Path, named: Mapping[str, int]) -> int | None:
    """By the name of the file, `car_03.png`, or of the folder that it lies in, `car/03.png`."""
    stem = re.sub(r"[ _.-]*\d+$", "", file.stem).casefold()
    return named.get(stem, named.get(file.parent.name.casefold()))


def _with_background(table: ClassTable | None) -> ClassTable:
    assert table is not None
    if any(entry.id == 0 for entry in table.classes):
        return table
    return ClassTable((MaskClass(0, "background", palette(0)), *table.classes), table.colors)
