"""Images and their masks as pairs: found in folders by name, or as the rows of Parquet files."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import IMAGE_SUFFIXES, ImageHeader, image_files, load_image, read_header
from synthgen.io.parquet import ParquetRows

__all__ = [
    "IMAGE_FOLDERS",
    "MASK_FOLDERS",
    "FilePairs",
    "Pairs",
    "Part",
    "RowPairs",
    "as_drawn_on",
    "find_parts",
    "first_folder",
    "inside_of",
    "load_drawn_on",
    "match_files",
    "read_metadata",
    "size_of",
]

IMAGE_FOLDERS = ("images", "image", "imgs", "JPEGImages")
"""Names of folders that hold images, the likeliest first."""
MASK_FOLDERS = ("masks", "mask", "labels", "annotations", "SegmentationClass")
"""Names of folders that hold masks."""
_MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_label", "_labels", "_gt", "_segmentation")
_ENDING = re.compile(r"(.+?)([_.-][A-Za-z]+)")
_PARTS = ("train", "val", "test")


class Pairs(Protocol):
    """Images with their masks, by position."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """How errors call the pair."""
        ...

    def image(self, index: int) -> Image.Image:
        """The decoded image."""
        ...

    def mask(self, index: int) -> Image.Image:
        """The decoded mask."""
        ...

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """What to call the image, and its file or encoded bytes."""
        ...

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Size and mode of the image and of the mask, from their first bytes alone."""
        ...


def size_of(source: Path | bytes, *, name: str | None = None) -> tuple[int, int]:
    """Width and height of an image file, upright."""
    header = read_header(source, name=name)
    return header.width, header.height


def as_drawn_on(image: ImageHeader, size: tuple[int, int]) -> ImageHeader:
    """The header of an image as its mask was drawn on it: upright, or as the camera stored it if only that fits.

    Args:
        image: its header.
        size: width and height of the mask.
    """
    stored = (image.height, image.width)
    if not image.turned or stored != size or stored == stored[::-1]:
        return image
    return replace(image, width=size[0], height=size[1], turned=False)


def load_drawn_on(source: Path | bytes, size: tuple[int, int], *, name: str | None = None) -> Image.Image:
    """The image as its mask was drawn on it, see `as_drawn_on`."""
    picture = load_image(source, name=name)
    return load_image(source, name=name, as_stored=True) if picture.size == size[::-1] != size else picture


@dataclass(frozen=True)
class FilePairs:
    """Pairs of files.

    Args:
        images, masks: files, in the same order.
    """

    images: Sequence[Path]
    masks: Sequence[Path]

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Path of the image."""
        return str(self.images[index])

    def image(self, index: int) -> Image.Image:
        """The decoded image."""
        return load_drawn_on(self.images[index], size_of(self.masks[index]))

    def mask(self, index: int) -> Image.Image:
        """The decoded mask."""
        return load_image(self.masks[index])

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """The image's file."""
        return self.name(index), self.images[index]

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Sizes and modes."""
        mask = read_header(self.masks[index])
        return as_drawn_on(read_header(self.images[index]), (mask.width, mask.height)), mask


class RowPairs:
    """Pairs in the columns `image` and `mask` of Parquet files.

    Args:
        rows: of the files.
    """

    def __init__(self, rows: ParquetRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        """File and row."""
        path, row = self._rows.position(index)
        return f"{path}, row {row}"

    def image(self, index: int) -> Image.Image:
        """The decoded image."""
        name = f"{self.name(index)}, image"
        return load_drawn_on(self._bytes(index, "image"), size_of(self._bytes(index, "mask"), name=name), name=name)

    def mask(self, index: int) -> Image.Image:
        """The decoded mask."""
        return load_image(self._bytes(index, "mask"), name=f"{self.name(index)}, mask")

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """The image's bytes."""
        return self.name(index), self._bytes(index, "image")

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Sizes and modes."""
        image, mask = (read_header(self._bytes(index, c), name=f"{self.name(index)}, {c}") for c in ("image", "mask"))
        return as_drawn_on(image, (mask.width, mask.height)), mask

    def _bytes(self, index: int, column: str) -> bytes:
        value = self._rows.read(np.array([index]), ["image", "mask"]).column(column)[0].as_py()
        raw = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(raw, bytes):
            raise DataError(f"{self.name(index)}: column {column} holds no image bytes")
        return raw


@dataclass(frozen=True)
class Part:
    """A folder of images beside a folder of masks; `split` is train or test where the data set says so."""

    folder: Path
    images: Path
    masks: Path
    split: str | None = None


def find_parts(path: Path) -> list[Part]:
    """The image and mask folders of a data set: directly in `path`, in `train`/`val`/`test`, or one mixed folder."""
    direct = _part(path, None)
    if direct is not None:
        return [direct]
    parts = [part for split in _PARTS if (part := _part(path / split, "test" if split == "test" else "train"))]
    if parts:
        return (
            parts if any(part.split == "test" for part in parts) else [Part(p.folder, p.images, p.masks) for p in parts]
        )
    return [Part(path, path, path)] if _ending_in(path) else []


def first_folder(path: Path, names: Sequence[str]) -> Path | None:
    """The first folder in `path` that has one of the names."""
    return next((path / name for name in names if (path / name).is_dir()), None)


def _part(folder: Path, split: str | None) -> Part | None:
    images, masks = first_folder(folder, IMAGE_FOLDERS), first_folder(folder, MASK_FOLDERS)
    if images is None or masks is None:
        return None
    return Part(folder, images, masks, split)


def _ending_in(path: Path) -> str:
    """What half of a folder's images have after the name of another one; empty: nothing."""
    stems = {file.stem for file in path.iterdir() if file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES}
    endings: Counter[str] = Counter()
    for stem in stems:
        match = _ENDING.fullmatch(stem)
        if match is not None and match[1] in stems:
            endings[match[2]] += 1
    likely = [ending for ending in endings if ending in _MASK_ENDINGS or 2 * endings[ending] == len(stems)]
    lone = next((end for end in _MASK_ENDINGS if any(stem.endswith(end) for stem in stems)), "")
    return max(likely, key=lambda ending: endings[ending], default=lone)


