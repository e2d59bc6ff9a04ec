"""Tables on disk: CSV, TSV and Parquet in, Parquet and CSV out.

Beside our own data sets stands `columns.json` (kinds, categories, ranges), so that they read back as what they were:
a CSV file alone does not say that "1" was a category.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from synthgen.api import ROW_COLUMNS, Records, Schema, Source, WrittenFile
from synthgen.data.source import ArraySource
from synthgen.errors import DataError
from synthgen.io.atomic import write_text, written
from synthgen.io.parquet import Column
from synthgen.io.shard_writer import AsCsv, RecordWriter
from synthgen_tabular.table import columns_of, describe_columns, frame_of, make_schema, records_of

if TYPE_CHECKING:
    from synthgen.config import DataConfig

__all__ = ["CsvWriter", "ParquetWriter", "TableReader", "source_of"]

_BESIDE = "columns.json"
_USUAL = ("label", "class", "target", "y")
_SUFFIXES = (".csv", ".tsv", ".parquet")
_MOST_CLASSES = 20


def source_of(
    frame: pd.DataFrame,
    *,
    label: str | None = None,
    group: str | None = None,
    leave: tuple[str, ...] = (),
    known: Schema | None = None,
) -> ArraySource:
    """A table as a source.

    Args:
        frame: the table.
        label: column of the label, or of the numeric target when it holds more than 20 different numbers.
        group: column whose equal values never part at splitting.
        leave: columns to leave out.
        known: the schema of a data set of ours, whose kinds and categories count.

    Raises:
        DataError: a named column is missing, or nothing is left.
    """
    for column in filter(None, (label, group)):
        if column not in frame:
            raise DataError(f"the table has no column {column!r}; its columns are {', '.join(map(str, frame))}")
    notes: list[str] = []
    names = None
    target = None
    if label is not None:
        beside = f"{label}_name" if f"{label}_name" in frame else label
        numeric = pd.api.types.is_numeric_dtype(frame[beside].dtype) and frame[beside].nunique() > _MOST_CLASSES
        if numeric:
            target = label
        else:
            kept = frame[beside].notna()
            if not kept.all():
                notes.append(f"{int((~kept).sum())} rows without a label were left out")
                frame = frame[kept]
            names = frame[beside].astype(str)
    ours = ROW_COLUMNS if "sample_id" in frame.columns else ()
    out = {*leave, *ours, *filter(None, (group, None if target else label, f"{label}_name"))}
    body = frame.drop(columns=[name for name in frame.columns if name in out]).reset_index(drop=True)
    if known is None:
        columns, left_out = describe_columns(body)
        notes += left_out
        labels: tuple[str, ...] = () if names is None else tuple(sorted(set(names)))
        label_column = label if label and names is not None else "label"
        schema = make_schema(columns, labels=labels, label_column=label_column, target=target)
    elif names is None and known.labels:
        schema = make_schema(columns_of(known), labels=(), label_column=known.label_column, target=None)
    else:
        schema = known
    index = None
    if names is not None:
        position = {name: number for number, name in enumerate(schema.labels)}
        index = np.array([position.get(name, -1) for name in names], dtype=np.int64)
    groups = None if group is None else frame[group].astype(str).to_numpy()
    return ArraySource(schema, records_of(body, columns_of(schema), index), groups=groups, notes=notes)


class TableReader:
    """Reads a CSV, TSV or Parquet file, or a data set directory of ours."""

    def accepts(self, path: Path) -> bool:
        """Whether it is one, by its name."""
        return bool(_files(path))

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: naming the file, and the column or row.
        """
        files = _files(path)
        frame = pd.concat([_frame(file) for file in files], ignore_index=True)
        if frame.empty:
            raise DataError(f"{path} holds no rows")
        known = _known(path)
        label = options.label_column
        if known is not None:
            label = known.label_column if known.labels and known.label_column in frame else None
        elif label is None:
            label = next((name for name in _USUAL if name in frame), None)
        leave = tuple(filter(None, (options.id_column,)))
        return source_of(frame, label=label, group=options.group_column, leave=leave, known=known)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in _SUFFIXES else []
    for pattern in ("data/*", "*"):
        found = sorted(file for file in path.glob(pattern) if file.suffix in _SUFFIXES)
        if found:
            return found
    return []


def _frame(file: Path) -> pd.DataFrame:
    try:
        if file.suffix.lower() == ".parquet":
            return pd.read_parquet(file)
        return pd.read_csv(file, sep="\t" if file.suffix.lower() == ".tsv" else ",")
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not a readable table: {str(error).splitlines()[0]}") from error


def _known(path: Path) -> Schema | None:
    beside = path / _BESIDE
    return Schema.from_json(beside.read_text(encoding="utf-8")) if beside.is_file() else None


class ParquetWriter(RecordWriter):
    """sample_id, label, label_name, the columns, seed, guidance; int64, double and string. Beside: `columns.json`."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The table's own columns."""
        table = pa.Table.from_pandas(frame_of(records, schema), preserve_index=False)
        return {name: table[name].combine_chunks() for name in table.column_names}

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """The schema, so that the data set reads back as what it was."""
        write_text(directory / _BESIDE, schema.to_json())
        return [written(directory, directory / _BESIDE, 0)]


class CsvWriter(AsCsv, ParquetWriter):
    """The same columns as text; its numbers read back to the same float64."""
