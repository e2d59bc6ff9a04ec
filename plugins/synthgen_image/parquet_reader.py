"""Reads images from Parquet: our own data sets, Hugging Face's `struct<bytes, path>`, or a column of encoded bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.attribute_cells import footer_attributes
from synthgen.io.folder import safe_join
from synthgen.io.parquet import ParquetRows, features_of, parquet_files
from synthgen_image.collection import SPLITS, Collection, Encoded, open_collection
from synthgen_image.labels import Labels, check_column, choose_column, read_labels

__all__ = ["ParquetReader"]

_MAGIC = b"PAR1"


class ParquetReader:
    """A Parquet file, or a directory of them (`data/train-00000-of-00008.parquet`)."""

    def accepts(self, path: Path) -> bool:
        """A file named or starting like Parquet, or a directory that holds such files."""
        if path.is_dir():
            return bool(parquet_files(path))
        with path.open("rb") as file:
            return path.suffix in (".parquet", ".pq") or file.read(4) == _MAGIC

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: truncated or no Parquet, no column of images, a named column that is not there, damaged images.
        """
        rows = ParquetRows(parquet_files(path), memory_gib=options.memory_gib)
        if not len(rows):
            raise DataError(f"{path} holds no rows")
        images = _Images(rows, str(path))
        labels, label_column, notes = _labels(rows, options, str(path), images.column)
        groups = None
        if options.group_column:
            check_column(options.group_column, rows.schema.names, str(path), key="group_column")
            groups = np.array(rows.column_table([options.group_column])[0].to_pylist(), dtype=str)
        ours = footer_attributes(rows.schema)
        collection = Collection(
            where=str(path),
            size=len(rows),
            every=images.every,
            fetch=images.fetch,
            labels=labels,
            label_column=label_column,
            groups=groups,
            official_split=_official_split(rows),
            notes=(*images.notes, *notes),
            attributes=_attributes(rows, options, str(path)),
            captions=(*options.caption_columns, *(each.name for each in ours if each.kind == "text")),
            text_encoder=options.text_encoder,
        )
        return open_collection(collection, options)


def _labels(
    rows: ParquetRows, options: DataConfig, where: str, image: str
) -> tuple[Labels | None, str, tuple[str, ...]]:
    features = features_of(rows.schema)
    own = {image, *options.told_columns, *(attribute.name for attribute in footer_attributes(rows.schema))}
    types = {field.name: field.type for field in rows.schema if field.name not in own}

    def read(name: str) -> pa.ChunkedArray:
        return rows.column_table([name]).column(0)

    column, note = options.label_column, ""
    if column is None:
        column, note = choose_column(types, features, read)
    else:
        check_column(column, rows.schema.names, where, key="label_column")
    if column is None:
        return None, "label", (note,)
    names = f"{column}_name" if f"{column}_name" in types else None
    labels = read_labels(
        read(column),
        where=f"column {column} of {where}",
        names=None if names is None else read(names),
        feature=features.get(column),
    )
    return labels, column, () if column == "label" or not note else (note,)


def _attributes(rows: ParquetRows, options: DataConfig, where: str) -> dict[str, list[Any]]:
    """The columns that are asked for, or those that our own file says are attributes."""
    names = options.told_columns or tuple(attribute.name for attribute in footer_attributes(rows.schema))
    for name in names:
        check_column(name, rows.schema.names, where, key="attributes")
    return {name: rows.column_table([name])[0].to_pylist() for name in names}


def _official_split(rows: ParquetRows) -> NDArray[Any] | None:
    """train or test by file name, where there are files of both."""
    stems = [re.split(r"[-_.]", path.name.lower())[0] for path in rows.paths]
    parts = [SPLITS.get(stem) for stem in stems]
    if None in parts or set(parts) != {"train", "test"}:
        return None
    return np.array(parts)[rows.file_of_row]


class _Images:
    """The image column: which it is, and its cells as encoded images."""

    def __init__(self, rows: ParquetRows, where: str) -> None:
        self._rows = rows
        features = features_of(rows.schema)
        declared = [name for name in rows.schema.names if (features.get(name) or {}).get("_type") == "Image"]
        shaped = [field.name for field in rows.schema if _holds_images(field.type)]
        found = [name for name in declared if name in shaped] or shaped
        if not found:
            raise DataError(
                f"{where} has no column of images (struct<bytes, path>, or binary); "
                f"its columns are {', '.join(f'{field.name} ({field.type})' for field in rows.schema)}"
            )
        usual = [name for name in ("image", "img") if name in found]
        self.column = (usual or found)[0]
        others = [name for name in found if name != self.column]
        self.notes: tuple[str, ...] = ()
        if others:
            self.notes = (f"images are taken from column {self.column}; left out: {', '.join(others)}",)

    def every(self) -> Iterator[Encoded]:
        """All cells in order."""
        for start, batch in self._rows.iterate([self.column]):
            for offset, cell in enumerate(batch.column(0).to_pylist()):
                yield self._encoded(start + offset, cell)

    def fetch(self, indices: NDArray[np.int64]) -> Sequence[Encoded]:
        """The cells at these positions."""
        cells = self._rows.read(indices, [self.column]).column(0).to_pylist()
        return [self._encoded(int(row), cell) for row, cell in zip(indices, cells, strict=True)]

    def _encoded(self, row: int, cell: Any) -> Encoded:
        file, number = self._rows.position(row)
        if isinstance(cell, dict):
            data, path = cell.get("bytes"), cell.get("path")
            cell = _beside(file.parent, path) if data is None and isinstance(path, str) else data
        return f"{file}, row {number}", cell


def _beside(folder: Path, path: str) -> Path | None:
    for directory in (folder, folder.parent):
        try:
            if (file := safe_join(directory, path)).is_file():
                return file
        except DataError:
            continue
    return None


def _holds_images(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    if pa.types.is_struct(kind):
        return any(kind.field(number).name == "bytes" for number in range(kind.num_fields))
    return any(check(kind) for check in binary)
