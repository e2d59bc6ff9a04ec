"""Pairs that a text file lists, an image and its mask a line, and trees in the manner of PASCAL VOC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from synthgen.errors import DataError
from synthgen.io.folder import IMAGE_SUFFIXES, image_files, safe_join
from synthgen_mask.found import Found, official
from synthgen_mask.pairs import FilePairs, Part, inside_of, read_metadata

__all__ = ["is_listing", "listings_in", "read_listings", "read_voc", "voc_lists"]

_ENDINGS = frozenset({".txt", ".csv", ".tsv", ".lst"})
_NAMES = ("pairs", "train", "val", "test")
_LOOKED_AT = 1 << 12
_LISTS = ("ImageSets", "Segmentation")


def is_listing(path: Path) -> bool:
    """Whether a file's first line names two images."""
    if not path.is_file() or path.suffix.lower() not in _ENDINGS:
        return False
    with path.open("rb") as handle:
        head = handle.read(_LOOKED_AT).decode("utf-8-sig", errors="replace")
    lines = [line for line in head.splitlines() if line.strip()]
    return any(_are_images(_cells(line)) for line in lines[:2])


def listings_in(folder: Path) -> list[Path]:
    """The lists `pairs`, or `train`, `val` and `test`, of a folder."""
    found = [folder / f"{name}{ending}" for name in _NAMES for ending in sorted(_ENDINGS)]
    return [path for path in found if is_listing(path)]


def read_listings(lists: Sequence[Path]) -> Found:
    """The pairs of the lists, whose paths are relative to the folder of the list.

    An absolute path of another machine is looked for below that folder, by its last parts.

    Raises:
        DataError: a line that does not name two images, a file that is missing, a path out of the folder.
    """
    images: list[Path] = []
    masks: list[Path] = []
    splits: list[str] = []
    for path in lists:
        before = len(images)
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            cells = _cells(line)
            if not _are_images(cells):
                if number == 1:
                    continue  # a header
                raise DataError(
                    f"{path}, line {number}: {line[:80]!r} does not name an image and its mask",
                    hint="Each line has two paths relative to the list's folder: image, then mask.",
                )
            image, mask = (_file(path.parent, cell, f"{path}, line {number}") for cell in cells[:2])
            images.append(image)
            masks.append(mask)
        splits += ["test" if path.stem == "test" else "train"] * (len(images) - before)
    if not images:
        raise DataError(f"{lists[0]} lists no pairs")
    named = ", ".join(path.name for path in lists)
    return Found(FilePairs(images, masks), split=official(splits), notes=[f"pairs as listed in {named}"])


def voc_lists(path: Path) -> list[Path]:
    """The lists `ImageSets/Segmentation/*.txt` of a VOC tree; empty: it is none."""
    folder = path.joinpath(*_LISTS)
    if not ((path / "JPEGImages").is_dir() and (path / "SegmentationClass").is_dir() and folder.is_dir()):
        return []
    return [
        folder / f"{name}.txt" for name in ("train", "val", "test", "trainval") if (folder / f"{name}.txt").is_file()
    ]


def read_voc(path: Path) -> Found:
    """The images that the lists name, with their masks; `train` trains and `val` tests, as everybody does with VOC.

    Raises:
        DataError: a listed image or mask is missing, a name that leads out of the tree, no list that names anything.
    """
    lists = voc_lists(path)
    if len(lists) > 1:
        lists = [each for each in lists if each.stem != "trainval"]
    images, masks = (
        {file.stem: file for file in image_files(path / name)[0]} for name in ("JPEGImages", "SegmentationClass")
    )
    chosen: dict[str, str] = {}
    unlabelled = 0
    for each in lists:
        for number, line in enumerate(_lines(each), start=1):
            stem = line.split()[0] if line.split() else ""
            if not stem or stem in chosen:
                continue
            safe_join(path / "JPEGImages", stem)
            if stem not in masks and each.stem == "test":
                unlabelled += 1
                continue
            for folder, files in (("JPEGImages", images), ("SegmentationClass", masks)):
                if stem not in files:
                    raise DataError(f"{each}, line {number}: {folder} holds no file {stem}")
            chosen[stem] = "test" if each.stem in ("val", "test") else "train"
    if not chosen:
        raise DataError(f"the lists of {path.joinpath(*_LISTS)} name no image with a mask")
    stems = sorted(chosen)
    pairs = FilePairs(
        inside_of(path, [images[stem] for stem in stems]), inside_of(path, [masks[stem] for stem in stems])
    )
    split = official([chosen[stem] for stem in stems])
    rows = read_metadata(Part(path, path / "JPEGImages", path / "SegmentationClass"), pairs.images)
    notes = [f"a VOC tree: {', '.join(each.name for each in lists)} of {'/'.join(_LISTS)}"]
    if split is not None:
        notes[0] += "; val and test are held out"
    if len(images) > len(stems):
        notes.append(f"{len(images) - len(stems):,} images are in no list or have no mask, and are left out")
    if unlabelled:
        notes.append(f"{unlabelled:,} images of test.txt have no mask")
    return Found(pairs, metadata=rows, split=split, notes=notes)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a readable list: {error}") from error


def _cells(line: str) -> list[str]:
    """Two paths, parted by a tab, a comma or a semicolon, else by blanks."""
    for mark in ("\t", ",", ";"):
        if mark in line:
            return [cell.strip().strip('"') for cell in line.split(mark)]
    return re.split(r"\s+", line.strip())


def _are_images(cells: Sequence[str]) -> bool:
    return len(cells) >= 2 and all(Path(cell).suffix.lower() in IMAGE_SUFFIXES for cell in cells[:2])


def _file(folder: Path, cell: str, where: str) -> Path:
    parts = [part for part in re.split(r"[/\\]", cell) if part]
    if cell.startswith(("/", "\\")) or ":" in parts[0]:
        for start in range(1, len(parts)):
            relative = "/".join(parts[start:])
            if ".." not in parts and (file := safe_join(folder, relative)).is_file():
                return file
        raise DataError(
            f"{where}: {cell} is a path of another machine, and no file below {folder} ends like it",
            hint="Write paths relative to the list's folder.",
        )
    path = safe_join(folder, cell)
    if not path.is_file():
        raise DataError(f"{where}: there is no file {cell} in {folder}")
    return path
