"""Reads folders of images: class folders, our own `train/<class>/` with `metadata.csv`, or plain unlabelled images."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.data.attributes import TEXT_NAMES, text_of
from synthgen.errors import DataError
from synthgen.io.folder import IMAGE_SUFFIXES, image_files, safe_join
from synthgen.io.parquet import parquet_files
from synthgen_image.attributes import cells_of_text
from synthgen_image.collection import SPLITS, Collection, Encoded, open_collection
from synthgen_image.labels import NO_COLUMN, Labels, check_column, choose_column, read_labels

__all__ = ["FolderReader"]

_SUFFIXES = IMAGE_SUFFIXES | {".npy"}
_TABLES = ("metadata.csv", "metadata.jsonl")
_EXPECTED = frozenset({*_TABLES, "README.md", "LICENSE", "provenance.json", "croissant.json", "plan.json"})
_HOLDERS = frozenset({"images", "image", "imgs", "img", "jpegimages", "pictures", "photos"})
"""Folders of these names hold the images and are no classes."""
_MASKS = frozenset("masks mask labels annotations segmentationclass segmentationobject segmentations".split())
_TABLE_ENDINGS = frozenset({".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".txt"})
_FILE_COLUMNS = ("filename", "file", "path", "image", "image_path", "image_name", "img")
"""What others call `file_name`."""
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


@dataclass
class _Listing:
    """The images below one folder, and what is known of each: label name, group, attributes."""

    files: list[Path]
    labels: list[str | None] | None = None
    label_column: str = "label"
    classes: list[str] = field(default_factory=list)
    groups: list[str] | None = None
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class FolderReader:
    """`DIR/<class>/*.png`, `DIR/train/<class>/*.png` (and `DIR/test/...`), or `DIR/*.png`.

    `metadata.csv` or `metadata.jsonl` counts.
    """

    def accepts(self, path: Path) -> bool:
        """Any directory without Parquet files that is not a set of images with masks."""
        pairs = any((path / sub / "images").is_dir() and (path / sub / "masks").is_dir() for sub in (".", "train"))
        return path.is_dir() and not pairs and not parquet_files(path)

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: no images, a label column that `metadata.csv` does not have, damaged images.
        """
        parts = _parts(path)
        listings = [_list(folder, options) for folder, _ in parts]
        files = [file for listing in listings for file in listing.files]
        if not files:
            raise DataError(
                f"{path} holds no images", hint="Expected DIR/<class>/*.png, or images directly in the folder."
            )
        splits = {split for _, split in parts}
        official = None
        if splits == {"train", "test"}:
            official = np.repeat([split for _, split in parts], [len(listing.files) for listing in listings])

        def fetch(indices: NDArray[np.int64]) -> Sequence[Encoded]:
            return [(str(files[index]), files[index]) for index in indices]

        def every() -> Iterator[Encoded]:
            return ((str(file), file) for file in files)

        collection = Collection(
            where=str(path),
            size=len(files),
            every=every,
            fetch=fetch,
            labels=_merge_labels(listings),
            label_column=next((listing.label_column for listing in listings if listing.labels is not None), "label"),
            groups=_merge_groups(listings),
            official_split=official,
            notes=tuple(dict.fromkeys(note for listing in listings for note in listing.notes)),
            attributes={name: _cells(listings, name) for name in options.told_columns},
            captions=options.caption_columns,
            text_encoder=options.text_encoder,
            names=[file.relative_to(path).as_posix() for file in files],
        )
        return open_collection(collection, options)


def _image_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """All (images, other files) below a folder; images of many bands are `.npy` files."""
    images, others = image_files(folder)
    arrays = [file for file in others if file.suffix.lower() in _SUFFIXES]
    rest = [file for file in others if file.suffix.lower() not in _SUFFIXES]
    return (sorted([*images, *arrays]) if arrays else images), rest


