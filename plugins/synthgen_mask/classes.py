"""Pixel classes: their table (`classes.csv`, `schema.extra["classes"]`), colours, and ids as indices.

A mask holds the ids of the user's own files; everything that computes uses the position of the id in the table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Channel, Condition, Schema
from synthgen.errors import DataError

__all__ = [
    "IGNORE",
    "ClassTable",
    "MaskClass",
    "background_of",
    "class_table_text",
    "classes_of",
    "find_class_table",
    "histogram",
    "index_masks",
    "is_background",
    "mask_channels",
    "mask_schema",
    "palette",
    "present_classes",
    "read_class_table",
]

IGNORE = 255
"""Pixels with this id are unlabelled: no loss, no score."""
ONE_HOT_LIMIT = 16
"""From more classes on, masks are coded in bits instead of one channel a class."""
_VOID_NAMES = frozenset(
    "void ignore ignored unlabelled unlabeled unannotated unknown unclassified undefined none nodata no_data border "
    "boundary edge outline contour outside padding masked dontcare dont_care".split()
)
"""What the ignored pixels are called, in lower case; words of several are taken apart."""
_BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__", "bg", "backdrop"})


@dataclass(frozen=True, slots=True)
class MaskClass:
    """One pixel class: its id in the files, its name and its colour."""

    id: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """What a `classes.csv` says.

    Args:
        classes: ascending by id, without the ignore id.
        colors: colour -> id of all rows that give one, the ignore id's included.
        binary: masks hold 0 and 255, and 255 means class 1.
    """

    classes: tuple[MaskClass, ...]
    colors: Mapping[tuple[int, int, int], int]
    binary: bool = False


def background_of(classes: Iterable[MaskClass]) -> MaskClass | None:
    """The class that is called background or the like, if one is."""
    return next((entry for entry in classes if is_background(entry.name)), None)


def is_background(name: str) -> bool:
    """Whether a class of this name is what lies behind all things."""
    return name.strip().casefold() in _BACKGROUND_NAMES


def _is_void(name: str) -> bool:
    words = re.split(r"[\s/,;|-]+", name.casefold())
    return bool(_VOID_NAMES.intersection([name.casefold(), *words]))


def palette(index: int) -> tuple[int, int, int]:
    """Colour of the i-th class, PASCAL VOC's rule: the bits of i go round to red, green and blue, highest first."""
    color = [0, 0, 0]
    for bit in range(8):
        for band in range(3):
            color[band] |= ((index >> (3 * bit + band)) & 1) << (7 - bit)
    return color[0], color[1], color[2]


def mask_channels(classes: int) -> int:
    """How many channels code a mask of so many classes: 1 (binary), one a class, or bits."""
    if classes <= 2:
        return 1
    return classes if classes <= ONE_HOT_LIMIT else int(np.ceil(np.log2(classes)))


