"""The readers: which file is whose, and from file to Source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.errors import DataError
from synthgen.io.npz import Archive
from synthgen.io.parquet import parquet_files
from synthgen_timeseries.archive import parse_ts, parse_ucr, parts_of, together
from synthgen_timeseries.arff import parse_arff
from synthgen_timeseries.collection import Collection, channels_named, label_name
from synthgen_timeseries.layout import collection_of
from synthgen_timeseries.table import csv_files, first_line, read_csv, read_parquet
from synthgen_timeseries.windows import cut_each, cut_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.config import DataConfig

__all__ = ["ArffReader", "CsvReader", "NpzReader", "ParquetReader", "TsReader", "UcrReader", "series_in"]

_UCR = (".tsv", ".txt")


class UcrReader:
    """UCR archive text files; `X_TRAIN` brings `X_TEST` beside it."""

    def accepts(self, path: Path) -> bool:
        """A `.tsv` or `.txt` with only numbers after the first label, or a directory with a `_TRAIN` one."""
        if path.is_dir():
            return any(file.suffix.lower() in _UCR and file.stem.lower().endswith("_train") for file in path.iterdir())
        return path.is_file() and path.suffix.lower() in _UCR and _holds_numbers(first_line(path))

    def read(self, path: Path, options: DataConfig) -> Source:
        """Both parts with the official split where there are two files."""
        parts = parts_of(path, _UCR)
        collection = together(
            [parse_ucr(file) for _, file in parts], [name for name, _ in parts], note="UCR text format"
        )
        return cut_each(collection, options).source(str(path), options)


class TsReader:
    """`.ts` files of sktime and aeon; `X_TRAIN.ts` brings `X_TEST.ts` beside it."""

    def accepts(self, path: Path) -> bool:
        """A `.ts` file, or a directory with a `_TRAIN.ts`."""
        if path.is_dir():
            return any(file.suffix.lower() == ".ts" and file.stem.lower().endswith("_train") for file in path.iterdir())
        return path.is_file() and path.suffix.lower() == ".ts"

    def read(self, path: Path, options: DataConfig) -> Source:
        """Both parts with the official split where there are two files."""
        parts = parts_of(path, (".ts",))
        collection = together([parse_ts(file) for _, file in parts], [name for name, _ in parts], note=".ts format")
        return cut_each(collection, options).source(str(path), options)


class ArffReader:
    """`.arff` files of the UCR/UEA archive; `X_TRAIN.arff` brings `X_TEST.arff` beside it."""

    def accepts(self, path: Path) -> bool:
        """An `.arff` file, or a directory with a `_TRAIN.arff`."""
        if path.is_dir():
            names = (file for file in path.iterdir() if file.suffix.lower() == ".arff")
            return any(file.stem.lower().endswith("_train") for file in names)
        return path.is_file() and path.suffix.lower() == ".arff"

    def read(self, path: Path, options: DataConfig) -> Source:
        """Both parts with the official split where there are two files."""
        parts = parts_of(path, (".arff",))
        collection = together([parse_arff(file) for _, file in parts], [name for name, _ in parts], note=".arff format")
        return cut_each(collection, options).source(str(path), options)


class CsvReader:
    """Comma, semicolon or tab separated tables: long, wide or one long series; also our own CSV data sets."""

    def accepts(self, path: Path) -> bool:
        """A `.csv`, a `.tsv` or `.txt` with a header, or a directory of `.csv` files."""
        if path.is_dir():
            return bool(csv_files(path))
        name = path.name.lower()
        if name.endswith((".csv", ".csv.gz")):
            return path.is_file()
        return path.is_file() and path.suffix.lower() in _UCR and not _holds_numbers(first_line(path))

    def read(self, path: Path, options: DataConfig) -> Source:
        """The layout follows from the columns."""
        return collection_of(read_csv(path), options).source(str(path), options)


class ParquetReader:
    """Parquet files with list columns, or long, wide or one long series; also our own data sets."""

    def accepts(self, path: Path) -> bool:
        """A `.parquet` file, or a directory with such files or with `data/*.parquet`."""
        if path.is_dir():
            return bool(parquet_files(path))
        return path.is_file() and path.suffix.lower() in (".parquet", ".pq")

    def read(self, path: Path, options: DataConfig) -> Source:
        """The layout follows from the columns."""
        return collection_of(read_parquet(path), options).source(str(path), options)


class NpzReader:
    """NumPy archives: `X` as `(N, C, L)` or `(N, L)` with `y`, or `X_train`, `y_train`, `X_test`, `y_test`.

    `data.group_column` names an array with the group of each series.
    """

    def accepts(self, path: Path) -> bool:
        """A `.npz` file."""
        return path.is_file() and path.suffix.lower() == ".npz"

    def read(self, path: Path, options: DataConfig) -> Source:
        """NaN at the end of a series is padding."""
        collection = _archived(path, options)
        if len(collection.series) == 1 and collection.label is None:
            return cut_one(collection.series[0], collection, options, where=str(path)).source(str(path), options)
        return cut_each(collection, options).source(str(path), options)


def series_in(path: Path, options: DataConfig) -> Collection | None:
    """The series of this one archive file, whatever stands beside it; None for what is a table or nothing of ours."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _archived(path, options)
    if suffix in _UCR and _holds_numbers(first_line(path)):
        return together([parse_ucr(path)], [""], note="UCR text format")
    parse = {".ts": parse_ts, ".arff": parse_arff}.get(suffix)
    return None if parse is None else together([parse(path)], [""], note=suffix)