def _parts(path: Path) -> list[tuple[Path, str]]:
    """The folders that hold the data, with their split: the path itself, or its train, val and test folders."""
    folders = [child for child in sorted(path.iterdir()) if child.is_dir() and not child.name.startswith((".", "__"))]
    direct = any(child.is_file() and child.suffix.lower() in _SUFFIXES for child in path.iterdir())
    with_images = [child for child in folders if _image_files(child)[0]]
    named = [(child, SPLITS[child.name.lower()]) for child in with_images if child.name.lower() in SPLITS]
    if direct or _table_of(path) is not None or not named or len(named) < len(with_images):
        return [(path, "train")]
    return sorted(named, key=lambda part: part[1], reverse=True)


def _list(folder: Path, options: DataConfig) -> _Listing:
    table = _table_of(folder)
    said: list[str] = []
    if table is not None:
        listing, said = _from_table(folder, table, options)
        if listing is not None:
            return listing
    if options.told_columns:
        named = ", ".join(options.told_columns)
        raise DataError(
            f"{folder} has no {' or '.join(_TABLES)}: nothing says what {named} of an image is",
            hint="Write one with the column file_name, or leave data.attributes and data.caption_column away.",
        )
    images, others = _image_files(folder)
    notes = list(said)
    holder = _holder(folder, images)
    if holder is not None:
        beside = sorted({image.relative_to(folder).parts[0] for image in images} - {holder.name})
        if beside:
            notes.append(
                f"{', '.join(beside)}: left out, the images are those of {holder.name}; --modality mask models images "
                "with their masks"
            )
        images = [image for image in images if image.is_relative_to(holder)]
    foreign = [file.relative_to(folder).as_posix() for file in others if file.name not in _EXPECTED]
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        notes.append(f"{len(foreign):,} files are no images and are left out: {shown}")
    if options.label_column or options.group_column:
        notes.append(f"{folder} has no {_TABLES[0]} with columns: labels are the names of the folders")
    tables = [name for name in foreign if Path(name).suffix.lower() in _TABLE_ENDINGS]
    if tables:
        notes.append(
            f"{tables[0]} is not read: a table of labels is called {_TABLES[0]} and has a column file_name (or "
            f"{_TABLES[1]}, a JSON object a line)"
        )
    labels, classes = _by_folder(images, holder or folder)
    return _Listing(images, labels, classes=classes, notes=notes)


def _holder(folder: Path, images: Sequence[Path]) -> Path | None:
    """The folder `images` or the like, where all other images below `folder` are masks; None: there is none."""
    first = {image.relative_to(folder).parts[0] for image in images}
    holders = [name for name in first if name.casefold() in _HOLDERS and (folder / name).is_dir()]
    others = first.difference(holders)
    if len(holders) != 1 or not all(name.casefold() in _MASKS for name in others):
        return None
    return folder / holders[0]


def _by_folder(images: Sequence[Path], folder: Path) -> tuple[list[str | None] | None, list[str]]:
    """Label names by the first folder below, and the classes; none where no image lies in one."""
    owners = [image.relative_to(folder).parts for image in images]
    if not any(len(parts) > 1 for parts in owners):
        return None, []
    labels = [parts[0] if len(parts) > 1 else None for parts in owners]
    return labels, sorted({label for label in labels if label is not None})


def _table_of(folder: Path) -> Path | None:
    """The table beside the images, if there is one."""
    return next((folder / name for name in _TABLES if (folder / name).is_file()), None)


