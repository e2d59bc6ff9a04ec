"""Masks written as COCO annotations with uncompressed run lengths, one annotation for each class in an image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.io.atomic import atomic_file
from synthgen_mask.classes import IGNORE, MaskClass
from synthgen_mask.run_lengths import run_lengths

__all__ = ["annotations_of", "write_annotations"]

_INFO = {
    "description": "one annotation for each class in an image; pixels without any are ignored",
    "uncovered": IGNORE,
}


def annotations_of(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> list[dict[str, Any]]:
    """The annotations of one mask `(H, W)`, without their ids."""
    found = []
    for entry in classes:
        inside = mask == entry.id
        if entry.id == IGNORE or not inside.any():
            continue
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        left, top = int(columns[0]), int(rows[0])
        found.append(
            {
                "category_id": entry.id,
                "segmentation": {"size": list(inside.shape), "counts": run_lengths(inside)},
                "area": int(inside.sum()),
                "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
                "iscrowd": 1,
            }
        )
    return found


def write_annotations(path: Path, lines: Path, classes: Sequence[MaskClass]) -> None:
    """Assemble the file from lines `{"image": ..., "annotations": [...]}`, one image at a time in memory.

    Args:
        path: the COCO file, written atomically.
        lines: a file of JSON lines, in the order of the records.
        classes: the categories.
    """
    categories = [{"id": entry.id, "name": entry.name} for entry in classes]
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as target:
        target.write(
            '{"info": '
            + json.dumps(_INFO)
            + ',\n"categories": '
            + json.dumps(categories, ensure_ascii=False)
            + ',\n"images": [\n'
        )
        for position, entry in enumerate(_entries(lines)):
            target.write((",\n" if position else "") + json.dumps(entry["image"]))
        target.write('\n],\n"annotations": [')
        number = 0
        for entry in _entries(lines):
            for annotation in entry["annotations"]:
                target.write(("," if number else "") + "\n")
                number += 1
                target.write(json.dumps({"id": number, "image_id": entry["image"]["id"], **annotation}))
        target.write("\n]}\n")


def _entries(lines: Path) -> Iterator[dict[str, Any]]:
    with lines.open(encoding="utf-8") as source:
        for line in source:
            yield json.loads(line)
