"""Readers of images with masks: folders of files, COCO annotations, and Parquet with two image columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.parquet import ParquetRows, features_of, open_parquet, parquet_files
from synthgen_mask.classes import ClassTable, MaskClass, find_class_table, read_class_table
from synthgen_mask.coco_reader import coco_files, read_coco
from synthgen_mask.found import Found
from synthgen_mask.intake import Labels, open_pairs
from synthgen_mask.layouts import find_layout, read_layout
from synthgen_mask.pairs import RowPairs

__all__ = ["CocoReader", "MaskFolderReader", "MaskParquetReader"]


class MaskFolderReader:
    """Folders of images and masks in every layout of files, and lists of pairs; see `synthgen_mask.layouts`."""

    def accepts(self, path: Path) -> bool:
        """Whether one of the layouts is there."""
        return find_layout(path) is not None

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open the pairs.

        Raises:
            DataError: an image without its mask or the reverse, sizes that differ, ids outside `classes.csv`, no files.
        """
        table_path = find_class_table(path)
        found = read_layout(path, options, None if table_path is None else read_class_table(table_path))
        notes = [*found.notes, *([] if table_path is None else [f"classes from {table_path.name}"])]
        return _opened(replace(found, notes=notes), options, str(path))


class CocoReader:
    """COCO annotations with their images: the JSON file itself, or a folder of it without folders of masks."""

    def accepts(self, path: Path) -> bool:
        """Whether there are annotation files, and no masks as images."""
        return bool(coco_files(path)) and (path.is_file() or find_layout(path) is None)

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open the images and draw their annotations.

        Raises:
            DataError: damaged JSON, missing images, outlines that fit no image, ids that do not exist.
        """
        return _opened(read_coco(path), options, str(path))


def _opened(found: Found, options: DataConfig, where: str) -> Source:
    rows = found.metadata or [{}] * len(found.pairs)
    return open_pairs(
        found.pairs,
        options,
        table=found.table,
        labels=_labels(rows, options, where),
        official_split=found.split,
        notes=found.notes,
    )


class MaskParquetReader:
    """Parquet with the columns `image` and `mask`, each `struct<bytes, path>` or encoded bytes; ours and others'."""

    def accepts(self, path: Path) -> bool:
        """Whether the file, or the first file of the folder, has both columns."""
        if path.is_file() and path.suffix != ".parquet":
            return False
        files = parquet_files(path)
        try:
            return bool(files) and {"image", "mask"} <= set(open_parquet(files[0]).schema_arrow.names)
        except DataError:
            return True  # and reading says what is wrong with it

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open the rows.

        Raises:
            DataError: damaged files, cells without an image, sizes that differ, ids outside the table of classes.
        """
        files = parquet_files(path)
        rows = ParquetRows(files, memory_gib=options.memory_gib)
        if not len(rows):
            raise DataError(f"{path} holds no rows")
        table_path = find_class_table(files[0])
        table = read_class_table(table_path) if table_path is not None else _table_in(rows.schema.metadata or {})
        names = [name for name in rows.schema.names if name not in ("image", "mask")]
        columns = rows.column_table(names).to_pydict() if names else {}
        classes = {
            name: feature["names"]
            for name, feature in features_of(rows.schema).items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
        for name, known in classes.items():
            columns[name] = [
                known[value] if value is not None and 0 <= value < len(known) else value for value in columns[name]
            ]
        cells: list[dict[str, str]] = [
            {name: str(column[i]) for name, column in columns.items() if column[i] is not None}
            for i in range(len(rows))
        ]
        labels = _labels(cells, options, str(path), order=classes)
        return open_pairs(RowPairs(rows), options, table=table, labels=labels)


def _table_in(metadata: Mapping[bytes, bytes]) -> ClassTable | None:
    """The table of classes in the footer of a file that we wrote."""
    try:
        raw = json.loads(metadata[b"mask_classes"])
        classes = [MaskClass(int(e["id"]), str(e["name"]), (e["color"][0], e["color"][1], e["color"][2])) for e in raw]
    except (KeyError, ValueError, RecursionError, TypeError, IndexError):
        return None
    return ClassTable(tuple(classes), {})


def _labels(
    rows: Sequence[Mapping[str, str]],
    options: DataConfig,
    where: str,
    *,
    order: Mapping[str, Sequence[Any]] | None = None,
) -> Labels:
    """Labels and groups from the columns of the metadata.

    Raises:
        DataError: a column that was asked for is missing, or has empty cells.
    """
    columns = {name for row in rows for name in row}
    groups = None
    if options.group_column is not None:
        groups = np.array(_cells(rows, options.group_column, columns, where))
    column = options.label_column
    if column is None:
        column = next((name for name in ("label", "class") if name in columns), None)
    if column is None:
        return Labels(groups=groups)
    named = f"{column}_name" if f"{column}_name" in columns else column
    values = _cells(rows, named, columns, where)
    names = tuple(str(name) for name in (order or {}).get(column, ())) or tuple(sorted(set(values), key=_natural))
    position = {name: index for index, name in enumerate(names)}
    missing = sorted(set(values) - set(names))
    if missing:
        raise DataError(f"{where}: column {named} holds {missing[0]!r}, which is not among its class names")
    return Labels(names, np.array([position[value] for value in values], np.int64), column, groups)


def _cells(rows: Sequence[Mapping[str, str]], column: str, columns: set[str], where: str) -> list[str]:
    if column not in columns:
        known = ", ".join(sorted(columns)) or "none (no metadata.csv or metadata.jsonl beside the images)"
        raise DataError(f"{where} has no column {column!r}; its columns: {known}")
    empty = [number for number, row in enumerate(rows) if not row.get(column)]
    if empty:
        raise DataError(f"{where}: column {column!r} is empty for {len(empty)} records, the first is record {empty[0]}")
    return [row[column] for row in rows]


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order before words in theirs."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