def mask_schema(
    size: tuple[int, int],
    *,
    bands: int,
    classes: Sequence[MaskClass],
    labels: tuple[str, ...] = (),
    label_column: str = "label",
    present: bool = False,
    area: bool = False,
) -> Schema:
    """The schema of images with masks.

    Args:
        size: height and width.
        bands: 1 grey, 3 RGB, 4 RGBA.
        classes: pixel classes, without the ignore id.
        labels: class names of whole records, where they have any.
        label_column: where the label stood in the user's data.
        present: whether the denoiser is told which pixel classes a record contains.
        area: whether it is told how much of a record each of them covers, see `synthgen_mask.areas`.
    """
    names = {1: ("grey",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}[bands]
    channels = (
        *(Channel(name, "integer", low=0, high=255) for name in names),
        Channel("mask", "categorical", low=classes[0].id, high=classes[-1].id),
    )
    conditions = (Condition("label", "class", len(labels)),) if labels else ()
    if present:
        conditions = (*conditions, Condition("present", "vector", len(classes)))
    if area:
        conditions = (*conditions, Condition("area", "vector", len(classes)))
    return Schema(
        modality="mask",
        shape=(bands + mask_channels(len(classes)), *size),
        channels=channels,
        labels=labels,
        label_column=label_column,
        conditions=conditions,
        extra={"classes": [{**asdict(entry), "color": list(entry.color)} for entry in classes], "ignore": IGNORE},
    )


def classes_of(schema: Schema) -> tuple[MaskClass, ...]:
    """The pixel classes of a schema.

    Raises:
        DataError: the schema has none.
    """
    try:
        return tuple(
            MaskClass(
                int(raw["id"]), str(raw["name"]), (int(raw["color"][0]), int(raw["color"][1]), int(raw["color"][2]))
            )
            for raw in schema.extra["classes"]
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"the schema has no usable table of pixel classes: {error}") from error


def index_masks(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> NDArray[np.int64]:
    """Class ids as positions in the table, -1 where ignored.

    Raises:
        DataError: an id that the table does not have; the message counts the ids found.
    """
    table = np.full(1 << 16, -2, np.int64)
    table[IGNORE] = -1
    table[[entry.id for entry in classes]] = np.arange(len(classes))
    index: NDArray[np.int64] = table[mask]
    if (index == -2).any():
        known = {entry.id for entry in classes} | {IGNORE}
        unknown = sorted({int(value) for value in np.unique(mask)} - known)
        raise DataError(
            f"pixel class ids {unknown[:8]} are not in the table of classes; pixels by id: {histogram(mask)}",
            hint="Add them to classes.csv (id,name), or set those pixels to 255 (ignored).",
        )
    return index


def present_classes(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> NDArray[np.bool_]:
    """Which classes each mask contains, `(N, K)`."""
    index = index_masks(mask, classes)
    return np.stack([(index == k).any((1, 2)) for k in range(len(classes))], axis=1)


def histogram(mask: NDArray[np.integer], *, limit: int = 12) -> str:
    """Pixels by id, the commonest first, for messages: `0: 5120, 3: 77`."""
    values, counts = np.unique(mask, return_counts=True)
    order = np.argsort(-counts)
    text = ", ".join(f"{values[k]}: {counts[k]}" for k in order[:limit])
    return text if len(order) <= limit else f"{text}, and {len(order) - limit} more"


def find_class_table(path: Path) -> Path | None:
    """`classes.csv` in the data's folder or one above it."""
    folder = path if path.is_dir() else path.parent
    for candidate in (folder / "classes.csv", folder.parent / "classes.csv"):
        if candidate.is_file():
            return candidate
    return None


def read_class_table(path: Path) -> ClassTable:
    """`classes.csv`: columns `id,name` and optionally `r,g,b`.

    The row of id 255 names the ignored pixels, unless the only other id is 0: then masks are binary, and 255 becomes 1.

    Raises:
        DataError: naming the file and the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable class table: {error}") from error
    if not rows or not {"id", "name"} <= set(rows[0]):
        raise DataError(f"{path} has no columns id and name", hint="Its first line is id,name or id,name,r,g,b.")
    entries: dict[int, tuple[str, tuple[int, int, int] | None]] = {}
    for line, row in enumerate(rows, start=2):
        identity, name, color = _table_row(path, line, row)
        if identity in entries or name in {known for known, _ in entries.values()}:
            raise DataError(f"{path}, line {line}: id {identity} or name {name!r} is there twice")
        entries[identity] = name, color
    colors = {color: identity for identity, (_, color) in entries.items() if color is not None}
    named_void = IGNORE in entries and _is_void(entries[IGNORE][0])
    binary = set(entries) == {0, IGNORE} and not named_void
    if IGNORE in entries and not binary and not named_void:
        raise DataError(
            f"{path}: id {IGNORE} ({entries[IGNORE][0]}) would be ignored: {IGNORE} marks unlabelled pixels",
            hint=f"Give the class another id, here and in the masks, or call it void if {IGNORE} is to be ignored.",
        )
    if binary:
        entries[1] = entries.pop(IGNORE)
        colors = {color: min(identity, 1) for color, identity in colors.items()}
    entries.pop(IGNORE, None)
    if not entries:
        raise DataError(f"{path} names no class but the ignored one")
    classes = tuple(
        MaskClass(identity, name, palette(position) if color is None else color)
        for position, (identity, (name, color)) in enumerate(sorted(entries.items()))
    )
    return ClassTable(classes, colors, binary)


def _table_row(path: Path, line: int, row: dict[str, str]) -> tuple[int, str, tuple[int, int, int] | None]:
    try:
        identity, name = int(row["id"]), str(row["name"] or "").strip()
        given = [int(text) for text in (str(row.get(band) or "").strip() for band in "rgb") if text]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}, line {line}: {error}", hint="Expected id,name or id,name,r,g,b.") from error
    if not 0 <= identity < 1 << 16 or not name:
        raise DataError(f"{path}, line {line}: id {identity} is not in 0..65535, or its name is empty")
    if len(given) not in (0, 3) or not all(0 <= value <= 255 for value in given):
        raise DataError(f"{path}, line {line}: the colour {given} is not three values in 0..255")
    return identity, name, (given[0], given[1], given[2]) if given else None


def class_table_text(classes: Iterable[MaskClass]) -> str:
    """The text of `classes.csv`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "name", "r", "g", "b"])
    writer.writerows([entry.id, entry.name, *entry.color] for entry in classes)
    return buffer.getvalue()
