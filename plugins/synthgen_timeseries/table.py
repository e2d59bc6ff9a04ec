"""A table of the user's, CSV or Parquet, with what is needed to name a cell in a message."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import warnings
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.api import Attribute, Channel
from synthgen.errors import DataError
from synthgen.io.attribute_cells import footer_attributes
from synthgen.io.parquet import features_of, open_parquet, parquet_files, read_columns

__all__ = [
    "Table",
    "begins_with_mark",
    "csv_files",
    "decimal_mark",
    "first_line",
    "read_csv",
    "read_parquet",
    "separator",
]

_MISSING = ("?",)
_LOOKED_AT = 200  # lines
_WITH_POINT = re.compile(r"\s*[+-]?\d*\.\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_WITH_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_GROUPED = re.compile(r"\s*[+-]?\d{1,3}([,.]\d{3})*([,.]\d+)?\s*")


@dataclass(frozen=True)
class Table:
    """Columns of scalars, and for Parquet also columns of lists.

    Args:
        path: file or folder, for messages.
        frame: the columns of scalars.
        lists: column name -> Arrow array of numeric lists, one a series.
        classes: column name -> class names, for integer columns that the file declares to be class labels.
        steps: length to which the writer of the file had padded its series; 0 when it does not say.
        files: the CSV files of the table, for line numbers.
        notes: sentences for the user.
        members: column name -> list of texts, or None, for each row.
        attributes, channels: what a file of ours says of its own.
    """

    path: Path
    frame: pd.DataFrame
    lists: dict[str, pa.ListArray] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    steps: int = 0
    files: tuple[Path, ...] = ()
    header: bool = True
    notes: tuple[str, ...] = ()
    members: dict[str, list[Any]] = field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()
    channels: tuple[Channel, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of all columns that can have a role."""
        return [*map(str, self.frame.columns), *self.lists, *self.members]

    def place(self, row: int) -> str:
        """Where a row stands: `file, line 17` for text, `file, row 16` (from 0) for Parquet."""
        if not self.files:
            return f"{self.path}, row {row}"
        left = row
        try:
            for path in self.files:
                with _open_text(path) as text:
                    reader = csv.reader(text, delimiter=separator(path))
                    rows = (reader.line_num for cells in reader if any(cell.strip() for cell in cells))
                    if self.header:
                        next(rows, None)
                    for line in rows:
                        if left == 0:
                            return f"{path}, line {line}"
                        left -= 1
        except csv.Error:  # a cell of more characters than lines can be counted with
            pass
        return f"{self.path}, row {row}"

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of scalars as float64.

        Raises:
            DataError: a cell is not a number, with its place.
        """
        series = self.frame[column]
        if pd.api.types.is_numeric_dtype(series.dtype):
            return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
        converted = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.flatnonzero(np.isnan(converted) & series.notna().to_numpy())
        if bad.size:
            row = int(bad[0])
            more = f" (and {bad.size - 1} more cells of the column)" if bad.size > 1 else ""
            raise DataError(
                f"{self.place(row)}, column {column}: {str(series.iloc[row])[:80]!r} is not a number{more}",
                hint="Correct the cell, leave it empty if it is missing, or name the channels with data.value_columns.",
            )
        return np.asarray(converted)


def csv_files(path: Path) -> list[Path]:
    """The CSV files of a file or a data set directory, sorted; may be empty."""
    if path.is_file():
        return [path]
    for pattern in ("*.csv", "data/*.csv"):
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        if found:
            return found
    return []


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def first_line(path: Path) -> str:
    """The first line that is not blank, or "" when there is none or it is not text.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        with _open_text(path) as text:
            return next((line.rstrip("\r\n") for line in text if line.strip()), "")
    except UnicodeDecodeError:
        return ""
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def separator(path: Path) -> str:
    """What separates the cells: the candidate that the first line holds most often."""
    line = first_line(path)
    return max(",;\t|", key=line.count)


def begins_with_mark(path: Path) -> bool:
    """Whether a text file begins with the byte order mark of UTF-8."""
    opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    with opened as file:
        return bool(file.read(3) == codecs.BOM_UTF8)


def decimal_mark(path: Path) -> str:
    """`,` where the first lines hold numbers like 24,17 and none like 24.17; a date like 18.04.2024 is neither."""
    sep = separator(path)
    if sep == ",":
        return "."
    with _open_text(path) as text:
        cells = [cell for row in csv.reader(islice(text, _LOOKED_AT), delimiter=sep) for cell in row]
    points, commas = (any(map(like.fullmatch, cells)) for like in (_WITH_POINT, _WITH_COMMA))
    return "," if commas and not points else "."


