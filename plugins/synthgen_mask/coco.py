"""Masks written as COCO annotations with uncompressed run lengths, one for each connected part of each class.

The background, where a class is called so, has no annotations, as everywhere. What is neither annotated nor background
is 255, ignored, which COCO has no word for: a run length in the entry of the image, `ignored`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from synthgen.io.atomic import atomic_file
from synthgen_mask.classes import IGNORE, MaskClass, background_of
from synthgen_mask.run_lengths import run_lengths

__all__ = ["annotations_of", "ignored_of", "write_annotations"]

_DESCRIPTION = "one annotation for each connected part of each class"
_TOUCHING = np.ones((3, 3), int)
"""Pixels that meet at a corner are one part."""


def annotations_of(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> list[dict[str, Any]]:
    """The annotations of one mask `(H, W)`, without their ids."""
    found = []
    background = background_of(classes)
    for entry in classes:
        if entry == background:
            continue
        parts, count = label(mask == entry.id, _TOUCHING)
        for number in range(1, count + 1):
            inside = parts == number
            rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            left, top = int(columns[0]), int(rows[0])
            found.append(
                {
                    "category_id": entry.id,
                    "segmentation": _run_lengths(inside),
                    "area": int(inside.sum()),
                    "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
                    "iscrowd": 0,
                }
            )
    return found


def ignored_of(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> dict[str, Any]:
    """What the entry of an image says of ignored pixels; nothing where there are none, or no background."""
    ignored = mask == IGNORE
    if background_of(classes) is None or not ignored.any():
        return {}
    return {"ignored": _run_lengths(ignored)}


def _run_lengths(inside: NDArray[np.bool_]) -> dict[str, Any]:
    return {"size": list(inside.shape), "counts": run_lengths(inside)}


def write_annotations(path: Path, lines: Path, classes: Sequence[MaskClass]) -> None:
    """Assemble the file from lines `{"image": ..., "annotations": [...]}`, one image at a time in memory.

    Args:
        path: the COCO file, written atomically.
        lines: a file of JSON lines, in the order of the records.
        classes: the categories.
    """
    background = background_of(classes)
    categories = [{"id": entry.id, "name": entry.name} for entry in classes if entry != background]
    rest: Any = IGNORE if background is None else {"id": background.id, "name": background.name}
    info = {"description": _DESCRIPTION, "uncovered": rest}
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as target:
        target.write(
            '{"info": '
            + json.dumps(info, ensure_ascii=False)
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
