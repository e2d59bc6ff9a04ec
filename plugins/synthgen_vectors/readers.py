"""The readers: NumPy archives, CSV and Parquet tables of numbers, a row a record."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthgen.errors import DataError
from synthgen.io.npz import Archive
from synthgen.io.parquet import ParquetRows, parquet_files, read_columns
from synthgen_vectors.collection import label_name, vector_source
from synthgen_vectors.columns import choose_columns, declared_label
from synthgen_vectors.streamed import streamed_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.config import DataConfig

__all__ = ["CsvReader", "NpzReader", "ParquetReader"]


class NpzReader:
    """`X` as `(N, D)` with `y`, or `X_train`, `y_train`, `X_test`, `y_test`; `columns` may name the columns.

    `data.group_column` names an array with the group of each record.
    """

    def accepts(self, path: Path) -> bool:
        """A `.npz` file."""
        return path.is_file() and path.suffix.lower() == ".npz"

    def read(self, path: Path, options: DataConfig) -> Source:
        """Records with the archive's own split where it has one."""
        archive = Archive(path)
        arrays = archive.all()
        parts = ["_train", "_test"] if "X_train" in arrays and "X_test" in arrays else [""]
        if f"X{parts[0]}" not in arrays:
            raise DataError(f"{path} has no array X; it holds {', '.join(arrays) or 'nothing'}")
        values = [arrays[f"X{part}"] for part in parts]
        for matrix in values:
            if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or matrix.shape[1:] != values[0].shape[1:]:
                raise DataError(
                    f"{path}: X is {matrix.dtype} of shape {matrix.shape}, expected numbers (records, columns)",
                    hint="Images and series have modalities of their own: image, timeseries.",
                )
        key = options.label_column or "y"
        named = [arrays.get(f"{key}{part}", arrays.get(key)) for part in parts]
        labels: list[str] | None = None
        if all(array is not None for array in named):
            labels = [label_name(value) for array in named if array is not None for value in array.ravel().tolist()]
            if len(labels) != sum(map(len, values)):
                raise DataError(f"{path}: {sum(map(len, values))} records but {len(labels)} labels in {key}")
        elif options.label_column:
            raise DataError(f"{path} has no array {key!r}; it holds {', '.join(arrays)}")
        width = values[0].shape[1]
        given = arrays.get("columns")
        names = [f"x{j}" for j in range(width)] if given is None or len(given) != width else [str(n) for n in given]
        split = np.repeat(["train", "test"], [len(part) for part in values]) if len(parts) == 2 else None
        together = np.concatenate(values)
        groups = archive.each(options.group_column, len(together)) if options.group_column else None
        return vector_source(together, names, where=str(path), labels=labels, groups=groups, split=split)


class CsvReader:
    """Comma, semicolon or tab separated tables with a header line."""

    def accepts(self, path: Path) -> bool:
        """A `.csv` or `.tsv` file, or a directory with `.csv` files."""
        if path.is_dir():
            return bool(_csv_files(path))
        return path.is_file() and path.name.lower().endswith((".csv", ".csv.gz", ".tsv"))

    def read(self, path: Path, options: DataConfig) -> Source:
        """The columns that hold numbers, and the label."""
        files = _csv_files(path) if path.is_dir() else [path]
        frames = [_read_csv(file) for file in files]
        for file, frame in zip(files, frames, strict=True):
            if list(frame.columns) != list(frames[0].columns):
                raise DataError(f"{file} has other columns than {files[0].name} beside it")
        return _from_table(pd.concat(frames, ignore_index=True), path, options)


class ParquetReader:
    """Parquet tables, our own data sets among them."""

    def accepts(self, path: Path) -> bool:
        """A `.parquet` file, or a directory with such files or with `data/*.parquet`."""
        if path.is_dir():
            return bool(parquet_files(path))
        return path.is_file() and path.suffix.lower() in (".parquet", ".pq")

    def read(self, path: Path, options: DataConfig) -> Source:
        """The columns that hold numbers, and the label."""
        files = parquet_files(path)
        rows = ParquetRows(files, memory_gib=options.memory_gib)
        if len(rows) * len(rows.schema) * 4 > options.memory_gib * 2**30:
            return streamed_source(rows, path, options)
        return _from_table(read_columns(files).to_pandas(), path, options, declared_label(rows.schema))


def _from_table(frame: pd.DataFrame, path: Path, options: DataConfig, declared: str = "") -> Source:
    frame = frame.rename(columns=lambda name: str(name).strip())
    frame = frame.drop(columns=[name for name in frame.columns if name in ("Unnamed: 0", "")])
    numeric = {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name].dtype)}
    label, named, columns, notes = choose_columns(list(frame.columns), numeric, path, options, declared)
    values = np.stack([_numbers(frame, name, path) for name in columns], axis=1)
    kept = np.ones(len(frame), dtype=bool) if not label else frame[named].notna().to_numpy()
    if not kept.all():
        notes.append(f"{int((~kept).sum())} records without a label are left out")
    return vector_source(
        values[kept],
        columns,
        where=str(path),
        labels=[label_name(value) for value in frame[named][kept]] if label else None,
        label_column=label or "label",
        groups=frame[options.group_column].to_numpy()[kept] if options.group_column else None,
        notes=notes,
    )


def _numbers(frame: pd.DataFrame, name: str, path: Path) -> NDArray[np.float64]:
    column = frame[name]
    converted = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(np.isnan(converted) & column.notna().to_numpy())
    if bad.size:
        raise DataError(f"{path}, record {bad[0]}, column {name}: {str(column.iloc[bad[0]])!r} is not a number")
    return np.asarray(converted)


def _csv_files(path: Path) -> list[Path]:
    for pattern in ("*.csv", "data/*.csv"):
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        if found:
            return found
    return []


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig", na_values=["?"])
    except (pd.errors.EmptyDataError, pd.errors.ParserError, csv.Error, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} is not a readable table: {str(error).splitlines()[0]}") from error