def _from_table(folder: Path, path: Path, options: DataConfig) -> tuple[_Listing | None, list[str]]:
    """The listing by a table, or None when it says nothing that the folders do not say, and then why."""
    columns, attributes = _read_table(path, options.told_columns, options.caption_columns)
    for key, column in (("label_column", options.label_column), ("group_column", options.group_column)):
        if column is not None:
            check_column(column, list(columns), str(path), key=key)
    taken = {"file_name", *attributes}
    typed = {name: _typed(values) for name, values in columns.items() if name not in taken}
    column = options.label_column
    notes = []
    if column is None:
        column, note = choose_column({name: values.type for name, values in typed.items()}, {}, typed.__getitem__)
        if column != "label":
            notes.append(note)
    if column is None and options.group_column is None and not attributes:
        return None, notes if notes != [NO_COLUMN] else []
    files = [safe_join(folder, name) for name in columns["file_name"]]
    unlisted = len(set(_image_files(folder)[0]) - set(files))
    if unlisted:
        notes.append(f"{unlisted:,} images of {folder} are not in {path.name} and are left out")
    listing = _Listing(files, attributes=attributes, notes=notes)
    if column is None:
        listing.labels, listing.classes = _by_folder(files, folder)
    if options.group_column is not None:
        listing.groups = columns[options.group_column]
    if column is not None:
        beside = columns.get(f"{column}_name")
        names = None if beside is None else pa.chunked_array([pa.array(beside, pa.string())])
        labels = read_labels(typed[column], where=f"column {column} of {path}", names=names)
        listing.labels = [labels.names[number] if number >= 0 else None for number in labels.index]
        listing.label_column, listing.classes = column, list(labels.names)
    return listing, []


def _read_table(
    path: Path, attributes: Sequence[str], captions: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[Any]]]:
    """All columns as text, and those that are attributes as cells; free text keeps its semicolons.

    Raises:
        DataError: unreadable, without `file_name`, or without one of the attributes.
    """
    raw = _read_lines(path) if path.suffix == ".jsonl" else {}
    columns = {name: ["" if cell is None else text_of(cell) for cell in cells] for name, cells in raw.items()}
    columns = columns or _read_csv(path)
    other = next((name for name in columns if name.casefold() in _FILE_COLUMNS), None)
    if "file_name" not in columns and other is not None:
        columns = {"file_name" if name == other else name: cells for name, cells in columns.items()}
    if "file_name" not in columns:
        raise DataError(f"{path} has no column 'file_name'; its columns are {', '.join(columns) or 'none'}")
    for name in attributes:
        check_column(name, list(columns), str(path), key="attributes")
    if raw:
        return columns, {name: raw[name] for name in attributes}
    texts = {name for name in attributes if name in captions or name.lower() in TEXT_NAMES}
    return columns, {
        name: list(columns[name]) if name in texts else cells_of_text(columns[name]) for name in attributes
    }


def _read_lines(path: Path) -> dict[str, list[Any]]:
    """Columns of a file with a JSON object a line."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a readable file of JSON lines: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} holds a line that is no JSON object")
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _read_csv(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable CSV file: {error}") from error
    header = rows[0] if rows else []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: {len(row)} cells, but the header has {len(header)}")
    return {name: [row[position] for row in rows[1:]] for position, name in enumerate(header)}


def _typed(values: list[str]) -> pa.ChunkedArray:
    """int64 when every cell that is not empty is a whole number that fits, else strings."""
    filled = [value for value in values if value]
    if filled and all(_WHOLE_NUMBER.fullmatch(value) for value in filled):
        numbers = [int(value) if value else None for value in values]
        if all(number is None or -(2**63) <= number < 2**63 for number in numbers):
            return pa.chunked_array([pa.array(numbers, pa.int64())])
    return pa.chunked_array([pa.array([value or None for value in values], pa.string())])


def _merge_labels(listings: Iterable[_Listing]) -> Labels | None:
    listings = list(listings)
    if all(listing.labels is None for listing in listings):
        return None
    classes = list(dict.fromkeys(name for listing in listings for name in listing.classes))
    number = {name: index for index, name in enumerate(classes)}
    index = [
        -1 if label is None else number[label]
        for listing in listings
        for label in (listing.labels or [None] * len(listing.files))
    ]
    return Labels(np.array(index, dtype=np.int64), tuple(classes))


def _cells(listings: Iterable[_Listing], name: str) -> list[Any]:
    return [cell for listing in listings for cell in listing.attributes.get(name, [None] * len(listing.files))]


def _merge_groups(listings: Iterable[_Listing]) -> NDArray[np.str_] | None:
    groups = [listing.groups for listing in listings]
    known = [part for part in groups if part is not None]
    return np.array([group for part in known for group in part]) if len(known) == len(groups) else None
