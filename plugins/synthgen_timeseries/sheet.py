"""A user's table as series that know their cells, so that what was filled goes back to where it was missing.

Unlike the readers, which make training records, nothing is trimmed, cut or left out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from synthgen.api import Timelines
from synthgen.errors import DataError, UsageError
from synthgen_timeseries.dates import DATES, day_first, parsed_stamps
from synthgen_timeseries.readers import series_in
from synthgen_timeseries.roles import Roles, is_step_name, require_column, roles_of, steps_among
from synthgen_timeseries.table import Table, begins_with_mark, decimal_mark, read_csv, read_parquet, separator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Schema
    from synthgen.config import DataConfig
    from synthgen_timeseries.collection import Collection

__all__ = ["IMPUTED", "Sheet", "only_numbers"]

IMPUTED = "imputed"
"""Column that says what was filled in a row."""

_NAMED = ("label_column", "group_column", "id_column", "time_column")


def only_numbers(schema: Schema) -> None:
    """Refuse runs whose channels the model does not see one to one.

    Raises:
        UsageError: channels of names, uneven times, or level and spread beside the shape.
    """
    names = [channel.name for channel in schema.channels if channel.kind in ("categorical", "interval")]
    if not names and schema.shape[0] == len(schema.channels):
        return
    what = f"the channel {names[0]} of this run holds no plain numbers" if names else "the run has data.series_norm"
    raise UsageError(
        f"{what}, and series of any length are filled, continued and scored in plain numbers only",
        hint="Train with data.value_columns, data.intervals=never and without data.series_norm for that.",
    )


@dataclass(frozen=True)
class Sheet:
    """Series and the cells that they came from.

    Args:
        table: as it was read.
        layout: `long` (a row a step), `one` (the same, a single series), `wide` (a row a series, a column a step) or
            `nested` (a row a series, a list a channel).
        roles: columns by role.
        channels: names of the run's channels; columns of the table but in layout `wide`.
        names: of the series.
        series: `(C, T_i)` each; NaN is missing.
        rows: positions in the table of the steps of each series, in order of time, or the one row of each series.
        first_is_day: whether dates such as 05/04/2024 begin with the day; like the run's data where they may do either.
    """

    table: Table
    layout: Literal["long", "one", "wide", "nested"]
    roles: Roles
    channels: tuple[str, ...]
    names: tuple[str, ...]
    series: tuple[NDArray[np.float64], ...]
    rows: tuple[NDArray[np.int64], ...]
    first_is_day: bool = False

    @classmethod
    def open(
        cls, data: Path | str | pd.DataFrame, schema: Schema, options: DataConfig, *, named: Sequence[str] = ()
    ) -> Self:
        """Read a CSV or Parquet file or one of the archives' formats, or take a frame.

        Args:
            data: the file or the frame; of UCR `.tsv`, `.ts`, `.arff` and `.npz` it becomes a table of lists, `label`
                beside them, without the steps at the end that have no value.
            schema: of the run; its channels are looked for by name.
            options: how the run's data was read; columns that this table lacks are guessed.
            named: keys of the options that are meant for this table.

        Raises:
            DataError: not a table, or without the run's channels.
            UsageError: a run whose channels are not plain numbers.
        """
        only_numbers(schema)
        table = _table(data, options)
        channels = tuple(channel.name for channel in schema.channels)
        for key in named:
            require_column(table, getattr(options, key))
        kept: dict[str, object] = {
            name: value if (value := getattr(options, name)) in table.columns else None for name in _NAMED
        }
        listed = [name for name in channels if name in table.lists]
        plain = all(name in table.columns for name in channels) and not listed
        wide = not plain and not listed and channels == ("value",)
        if not (wide or plain or len(listed) == len(channels)):
            raise _lacking(table, channels)
        kept["value_columns"] = () if wide else channels
        roles = roles_of(table, options.model_copy(update=kept))
        if wide and sum(map(is_step_name, roles.values)) < 2 and (roles.time or not (roles.label or roles.identity)):
            raise _lacking(table, channels)
        if listed:
            return cls._nested(table, roles, channels)
        if wide:
            return cls._wide(table, replace(roles, values=steps_among(roles) or roles.values), channels)
        first_is_day = bool(roles.time) and day_first(
            table.frame[roles.time], otherwise=schema.extra.get(DATES) == "day"
        )
        return cls._steps(table, roles, channels, first_is_day)

    @classmethod
    def _nested(cls, table: Table, roles: Roles, channels: tuple[str, ...]) -> Self:
        columns = [[np.asarray(cell, dtype=np.float64) for cell in _lists(table, name)] for name in channels]
        series = []
        for row, cells in enumerate(zip(*columns, strict=True)):
            longest = max(len(cell) for cell in cells)
            if any(len(cell) not in (0, longest) for cell in cells):
                raise DataError(f"{table.place(row)}: the channels have different numbers of steps")
            series.append(np.stack([cell if len(cell) else np.full(longest, np.nan) for cell in cells]))
        rows = tuple(np.array([row]) for row in range(len(series)))
        return cls(table, "nested", roles, channels, _names(table, roles, len(series)), tuple(series), rows)

    @classmethod
    def _wide(cls, table: Table, roles: Roles, channels: tuple[str, ...]) -> Self:
        values = np.stack([table.numbers(name) for name in roles.values], axis=1)
        rows = tuple(np.array([row]) for row in range(len(values)))
        return cls(table, "wide", roles, channels, _names(table, roles, len(values)), tuple(values[:, None]), rows)

    @classmethod
    def _steps(cls, table: Table, roles: Roles, channels: tuple[str, ...], first_is_day: bool) -> Self:
        values = np.stack([table.numbers(name) for name in channels])
        several = bool(roles.identity) and bool(table.frame[roles.identity].duplicated().any())
        code = np.zeros(values.shape[1], dtype=np.int64)
        names: tuple[str, ...] = ("0",)
        if several:
            code, found = pd.factorize(table.frame[roles.identity])
            names = tuple(str(name) for name in found)
        order = np.argsort(code, kind="stable")
        if roles.time:
            stamps = _order(table, roles.time, first_is_day)
            order = np.lexsort((stamps, code))
            again = np.flatnonzero((np.diff(code[order]) == 0) & (stamps[order][1:] == stamps[order][:-1]))
            if again.size:
                raise _twice(table, roles, int(order[again[0] + 1]), several=several)
        rows = tuple(np.split(order, np.flatnonzero(np.diff(code[order])) + 1))
        series = tuple(values[:, row] for row in rows)
        return cls(table, "long" if several else "one", roles, channels, names, series, rows, first_is_day)

    def labels(self, schema: Schema) -> NDArray[np.int64]:
        """Each series' class as an index into the run's labels; -1 where the table does not say or it is another."""
        known = {name: index for index, name in enumerate(schema.labels)}
        column = self.roles.label
        if not column or column not in self.table.frame or not known:
            return np.full(len(self.series), -1, dtype=np.int64)
        from synthgen_timeseries.collection import label_name

        cells = self.table.frame[column].iloc[[int(row[0]) for row in self.rows]]
        declared = self.table.classes.get(column)
        texts = [declared[int(cell)] if declared and str(cell).isdigit() else label_name(cell) for cell in cells]
        return np.array([known.get(text, -1) for text in texts], dtype=np.int64)

    def timelines(self) -> Timelines:
        """The same, as scoring asks for it."""
        each = self.layout in ("long", "one")
        rows = self.rows
        if not each:
            rows = tuple(np.full(one.shape[1], row[0]) for one, row in zip(self.series, rows, strict=True))
        return Timelines(self.names, self.series, rows, self.table.frame, self.roles.time if each else "", each)

    def stamps(self, index: int) -> pd.Series | None:
        """The time column of one series in order; None without one."""
        if self.layout not in ("long", "one") or not self.roles.time:
            return None
        return self.table.frame[self.roles.time].iloc[self.rows[index]]

    def filled(self, values: Sequence[NDArray[np.float64]], *, whole: NDArray[np.bool_]) -> pd.DataFrame:
        """The table with these values where there were none, and what was filled named in a column.

        Args:
            values: of each series, `(C, L)`.
            whole: which channels are whole numbers, and stay columns of these.

        `long`, `one` and `wide`: column `imputed` names the columns that were filled in a row, separated by blanks;
        `nested`: `<channel>_imputed` lists the steps (from 0).
        """
        frame = self.table.frame.copy()
        holes = [np.isnan(one) for one in self.series]
        if self.layout == "nested":
            for channel, name in enumerate(self.channels):
                integers = str(self.table.lists[name].type.value_type).startswith(("int", "uint"))
                lists = [np.where(hole[channel], new[channel], old[channel]) for hole, new, old in self._each(values)]
                frame[name] = [(np.rint(one).astype(np.int64) if integers else one).tolist() for one in lists]
                frame[f"{name}_imputed"] = [np.flatnonzero(hole[channel]).tolist() for hole in holes]
            return frame
        columns = self.roles.values if self.layout == "wide" else self.channels
        if self.layout == "wide":
            cells = [np.stack(part)[:, 0] for part in (self.series, values)]
        else:
            order = np.argsort(np.concatenate(self.rows))
            cells = [np.concatenate(list(part), axis=1)[:, order].T for part in (self.series, values)]
        missing = np.isnan(cells[0])
        for index, name in enumerate(columns):
            if not missing[:, index].any():
                continue
            new = pd.Series(np.where(missing[:, index], cells[1][:, index], cells[0][:, index]), frame.index)
            integers = bool(whole[0 if self.layout == "wide" else index]) and bool((new.dropna() % 1 == 0).all())
            frame[name] = new.astype("Int64") if integers else new
        touched = missing.any(axis=1)
        marks = np.full(len(frame), "", dtype=object)
        marks[touched] = [" ".join(np.asarray(columns)[row]) for row in missing[touched]]
        frame[IMPUTED if IMPUTED not in frame else f"{IMPUTED}_now"] = marks
        return frame

    def _each(
        self, values: Sequence[NDArray[np.float64]]
    ) -> list[tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]]:
        return [(np.isnan(old), new, old) for old, new in zip(self.series, values, strict=True)]

    @property
    def separator(self) -> str:
        """Between the cells of the file; a comma for what is no text."""
        return separator(self.table.files[0]) if self.table.files else ","

    @property
    def decimal(self) -> str:
        """The decimal mark of the file; a point for what is no text."""
        return decimal_mark(self.table.files[0]) if self.table.files else "."

    @property
    def encoding(self) -> str:
        """UTF-8, with the mark at its beginning that some spreadsheets ask for if the file has it."""
        return "utf-8-sig" if self.table.files and begins_with_mark(self.table.files[0]) else "utf-8"


def _twice(table: Table, roles: Roles, row: int, *, several: bool) -> DataError:
    stamp = table.frame[roles.time].iloc[row]
    if several:
        name = table.frame[roles.identity].iloc[row]
        return DataError(
            f"{table.place(row)}: series {str(name)!r} has time {stamp} twice",
            hint=f"Remove the duplicates; the id is taken from {roles.identity}, the time from {roles.time}.",
        )
    return DataError(
        f"{table.place(row)}: time {stamp} in column {roles.time} appears twice",
        hint="If the table holds several series, it needs the column that told them apart in training.",
    )


def _lacking(table: Table, channels: Sequence[str]) -> DataError:
    lost = [name for name in channels if name not in table.columns]
    return DataError(
        f"{table.path} lacks the run's channel{'s' if len(lost) > 1 else ''} {', '.join(lost[:8])}; "
        f"its columns are {', '.join(table.columns[:12])}",
        hint="Name the columns as in the data that the run was trained on.",
    )


def _table(data: Path | str | pd.DataFrame, options: DataConfig) -> Table:
    if isinstance(data, pd.DataFrame):
        return Table(Path("the frame"), data.reset_index(drop=True).rename(columns=str))
    path = Path(data)
    if not path.exists():
        raise DataError(f"no data at {path}: there is no such file")
    if path.is_dir() or path.suffix.lower() in (".parquet", ".pq"):
        return read_parquet(path)
    held = series_in(path, options)
    if held is not None:
        return _listed(path, held)
    if path.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".txt")):
        return read_csv(path)
    raise DataError(f"{path} is no table of series", hint="Give CSV, Parquet, UCR .tsv, .ts, .arff or .npz.")


def _listed(path: Path, held: Collection) -> Table:
    """Series of an archive as a table of lists, their label beside them."""
    frame = pd.DataFrame(index=range(len(held.series)))
    if held.label is not None:
        frame[held.label_column] = list(held.label)
    series = []
    for one in held.series:
        known = np.flatnonzero(~np.isnan(one).all(axis=0))
        series.append(one[:, : known[-1] + 1] if known.size else one)
    lists = {
        channel.name: pa.array([one[index] for one in series], pa.list_(pa.float64()))
        for index, channel in enumerate(held.channels)
    }
    return Table(path, frame, lists)


def _lists(table: Table, name: str) -> list[NDArray[np.float64]]:
    column = table.lists[name]
    counts = np.nan_to_num(np.asarray(column.value_lengths().to_numpy(zero_copy_only=False), dtype=np.float64))
    flat = np.asarray(column.flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.split(flat, np.cumsum(counts.astype(np.int64))[:-1])


def _names(table: Table, roles: Roles, count: int) -> tuple[str, ...]:
    if roles.identity and roles.identity in table.frame:
        return tuple(table.frame[roles.identity].astype(str))
    return tuple(str(row) for row in range(count))


def _order(table: Table, column: str, first_is_day: bool) -> NDArray[np.float64]:
    """Time stamps as numbers that order the rows.

    Raises:
        DataError: a cell that is no time.
    """
    cells = table.frame[column]
    numbers = pd.to_numeric(cells, errors="coerce") if not pd.api.types.is_datetime64_any_dtype(cells.dtype) else None
    if numbers is not None and numbers.notna().all():
        return np.asarray(numbers.to_numpy(dtype=np.float64))
    parsed = parsed_stamps(cells, first_is_day)
    bad = np.flatnonzero(parsed.isna())
    if bad.size:
        raise DataError(f"{table.place(int(bad[0]))}, column {column}: {str(cells.iloc[bad[0]])!r} is not a time")
    return np.asarray(parsed.astype("int64").to_numpy(dtype=np.float64))
