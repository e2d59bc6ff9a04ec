"""Which column of a table is what: id, time, label, group, channel. What the options do not name is guessed."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from synthgen.api import ROW_COLUMNS
from synthgen.errors import DataError
from synthgen_timeseries.table import Table

if TYPE_CHECKING:
    from synthgen.config import DataConfig

__all__ = ["Roles", "is_numeric", "is_step_name", "require_column", "roles_of", "steps_among"]

_IDS = ("unique_id", "series_id", "item_id", "case_id", "sample_id", "id", "series", "sample", "case", "recording")
_ID_LIKE = re.compile(r".*[ _-]id|.*[a-z]I[dD]|.*[A-Z]{2}ID", re.DOTALL)
"""patient_id, device id, customerId; not humid."""
_UNITS = ("device", "sensor", "machine", "patient", "subject", "store", "user", "unit", "station", "asset", "engine")
"""Of what people have several series each."""
_TIMES = ("ds", "timestamp", "datetime", "date", "time", "time_step", "timestep", "step", "t", "index")
_LABELS = ("label", "class", "class_name", "class_label", "classlabel", "category", "activity")
_STEP = re.compile(r"(t|step|time|ts|v|value)?[ _-]?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """Column names by role; "" where there is none.

    Args:
        ignored: columns that are neither numbers nor any of these roles.
        attributes: columns with one value a series, by the options or because the file says so.
    """

    identity: str
    time: str
    label: str
    group: str
    values: tuple[str, ...]
    ignored: tuple[str, ...]
    attributes: tuple[str, ...] = ()


def is_step_name(name: str) -> bool:
    """Whether a column of this name is one step of a series: 0, t0, step_12, value 3."""
    return _STEP.fullmatch(name) is not None


def steps_among(roles: Roles) -> tuple[str, ...]:
    """The channels that are steps by their names, if most of them are: those of a wide table."""
    steps = tuple(name for name in roles.values if is_step_name(name))
    return steps if len(steps) >= max(2, len(roles.values) // 2 + 1) else ()


def roles_of(table: Table, options: DataConfig) -> Roles:
    """The roles, from the options first and by the usual names otherwise.

    Raises:
        DataError: a column that was asked for does not exist, or no channel is left.
    """
    asked = (options.id_column, options.time_column, options.label_column, options.group_column)
    for name in (*(name for name in asked if name), *options.value_columns, *options.attributes):
        require_column(table, name)
    channels = [channel.name for channel in table.channels]
    attributes = options.attributes or tuple(each.name for each in table.attributes if each.name in table.columns)
    taken = {name for name in (*asked, *options.value_columns, *attributes) if name}
    identity = options.id_column or _guess(table, _IDS, taken) or _guess_unit(table, taken)
    taken.add(identity)
    label = options.label_column or _guess_label(table, taken)
    # Our own writers put the name of the class beside its number.
    names = f"{label}_name" if label and f"{label}_name" in table.columns else ""
    if names and label not in table.classes and table.frame[names].notna().any():
        label, names = names, label
    taken.update((label, names))
    time = options.time_column or _guess_time(table, taken)
    taken.update((time, options.group_column or ""))
    if "sample_id" in table.columns or identity == "unique_id":
        taken.update(ROW_COLUMNS)
    if any(channel.kind == "interval" for channel in table.channels):
        taken.add("ds")  # of our wide files: the times that the intervals add up to
    values = options.value_columns or tuple(
        name
        for name in table.columns
        if name not in taken
        and (name not in table.members or name in channels)
        and (name in table.members or name in table.lists or is_numeric(table, name))
    )
    order = {name: place for place, name in enumerate(channels)}
    values = tuple(sorted(values, key=lambda name: order.get(name, len(order))))  # stable: others stay as they are
    if not values:
        raise DataError(
            f"{table.path} has no numeric columns to learn from; its columns are {', '.join(table.columns)}",
            hint="Name the channels with data.value_columns.",
        )
    ignored = tuple(name for name in table.columns if name not in taken and name not in values)
    return Roles(identity, time, label, options.group_column or "", values, ignored, attributes)


def require_column(table: Table, name: str) -> None:
    """Complain about a column that was named and that is not there.

    Raises:
        DataError: with the columns that there are and the closest name.
    """
    if name in table.columns:
        return
    close = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
    shown = ", ".join(table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")
    hint = f"Did you mean {close[0]}?" if close else ""
    raise DataError(f"{table.path} has no column {name!r}; its columns are {shown}", hint=hint)


def _guess(table: Table, candidates: tuple[str, ...], taken: set[str]) -> str:
    by_lower = {name.lower(): name for name in map(str, table.frame.columns) if name not in taken}
    return next((by_lower[name] for name in candidates if name in by_lower), "")


def _guess_unit(table: Table, taken: set[str]) -> str:
    """A column that by its name tells series apart, and whose values come again."""
    names = [name for name in map(str, table.frame.columns) if name not in taken]
    ids = [name for name in names if _ID_LIKE.fullmatch(name) or _ID_LIKE.fullmatch(name.lower())]
    units = [name for unit in _UNITS for name in names if name.lower() == unit]
    return next((name for name in (*ids, *units) if _comes_again(table.frame[name])), "")


def _comes_again(cells: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(cells.dtype) or pd.api.types.is_bool_dtype(cells.dtype) or cells.isna().any():
        return False
    return 1 < cells.nunique() < len(cells)


def _guess_label(table: Table, taken: set[str]) -> str:
    declared = [name for name in table.classes if name in table.columns and name not in taken]
    if declared:
        return declared[0]
    # Our own tables have the number of the class beside its name.
    paired = [name for name in map(str, table.frame.columns) if name not in taken and f"{name}_name" in table.columns]
    if paired:
        return paired[0]
    plain = _guess(table, _LABELS, taken)
    return plain or _guess(table, ("label_name",), taken)


def _guess_time(table: Table, taken: set[str]) -> str:
    found = _guess(table, _TIMES, taken)
    if found:
        return found
    for name in map(str, table.frame.columns):
        if name not in taken and pd.api.types.is_datetime64_any_dtype(table.frame[name].dtype):
            return name
    return ""


def is_numeric(table: Table, name: str) -> bool:
    """A column of numbers; also one where most cells are, so that reading it names the cell that is not."""
    column = table.frame[name]
    if pd.api.types.is_numeric_dtype(column.dtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    present = column.dropna()
    if not len(present):
        return True
    if isinstance(present.iloc[0], bool) and present.map(lambda cell: isinstance(cell, bool)).all():  # gaps among them
        return False
    return bool(pd.to_numeric(present, errors="coerce").notna().mean() >= 0.5)