def read_csv(path: Path) -> Table:
    """A CSV file, or all those of a directory one after the other.

    Raises:
        DataError: missing, empty, not text, or with lines of unequal length.
    """
    files = csv_files(path)
    if not files:
        raise DataError(f"no CSV file in {path}" if path.is_dir() else f"no file at {path}")
    line = first_line(files[0])
    header = not _is_data(line.split(separator(files[0])))
    frames = [_read_csv(file, header=header) for file in files]
    for file, frame in zip(files, frames, strict=True):
        if list(frame.columns) != list(frames[0].columns):
            raise DataError(f"{file} has other columns than {files[0].name} beside it")
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    if not len(frame):
        raise DataError(f"{path} has a header but no rows")
    notes = () if header else (f"{path.name} has no header line; columns are numbered c0 to c{len(frame.columns) - 1}",)
    frame = _tidy(frame)
    notes = (*notes, *_grouped_numbers(frame))
    return Table(path, frame, files=tuple(files), header=header, notes=notes)


def _grouped_numbers(frame: pd.DataFrame) -> list[str]:
    """A sentence for each column of text that is numbers with commas, such as 1,234.5, for most of its cells."""
    notes = []
    for name in frame.select_dtypes(exclude=["number", "bool", "datetime", "datetimetz"]).columns:
        cells = frame[name].dropna().head(_LOOKED_AT).astype(str)
        if len(cells) and cells.map(lambda cell: "," in cell and bool(_GROUPED.fullmatch(cell))).mean() >= 0.5:
            notes.append(
                f"{name} is taken as text, but looks like numbers with commas ({cells.iloc[0]}): save them without "
                "separators of thousands and with a decimal point"
            )
    return notes


def _is_data(cells: list[str]) -> bool:
    """Whether the first line holds values: all numbers, and not the step numbers of a wide table."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    return bool(numbers) and not (len(numbers) > 1 and np.array_equal(np.diff(numbers), np.ones(len(numbers) - 1)))


def _read_csv(path: Path, *, header: bool) -> pd.DataFrame:
    sep = separator(path)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=sep,
                decimal=decimal_mark(path),
                header=0 if header else None,
                encoding="utf-8-sig",
                na_values=list(_MISSING),
                low_memory=False,
                index_col=False,
            )
        if said:  # pandas has cut off what lies beyond the header
            _check_nothing_beyond(path, sep, len(frame.columns))
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty") from error
    except pd.errors.ParserError as error:
        raise DataError(f"{path} is not a regular table: {str(error).split('C error: ')[-1].strip()}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start})", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return frame if header else frame.rename(columns=lambda number: f"c{number}")


def _check_nothing_beyond(path: Path, sep: str, columns: int) -> None:
    """Refuse rows with more cells than the header has names; empty ones are the mark of a separator at the end."""
    number = 0
    try:
        with _open_text(path) as text:
            for number, row in enumerate(csv.reader(text, delimiter=sep), 1):
                if any(cell.strip() for cell in row[columns:]):
                    raise DataError(f"{path}, line {number}: {len(row)} cells, and the header has {columns} names")
    except csv.Error as error:
        raise DataError(f"{path}, line {number + 1}: {error}") from error


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the nameless index column that pandas and R write; names as text."""
    renamed = frame.rename(columns=lambda name: str(name).strip())
    return renamed.drop(columns=[name for name in renamed.columns if name in ("Unnamed: 0", "")])


def read_parquet(path: Path) -> Table:
    """A Parquet file, or all those of a data set directory one after the other.

    Raises:
        DataError: missing, damaged or empty.
    """
    files = parquet_files(path)
    if not files:
        raise DataError(f"no Parquet file in {path}")
    schema = open_parquet(files[0]).schema_arrow
    table = read_columns(files)
    if not len(table):
        raise DataError(f"{path} holds no rows")
    lists = {entry.name: table[entry.name].combine_chunks() for entry in table.schema if _is_numeric_list(entry.type)}
    scalars = [entry.name for entry in table.schema if not pa.types.is_nested(entry.type)]
    frame = table.select(scalars).to_pandas()
    classes = {
        name: list(feature["names"])
        for name, feature in features_of(schema).items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
    }
    steps = (schema.metadata or {}).get(b"synthgen.steps", b"0")
    members = {entry.name: table[entry.name].to_pylist() for entry in table.schema if _is_text_list(entry.type)}
    return Table(
        path,
        _tidy(frame),
        lists,
        classes,
        int(steps) if steps.isdigit() else 0,
        members=members,
        attributes=footer_attributes(schema),
        channels=_footer_channels(schema),
    )


def _footer_channels(schema: Any) -> tuple[Channel, ...]:
    raw = (schema.metadata or {}).get(b"synthgen.channels")
    try:
        rows = json.loads(raw) if raw else []
        return tuple(Channel(**{**row, "values": tuple(row["values"])}) for row in rows)
    except (ValueError, RecursionError, KeyError, TypeError):
        return ()


def _is_text_list(kind: Any) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(listed and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)))


def _is_numeric_list(kind: Any) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not listed:
        return False
    inner = kind.value_type
    return bool(pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner))
