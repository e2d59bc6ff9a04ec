"""Columns of a table as channels: numbers, whole numbers, and names, which are categories."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.api import Channel
from synthgen.data.attributes import described
from synthgen_timeseries.roles import Roles, is_numeric
from synthgen_timeseries.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["category", "channel_columns", "with_categories"]

_MOST_NAMES = 32
_ROWS_A_NAME = 4


def with_categories(table: Table, roles: Roles, options: DataConfig) -> Roles:
    """The roles with columns of a few names among the channels, unless `data.value_columns` names these."""
    if options.value_columns:
        return roles
    found = [name for name in roles.ignored if _few_names(table, name) and _changes(table, name, roles.identity)]
    order = [name for name in table.columns if name in roles.values or name in found]
    kept = tuple(name for name in roles.ignored if name not in found)
    return dataclasses.replace(roles, values=tuple(order), ignored=kept)


def channel_columns(table: Table, names: Sequence[str]) -> tuple[NDArray[np.float64], tuple[Channel, ...]]:
    """Columns as `(C, rows)` numbers, a category as the index of its name, and their channels.

    Raises:
        DataError: a cell is not a number, with its place.
    """
    rows, channels = [], []
    for name in names:
        cells = table.frame[name]
        if pd.api.types.is_bool_dtype(cells.dtype) or not is_numeric(table, name):
            empty = cells.isna().tolist()
            values, channel = category(
                name, [None if lost else cell for cell, lost in zip(cells.tolist(), empty, strict=True)]
            )
        else:
            whole = pd.api.types.is_integer_dtype(cells.dtype)
            values, channel = table.numbers(name), Channel(name, "integer" if whole else "continuous")
        rows.append(values)
        channels.append(channel)
    return np.stack(rows), tuple(channels)


def category(name: str, cells: Sequence[Any]) -> tuple[NDArray[np.float64], Channel]:
    """Names as numbers, NaN where there is none, and their channel."""
    found, codes = described(name, cells, kind="category")
    return np.where(codes < 0, np.nan, codes).astype(np.float64), Channel(name, "categorical", values=found.values)


def _changes(table: Table, name: str, identity: str) -> bool:
    """Whether a column has two values in any of the series; one that has not says something of the series itself."""
    return not identity or bool(table.frame.groupby(identity)[name].nunique().max() > 1)


def _few_names(table: Table, name: str) -> bool:
    if name not in table.frame or pd.api.types.is_datetime64_any_dtype(table.frame[name].dtype):
        return False
    known = table.frame[name].dropna()
    return 2 <= known.nunique() <= min(_MOST_NAMES, len(known) / _ROWS_A_NAME)
