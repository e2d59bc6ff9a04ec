"""Which layout of image and mask files a path has, and its pairs.

images/ and masks/ of the same names, directly or in train/, val/, test/; or mixed, masks with an ending
a list: `pairs.txt`, or `train.txt`, `val.txt` and `test.txt`, with an image and its mask a line; or such a file
a VOC tree: JPEGImages/, SegmentationClass/, ImageSets/Segmentation/*.txt
one file a thing: masks/<image>/*.png, or <image>/images/ and <image>/masks/
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from synthgen.config import DataConfig
from synthgen_mask.classes import ClassTable, find_class_table, read_class_table
from synthgen_mask.found import Found, official
from synthgen_mask.instances import find_instances, read_instances
from synthgen_mask.listing import is_listing, listings_in, read_listings, read_voc, voc_lists
from synthgen_mask.pairs import FilePairs, find_parts, match_files, read_metadata

__all__ = ["Layout", "find_layout", "read_layout"]

Layout = Literal["list", "voc", "instances", "folders"]


def find_layout(path: Path) -> Layout | None:
    """The layout of a file or folder, or None when it is none of these."""
    if not path.is_dir():
        return "list" if is_listing(path) else None
    if voc_lists(path):
        return "voc"
    if find_instances(path):
        return "instances"
    if find_parts(path):
        return "folders"
    return "list" if listings_in(path) else None


def read_layout(path: Path, options: DataConfig, table: ClassTable | None) -> Found:
    """The pairs.

    Args:
        path: a folder or list with a layout.
        options: `mask_suffix` counts here.
        table: of `classes.csv`, where there is one.

    Raises:
        DataError: an image without its mask or the reverse, missing files, paths and links out of the folder.
    """
    match find_layout(path):
        case "voc":
            return replace(read_voc(path), table=table)
        case "instances":
            return read_instances(path, table)
        case "list":
            return replace(read_listings([path] if path.is_file() else listings_in(path)), table=table)
        case _:
            return _read_folders(path, options, table)


def _read_folders(path: Path, options: DataConfig, table: ClassTable | None) -> Found:
    parts = find_parts(path)
    found = [match_files(part, options.mask_suffix) for part in parts]
    rows: list[dict[str, str]] = []
    for part, files in zip(parts, found, strict=True):
        rows += read_metadata(part, files.images)
    splits = [str(part.split) for part, files in zip(parts, found, strict=True) for _ in files.images]
    inner = find_class_table(parts[0].folder)
    inside = {
        name
        for part, files in zip(parts, found, strict=True)
        for name in (image.relative_to(part.images).parts[0] for image in files.images if image.parent != part.images)
    }
    notes = []
    if len(inside) > 1 and not any(rows):
        shown = ", ".join(sorted(inside)[:3]) + (", ..." if len(inside) > 3 else "")
        notes.append(
            f"the images lie in {len(inside)} folders ({shown}), which are not taken as labels: metadata.csv with the "
            "columns file_name and label says them"
        )
    return Found(
        FilePairs([f for p in found for f in p.images], [f for p in found for f in p.masks]),
        metadata=rows,
        split=official(splits),
        table=read_class_table(inner) if inner is not None else table,
        notes=notes,
    )
