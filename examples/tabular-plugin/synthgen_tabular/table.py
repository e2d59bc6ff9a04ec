"""Tables and records: what kind each column is, which categories it has, and whether values may be missing.

Records hold one array a column: float64 with NaN for missing where it is continuous or integer, object arrays of
strings with None for missing where it is categorical.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthgen.api import Channel, Condition, Records, Schema
from synthgen.errors import DataError

__all__ = ["Column", "columns_of", "describe_columns", "frame_of", "make_schema", "records_of"]

MOST_CATEGORIES = 100


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: as in the file.
        kind: `continuous`, `integer` or `categorical`.
        categories: the values of a categorical column, sorted.
        missing: whether values may be missing.
        low, high: range of a numeric column.
        centre, spread: mean and standard deviation of a numeric column, for distances.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    missing: bool = False
    low: float | None = None
    high: float | None = None
    centre: float = 0.0
    spread: float = 1.0

    @property
    def width(self) -> int:
        """Places in an encoded record: one for a number, one a category, one more for a flag of missing values."""
        return (len(self.categories) if self.kind == "categorical" else 1) + int(self.missing)


def columns_of(schema: Schema) -> tuple[Column, ...]:
    """The columns that a schema describes."""
    return tuple(Column(**{**entry, "categories": tuple(entry["categories"])}) for entry in schema.extra["columns"])


def describe_columns(frame: pd.DataFrame) -> tuple[list[Column], list[str]]:
    """The columns of a frame, and a note for each that is left out."""
    columns, notes = [], []
    for name in frame.columns:
        values = frame[name]
        if values.isna().all():
            notes.append(f"column {name} is left out: it holds no value")
            continue
        if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
            known = tuple(sorted({str(value) for value in values.dropna()}))
            if len(known) > MOST_CATEGORIES:
                notes.append(f"column {name} is left out: {len(known)} different texts are no categories")
                continue
            columns.append(Column(str(name), "categorical", known, bool(values.isna().any())))
            continue
        numbers = values.astype(float).to_numpy()
        seen = numbers[np.isfinite(numbers)]
        if not len(seen):
            notes.append(f"column {name} is left out: it holds no finite number")
            continue
        kind = "integer" if (seen == np.round(seen)).all() and np.abs(seen).max() < 2**53 else "continuous"
        missing = len(seen) < len(numbers)
        low, high, spread = float(seen.min()), float(seen.max()), float(seen.std()) or 1.0
        columns.append(Column(str(name), kind, (), missing, low, high, float(seen.mean()), spread))
    if not columns:
        raise DataError("the table has no column to learn from", hint="Columns may be numbers, booleans or categories.")
    return columns, notes


def make_schema(columns: Sequence[Column], *, labels: Sequence[str], label_column: str, target: str | None) -> Schema:
    """The schema of a table; `target` is the numeric column to predict where there are no labels."""
    conditions = (Condition("label", "class", len(labels)),) if labels else ()
    channels = [
        Channel(column.name, column.kind, low=column.low, high=column.high)  # type: ignore[arg-type]
        for column in columns
    ]
    entries = [{**dataclasses.asdict(column), "categories": list(column.categories)} for column in columns]
    width = sum(column.width for column in columns)
    extra: Mapping[str, Any] = {"columns": entries, "target": target}
    return Schema("tabular", (1, width), tuple(channels), tuple(labels), label_column, conditions, extra)


def records_of(frame: pd.DataFrame, columns: Sequence[Column], label: NDArray[np.int64] | None) -> Records:
    """A frame as records.

    Raises:
        DataError: a column is missing, or a numeric one holds text.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for column in columns:
        if column.name not in frame:
            raise DataError(f"the table has no column {column.name!r}; its columns are {', '.join(map(str, frame))}")
        values = frame[column.name]
        if column.kind == "categorical":
            texts = [None if gone else str(value) for value, gone in zip(values, values.isna(), strict=True)]
            arrays[column.name] = np.array(texts, dtype=object)
            continue
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        bad = np.flatnonzero(~np.isfinite(numbers) & values.notna().to_numpy())
        if len(bad):
            raise DataError(f"column {column.name}, row {bad[0] + 1}: {values.iloc[bad[0]]!r} is not a finite number")
        arrays[column.name] = numbers
    return Records(arrays, label)


def frame_of(records: Records, schema: Schema) -> pd.DataFrame:
    """Records as a frame: Int64 for integers, so that missing ones stay missing; strings for categories."""
    series = {}
    for column in columns_of(schema):
        values = records[column.name]
        if column.kind == "integer":
            series[column.name] = pd.Series(np.round(values.astype(float))).astype("Int64")
        elif column.kind == "categorical":
            series[column.name] = pd.Series(values, dtype="string")
        else:
            series[column.name] = pd.Series(values.astype(float))
    return pd.DataFrame(series)
