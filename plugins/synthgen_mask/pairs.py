"""Images and their masks as pairs: found in folders by name, or as the rows of Parquet files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import ImageHeader, image_files, load_image, read_header
from synthgen.io.parquet import ParquetRows

__all__ = [
    "FilePairs",
    "Pairs",
    "Part",
    "RowPairs",
    "find_parts",
    "match_files",
    "read_metadata",
]

_IMAGE_FOLDERS = ("images", "image", "imgs", "JPEGImages")
_MASK_FOLDERS = ("masks", "mask", "labels", "annotations", "SegmentationClass")
_MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_label")
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

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Size and mode of the image and of the mask, from their first bytes alone."""
        ...


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
        return load_image(self.images[index])

    def mask(self, index: int) -> Image.Image:
        """The decoded mask."""
        return load_image(self.masks[index])

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Sizes and modes."""
        return read_header(self.images[index]), read_header(self.masks[index])


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
        return load_image(self._bytes(index, "image"), name=f"{self.name(index)}, image")

    def mask(self, index: int) -> Image.Image:
        """The decoded mask."""
        return load_image(self._bytes(index, "mask"), name=f"{self.name(index)}, mask")

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Sizes and modes."""
        image, mask = (read_header(self._bytes(index, c), name=f"{self.name(index)}, {c}") for c in ("image", "mask"))
        return image, mask

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
    mixed = [file for file in path.iterdir() if file.is_file() and file.stem.endswith(_MASK_ENDINGS)]
    return [Part(path, path, path)] if mixed else []


def _part(folder: Path, split: str | None) -> Part | None:
    images = next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in _MASK_FOLDERS if (folder / name).is_dir()), None)
    if images is None or masks is None:
        return None
    return Part(folder, images, masks, split)


def match_files(part: Part) -> FilePairs:
    """Each image with the mask of the same name (or with `_mask` after it), sorted.

    Raises:
        DataError: an empty folder, an image without a mask or the reverse, or two files of one name.
    """
    images, masks = (_by_stem(folder) for folder in (part.images, part.masks))
    if part.images == part.masks:
        masks = {stem: file for stem, file in masks.items() if file.stem.endswith(_MASK_ENDINGS)}
        images = {stem: file for stem, file in images.items() if stem not in masks}
    for stem in [stem for stem in masks if stem not in images]:
        ending = next((ending for ending in _MASK_ENDINGS if stem.endswith(ending)), None)
        if ending is not None and stem.removesuffix(ending) not in masks:
            masks[stem.removesuffix(ending)] = masks.pop(stem)
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
                hint=f"{folder} needs a file of the same name for each (an ending such as _mask is understood).",
            )
    stems = sorted(images)
    return FilePairs([images[stem] for stem in stems], [masks[stem] for stem in stems])


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in image_files(folder)[0]:
        stem = file.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise DataError(f"{found[stem]} and {file.name} have one name: which of them is meant?")
        found[stem] = file
    return found


def read_metadata(part: Part) -> dict[str, dict[str, str]]:
    """Rows of `metadata.csv` or `metadata.jsonl` by image name without ending; empty where there is no such file.

    Raises:
        DataError: the file cannot be read, or has no column `file_name`.
    """
    candidates = [folder / name for folder in (part.folder, part.images) for name in ("metadata.jsonl", "metadata.csv")]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = list(csv.DictReader(text.splitlines()))
        named = [(Path(str(row["file_name"])).stem, row) for row in rows]
    except KeyError as error:
        raise DataError(f"{path} has no column file_name") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return {stem: {str(key): str(value) for key, value in row.items()} for stem, row in named}