def match_files(part: Part, suffix: str = "") -> FilePairs:
    """Each image with the mask of the same name (or with `_mask` or the like after it), sorted.

    Args:
        part: the folders.
        suffix: what the masks' names have after the images'; empty: guessed.

    Raises:
        DataError: an empty folder, an image without a mask or the reverse, two files of one name, links out of it.
    """
    images, masks = (_by_stem(folder) for folder in (part.images, part.masks))
    endings = (suffix,) if suffix else _MASK_ENDINGS
    if part.images == part.masks:
        ending = suffix or _ending_in(part.images)
        endings = (ending,)
        masks = {stem: file for stem, file in masks.items() if stem.endswith(ending)}
        images = {stem: file for stem, file in images.items() if stem not in masks}
    if suffix:
        masks = {stem: file for stem, file in masks.items() if stem.endswith(suffix)}
    for stem in [stem for stem in masks if suffix or stem not in images]:
        found = next((ending for ending in endings if stem.endswith(ending)), None)
        if found is not None and stem.removesuffix(found) not in masks:
            masks[stem.removesuffix(found)] = masks.pop(stem)
    if not images and not masks:
        raise DataError(f"{part.images} and {part.masks} hold no image files")
    alone = sorted(set(images) - set(masks)), sorted(set(masks) - set(images))
    for missing, what, other, folder in (
        (alone[0], "images", "mask", part.masks),
        (alone[1], "masks", "image", part.images),
    ):
        if missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataError(
                f"{len(missing)} {what} of {part.folder} have no {other}: {shown}",
                hint=f"{folder} needs a file of the same name for each (endings such as _mask are understood; "
                "data.mask_suffix names another).",
            )
    stems = sorted(images)
    files = [[side[stem] for stem in stems] for side in (images, masks)]
    return FilePairs(*(inside_of(part.folder, side) for side in files))


def inside_of(root: Path, files: Sequence[Path]) -> Sequence[Path]:
    """The same files, none of which leads out of the folder through a link.

    Raises:
        DataError: naming the first that does.
    """
    home = root.resolve()
    for file in files:
        try:
            inside = file.resolve().is_relative_to(home)
        except (OSError, RuntimeError) as error:  # a link to itself
            raise DataError(f"{file} is a link that cannot be followed: {error}") from error
        if not inside:
            raise DataError(
                f"{file} is a link that leads out of {root}, and is not followed",
                hint="Copy the files into the folder, or open the folder that holds both.",
            )
    return files


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in image_files(folder)[0]:
        stem = file.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise DataError(f"{found[stem]} and {file.name} have one name: which of them is meant?")
        found[stem] = file
    return found


def read_metadata(part: Part, images: Sequence[Path]) -> list[dict[str, str]]:
    """The row of each image in `metadata.csv` or `metadata.jsonl`; empty rows where there is no such file or line.

    A `file_name` is relative to the data set or to its images, its ending does not matter, and a bare name is enough
    where only one image has it.

    Raises:
        DataError: the file cannot be read, or has no column `file_name`.
    """
    candidates = [folder / name for folder in (part.folder, part.images) for name in ("metadata.jsonl", "metadata.csv")]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return [{} for _ in images]
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = list(csv.DictReader(text.splitlines()))
        named = {_plain(str(row["file_name"])): {str(key): str(value) for key, value in row.items()} for row in rows}
    except KeyError as error:
        raise DataError(f"{path} has no column file_name") from error
    except (OSError, ValueError, RecursionError, TypeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    stems = Counter(image.stem for image in images)
    bare = {PurePosixPath(name).name: row for name, row in named.items()}

    def row_of(image: Path) -> dict[str, str]:
        names = [_plain(image.relative_to(folder).as_posix()) for folder in (part.folder, part.images)]
        known = next((named[name] for name in names if name in named), None)
        return known or (bare.get(image.stem, {}) if stems[image.stem] == 1 else {})

    return [row_of(image) for image in images]


def _plain(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).with_suffix("").as_posix()
