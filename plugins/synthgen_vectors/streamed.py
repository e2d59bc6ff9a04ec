"""Parquet tables larger than memory: one pass for what the schema says, then row groups as they are asked for.

What stays in memory is one label and one position a record (16 bytes), and the row groups that `ParquetRows` keeps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synthgen.api import Records
from synthgen.data.source import LazySource
from synthgen.errors import DataError
from synthgen_vectors.collection import classes_of, label_name, vector_schema
from synthgen_vectors.columns import choose_columns, declared_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.config import DataConfig
    from synthgen.io.parquet import ParquetRows

__all__ = ["streamed_source"]

_PIECE = 65_536


def streamed_source(rows: ParquetRows, path: Path, options: DataConfig) -> Source:
    """A source of vectors that stays on disk.

    Args:
        rows: of the files.
        path: for messages.
        options: how the user wants it read.

    Raises:
        DataError: as `vector_source`.
    """
    numeric = {field.name for field in rows.schema if _is_number(field.type)}
    label, named, columns, notes = choose_columns(
        rows.schema.names, numeric, path, options, declared_label(rows.schema)
    )
    strange = [name for name in columns if name not in numeric]
    if strange:
        raise DataError(f"{path}: column {strange[0]} holds no numbers")
    figures = _Figures(columns, path)
    names: dict[str, int] = {}
    index = np.full(len(rows), -1, dtype=np.int64) if label else None
    taken = 0
    for start, batch in rows.iterate([*columns, *([named] if label else [])], rows=_PIECE):
        values = _matrix(batch, columns)
        if index is not None:
            index[start : start + len(batch)] = numbers = _numbered(batch.column(named), names)
            values = values[numbers >= 0]
        figures.take_in(values, taken)
        taken += len(values)
    kept = np.arange(len(rows)) if index is None else np.flatnonzero(index >= 0)
    if index is not None and len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept):,} records without a label are left out")
        index = index[kept]
    classes: tuple[str, ...] = ()
    if index is not None:
        classes, rank = classes_of(list(names), len(kept), str(path), label)
        index = rank[index]
    notes.append(f"{len(kept):,} records stay on disk and are read in row groups")
    groups = None
    if options.group_column:
        groups = rows.column_table([options.group_column]).column(0).to_numpy()[kept]

    def load(indices: NDArray[np.int64]) -> Records:
        table = rows.read(kept[indices], columns)
        return Records({"values": _matrix(table, columns)}, None if index is None else index[indices])

    schema = vector_schema(columns, classes, label or "label", figures.channels(), figures.scale())
    blocks = np.searchsorted(kept, rows.blocks)
    return LazySource(schema, len(kept), load, labels=index, groups=groups, notes=notes, blocks=blocks)


class _Figures:
    """Range, mean, deviation and wholeness of each column, taken in piece by piece (Chan et al. 1979)."""

    def __init__(self, columns: list[str], path: Path) -> None:
        width = len(columns)
        self._columns = columns
        self._path = path
        self._count, self._mean, self._squares = np.zeros(width), np.zeros(width), np.zeros(width)
        self._low, self._high = np.full(width, np.inf), np.full(width, -np.inf)
        self._whole = np.ones(width, dtype=bool)

    def take_in(self, values: NDArray[np.float32], start: int) -> None:
        """A piece `(n, D)` that begins at record `start`."""
        wide = values.astype(np.float64)
        known = ~np.isnan(wide)
        if not np.isfinite(wide[known]).all():
            row, column = np.argwhere(known & ~np.isfinite(wide))[0].tolist()
            raise DataError(
                f"{self._path}: record {start + row} holds an infinite or too large value in column "
                f"{self._columns[column]}"
            )
        n = known.sum(axis=0)
        piece = np.where(known, wide, 0.0).sum(axis=0) / np.maximum(n, 1)
        shift, total = piece - self._mean, np.maximum(self._count + n, 1)
        spread = np.where(known, (wide - piece) ** 2, 0.0).sum(axis=0)
        self._squares += spread + shift**2 * self._count * n / total
        self._mean, self._count = self._mean + shift * n / total, self._count + n
        self._low = np.fmin(self._low, np.where(known, wide, np.inf).min(axis=0, initial=np.inf))
        self._high = np.fmax(self._high, np.where(known, wide, -np.inf).max(axis=0, initial=-np.inf))
        self._whole &= np.where(known, wide == np.rint(wide), True).all(axis=0)

    def channels(self) -> list[tuple[bool, float, float]]:
        """(whole numbers, lowest, highest) of each column.

        Raises:
            DataError: a column without any value.
        """
        empty = np.flatnonzero(self._count == 0)
        if len(empty):
            raise DataError(
                f"{self._path}: column {self._columns[int(empty[0])]} holds no value at all",
                hint="Leave it out by naming the others with data.value_columns.",
            )
        facts = zip(self._whole.tolist(), self._low.tolist(), self._high.tolist(), strict=True)
        return [(bool(whole), float(low), float(high)) for whole, low, high in facts]

    def scale(self) -> list[list[float]]:
        """[mean, deviation] of each column."""
        std = np.sqrt(self._squares / np.maximum(self._count, 1))
        return [[float(mean), float(deviation)] for mean, deviation in zip(self._mean, std, strict=True)]


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _matrix(table: Any, columns: list[str]) -> NDArray[np.float32]:
    """float32 `(n, D)`; null is NaN."""
    with np.errstate(over="ignore"):  # what is too large is found as infinite
        arrays = [
            table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
            if isinstance(table, pa.RecordBatch)
            else table.column(name).cast(pa.float64()).to_numpy().astype(np.float32)
            for name in columns
        ]
    return np.stack(arrays, axis=1)


def _numbered(column: Any, names: dict[str, int]) -> NDArray[np.int64]:
    """A number for each label, new ones taken into `names`; -1 where there is none."""
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    table = [names.setdefault(label_name(value), len(names)) for value in coded.dictionary.to_pylist()]
    numbers = coded.indices.fill_null(len(table)).to_numpy(zero_copy_only=False).astype(np.int64)
    found: NDArray[np.int64] = np.asarray([*table, -1], dtype=np.int64)[numbers]
    return found