def _archived(path: Path, options: DataConfig) -> Collection:
    archive = Archive(path)
    arrays = archive.all()
    if _key(arrays, "X_train"):
        names = [name for name in ("train", "test") if _key(arrays, f"X_{name}")]
    else:
        names = [""]
    series: list[NDArray[np.float64]] = []
    label: list[str] = []
    split: list[str] = []
    for name in names:
        suffix = f"_{name}" if name else ""
        values = _values(arrays, f"X{suffix}", path)
        labels = _label_of(arrays, options, suffix, len(values), path)
        series.extend(values)
        label.extend(labels)
        split.extend([name] * len(values))
    if label and len(label) != len(series):
        raise DataError(f"{path}: only one of the parts has labels")
    channels = _channel_names(arrays, series[0].shape[0])
    return Collection(
        series=series,
        channels=channels_named(channels),
        label=label or None,
        groups=archive.each(options.group_column, len(series)) if options.group_column else None,
        split=np.array(split) if len(names) > 1 else None,
        notes=["NumPy archive, X as (series, channels, steps)"],
        label_column=options.label_column or "label",
    )


def _holds_numbers(line: str) -> bool:
    cells = line.replace(",", "\t").split()
    try:
        return len(cells) > 1 and bool([float(cell.replace("?", "nan")) for cell in cells[1:]])
    except ValueError:
        return False


def _key(arrays: dict[str, NDArray[Any]], *names: str) -> str:
    by_lower = {name.lower(): name for name in arrays}
    return next((by_lower[name.lower()] for name in names if name.lower() in by_lower), "")


def _values(arrays: dict[str, NDArray[Any]], name: str, path: Path) -> list[NDArray[np.float64]]:
    key = _key(arrays, name, "values", "data")
    if not key:
        raise DataError(f"{path} has no array {name}; it holds {', '.join(arrays) or 'nothing'}")
    array = arrays[key]
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise DataError(f"{path}: array {key} of type {array.dtype} does not hold real numbers")
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3 or 0 in array.shape:
        raise DataError(
            f"{path}: array {key} has shape {array.shape}, expected (series, channels, steps) or (series, steps)"
        )
    return list(array.astype(np.float64))


def _label_of(arrays: dict[str, NDArray[Any]], options: DataConfig, suffix: str, size: int, path: Path) -> list[str]:
    asked = options.label_column
    key = (
        _key(arrays, f"{asked}{suffix}", asked)
        if asked
        else _key(arrays, f"y{suffix}", f"labels{suffix}", f"label{suffix}")
    )
    if not key:
        if asked:
            raise DataError(f"{path} has no array {asked!r}; it holds {', '.join(arrays)}")
        return []
    if arrays[key].size != size:
        raise DataError(f"{path}: {size} series but {len(arrays[key])} labels in {key}")
    return [label_name(value) for value in arrays[key].reshape(size).tolist()]


def _channel_names(arrays: dict[str, NDArray[Any]], count: int) -> list[str]:
    key = _key(arrays, "channels", "channel_names")
    if key and len(arrays[key]) == count:
        return [str(name) for name in arrays[key].tolist()]
    return ["value"] if count == 1 else [f"channel_{index}" for index in range(count)]
