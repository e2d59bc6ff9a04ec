"""Readers of images with masks: folders of files, and Parquet with two image columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.parquet import ParquetRows, features_of, open_parquet, parquet_files
from synthgen_mask.classes import ClassTable, MaskClass, find_class_table, read_class_table
from synthgen_mask.intake import Labels, open_pairs
from synthgen_mask.pairs import FilePairs, RowPairs, find_parts, match_files, read_metadata

__all__ = ["MaskFolderReader", "MaskParquetReader"]


class MaskFolderReader:
    """`images/` and `masks/` with files of the same name, directly or in `train`, `val`, `test`; or mixed."""

    def accepts(self, path: Path) -> bool:
        """Whether there are image and mask folders, or files ending in `_mask`."""
        return path.is_dir() and bool(find_parts(path))

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open the pairs.

        Raises:
            DataError: an image without its mask or the reverse, sizes that differ, ids outside `classes.csv`, no files.
        """
        parts = find_parts(path)
        found = [match_files(part) for part in parts]
        pairs = FilePairs([f for p in found for f in p.images], [f for p in found for f in p.masks])
        split = None
        if any(part.split for part in parts):
            split = np.repeat([str(part.split) for part in parts], [len(p) for p in found])
        rows: list[dict[str, str]] = []
        for part, files in zip(parts, found, strict=True):
            metadata = read_metadata(part)
            rows += [metadata.get(image.stem, {}) for image in files.images]
        table_path = find_class_table(parts[0].folder) or find_class_table(path)
        return open_pairs(
            pairs,
            options,
            table=None if table_path is None else read_class_table(table_path),
            labels=_labels(rows, options, str(path)),
            official_split=split,
            notes=[] if table_path is None else [f"classes from {table_path.name}"],
        )


class MaskParquetReader:
    """Parquet with the columns `image` and `mask`, each `struct<bytes, path>` or encoded bytes; ours and others'."""

    def accepts(self, path: Path) -> bool:
        """Whether the file, or the first file of the folder, has both columns."""
        if path.is_file() and path.suffix != ".parquet":
            return False
        files = parquet_files(path)
        return bool(files) and {"image", "mask"} <= set(open_parquet(files[0]).schema_arrow.names)

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open the rows.

        Raises:
            DataError: damaged files, cells without an image, sizes that differ, ids outside the table of classes.
        """
        files = parquet_files(path)
        rows = ParquetRows(files)
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
    except (KeyError, ValueError, TypeError, IndexError):
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
