"""From a table to series: list columns, long (a row a step), wide (a row a series) or one long series to cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.errors import DataError
from synthgen_timeseries.collection import Collection, channels_named, label_name
from synthgen_timeseries.constants import cells_of, constant_cells, with_guessed
from synthgen_timeseries.roles import Roles, is_step_name, roles_of
from synthgen_timeseries.table import Table
from synthgen_timeseries.windows import cut_each, cut_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["collection_of"]


def collection_of(table: Table, options: DataConfig) -> Collection:
    """Find the layout and take the series out.

    Raises:
        DataError: naming the file and, where there is one, line, column or series.
    """
    roles = roles_of(table, options)
    if roles.attributes and not (roles.identity or roles.label) and not table.lists:
        raise DataError(
            f"{table.path} looks like one long series, which cannot have attributes",
            hint="Name the column that tells the series apart with data.id_column.",
        )
    if any(name in table.lists for name in roles.values):
        return cut_each(_nested(table, roles), options)
    if roles.identity and table.frame[roles.identity].duplicated().any():
        return cut_each(_long(table, with_guessed(table, roles, options)), options)
    steps = [name for name in roles.values if is_step_name(name)]
    stepped = len(steps) >= max(2, len(roles.values) // 2 + 1)
    if stepped or (not roles.time and (roles.label or roles.identity)):
        return cut_each(_wide(table, roles), options)
    if options.label_column:
        raise DataError(
            f"{table.path} looks like one long series, which cannot have a label column",
            hint="Name the column that tells the series apart with data.id_column.",
        )
    return _one(table, roles, options)


def _notes(table: Table, roles: Roles, understood: str) -> list[str]:
    notes = [*table.notes, understood]
    if roles.ignored:
        shown = ", ".join(roles.ignored[:6]) + (", ..." if len(roles.ignored) > 6 else "")
        notes.append(f"columns that are not numbers were left out: {shown}")
    return notes


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", ... {len(names)} in all" if len(names) > 8 else "")


def _nested(table: Table, roles: Roles) -> Collection:
    names = [name for name in roles.values if name in table.lists]
    flat, lengths = [], []
    for name in names:
        column = table.lists[name]
        counts = column.value_lengths().to_numpy(zero_copy_only=False)
        lengths.append(np.nan_to_num(np.asarray(counts, dtype=np.float64)).astype(np.int64))
        flat.append(np.asarray(column.flatten().to_numpy(zero_copy_only=False), dtype=np.float64))
    for name, length in zip(names, lengths, strict=True):
        differs = np.flatnonzero((length != lengths[0]) & (length > 0) & (lengths[0] > 0))
        if differs.size:
            row = int(differs[0])
            raise DataError(
                f"{table.place(row)}: {names[0]} has {lengths[0][row]} steps but {name} has {length[row]}",
                hint="The channels of a series must have equally many steps; leave one out with data.value_columns.",
            )
    longest = np.max(lengths, axis=0)
    starts = [np.concatenate([[0], np.cumsum(length)]) for length in lengths]
    series = []
    for row in range(len(longest)):
        one = np.full((len(names), int(longest[row])), np.nan)
        for channel, start in enumerate(starts):
            piece = flat[channel][start[row] : start[row + 1]]
            one[channel, : piece.size] = piece
        series.append(one)
    whole = [name for name in names if str(table.lists[name].type.value_type).startswith(("int", "uint"))]
    return Collection(
        series=series,
        channels=channels_named(names, integer=whole),
        label=_row_labels(table, roles),
        groups=_row_groups(table, roles),
        notes=_notes(table, roles, f"a row a series, channels {_named(names)}"),
        label_column=_label_column(roles),
        names=[f"row {row}" for row in range(len(series))],
        steps=table.steps,
        attributes={name: cells_of(table, name) for name in roles.attributes},
    )


def _wide(table: Table, roles: Roles) -> Collection:
    values = np.stack([table.numbers(name) for name in roles.values], axis=1)
    whole = all(pd.api.types.is_integer_dtype(table.frame[name].dtype) for name in roles.values)
    names = table.frame[roles.identity].astype(str).tolist() if roles.identity else None
    return Collection(
        series=list(values[:, None, :]),
        channels=channels_named(["value"], integer=["value"] if whole else []),
        label=_row_labels(table, roles),
        groups=_row_groups(table, roles),
        notes=_notes(
            table, roles, f"a row a series of {values.shape[1]} steps ({roles.values[0]} to {roles.values[-1]})"
        ),
        label_column=_label_column(roles),
        names=[f"series {name!r}" for name in names] if names else [f"row {row}" for row in range(len(values))],
        attributes={name: cells_of(table, name) for name in roles.attributes},
    )


def _long(table: Table, roles: Roles) -> Collection:
    frame = table.frame
    if frame[roles.identity].isna().any():
        row = int(np.flatnonzero(frame[roles.identity].isna())[0])
        raise DataError(f"{table.place(row)}: the id in column {roles.identity} is empty")
    code, found = pd.factorize(frame[roles.identity])
    identities = [str(name) for name in found]
    order, times = np.argsort(code, kind="stable"), None
    if roles.time:
        times = _times(table, roles.time)
        order = np.lexsort((times, code))
        again = np.flatnonzero((np.diff(code[order]) == 0) & (times[order][1:] == times[order][:-1]))
        if again.size:
            row = int(order[again[0] + 1])
            raise DataError(
                f"{table.place(row)}: series {identities[code[row]]!r} has time {frame[roles.time].iloc[row]} twice",
                hint=f"Remove the duplicates, or name other columns than id {roles.identity} and time {roles.time}.",
            )
    values = np.stack([table.numbers(name) for name in roles.values])[:, order]
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    series = [np.ascontiguousarray(part) for part in np.split(values, cuts, axis=1)]
    whole = [name for name in roles.values if pd.api.types.is_integer_dtype(frame[name].dtype)]
    ordered = f"ordered by {roles.time}" if roles.time else "in the order of the file"
    return Collection(
        series=series,
        channels=channels_named(roles.values, integer=whole),
        label=_constant(table, roles.label, code, identities) if roles.label else None,
        groups=np.unique(_constant(table, roles.group, code, identities), return_inverse=True)[1]
        if roles.group
        else None,
        notes=_notes(
            table,
            roles,
            f"a row a step, {len(series):,} series by {roles.identity}, {ordered}, channels {_named(roles.values)}",
        ),
        label_column=_label_column(roles),
        names=[f"series {name!r}" for name in identities],
        extra={"sampling": _sampling(times[order[: series[0].shape[1]]])} if times is not None else {},
        steps=table.steps,
        attributes={name: constant_cells(table, name, code, identities) for name in roles.attributes},
    )


def _one(table: Table, roles: Roles, options: DataConfig) -> Collection:
    values = np.stack([table.numbers(name) for name in roles.values])
    extra: dict[str, Any] = {}
    notes = _notes(table, roles, f"channels {_named(roles.values)}")
    if roles.time:
        times = _times(table, roles.time)
        order = np.argsort(times, kind="stable")
        again = np.flatnonzero(times[order][1:] == times[order][:-1])
        if again.size:
            row = int(order[again[0] + 1])
            raise DataError(
                f"{table.place(row)}: time {table.frame[roles.time].iloc[row]} in column {roles.time} appears twice",
                hint="If the table holds several series, name the column that tells them apart with data.id_column.",
            )
        values, times = values[:, order], times[order]
        extra["sampling"] = _sampling(times)
        gaps = np.diff(times)
        uneven = int((gaps != np.median(gaps)).sum())
        if uneven:
            notes.append(
                f"{uneven:,} of {len(gaps):,} time steps are longer or shorter than the usual {extra['sampling']}"
            )
    for name, row in zip(roles.values, values, strict=True):
        if np.isnan(row).all():
            raise DataError(
                f"{table.path}: channel {name} holds no value at all",
                hint="Leave it out by naming the others with data.value_columns.",
            )
    whole = [name for name in roles.values if pd.api.types.is_integer_dtype(table.frame[name].dtype)]
    empty = Collection([], channels_named(roles.values, integer=whole), notes=notes, extra=extra)
    return cut_one(values, empty, options, where=str(table.path))


def _label_column(roles: Roles) -> str:
    return roles.label.removesuffix("_name") if roles.label else "label"


def _texts(table: Table, column: str) -> list[str]:
    cells = table.frame[column]
    names = table.classes.get(column)
    if names is not None:
        return [names[int(cell)] if 0 <= int(cell) < len(names) else str(cell) for cell in cells.fillna(-1)]
    return [label_name(cell) for cell in cells.tolist()]


def _row_labels(table: Table, roles: Roles) -> list[str] | None:
    if not roles.label:
        return None
    _no_empty(table, roles.label)
    return _texts(table, roles.label)


def _row_groups(table: Table, roles: Roles) -> NDArray[Any] | None:
    if not roles.group:
        return None
    _no_empty(table, roles.group)
    return np.unique(np.asarray(_texts(table, roles.group)), return_inverse=True)[1]


def _no_empty(table: Table, column: str) -> None:
    empty = np.flatnonzero(table.frame[column].isna())
    if empty.size:
        more = f" (and in {empty.size - 1} more rows)" if empty.size > 1 else ""
        raise DataError(
            f"{table.place(int(empty[0]))}: column {column} is empty{more}", hint="Every series needs a value there."
        )


def _constant(table: Table, column: str, code: NDArray[Any], identities: list[str]) -> list[str]:
    """The value of a column that must be the same in all rows of a series, for each series."""
    _no_empty(table, column)
    texts = np.asarray(_texts(table, column), dtype=object)
    first = np.unique(code, return_index=True)[1]
    differs = np.flatnonzero(texts != texts[first][code])
    if differs.size:
        row = int(differs[0])
        raise DataError(
            f"{table.place(row)}: series {identities[code[row]]!r} has {column} {texts[row]!r}, "
            f"but {texts[first][code[row]]!r} in its first row",
            hint="The value must be the same in every row of a series.",
        )
    return [str(text) for text in texts[first]]


def _times(table: Table, column: str) -> NDArray[Any]:
    """Time stamps as numbers or datetime64, never missing."""
    cells = table.frame[column]
    _no_empty(table, column)
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return np.asarray(cells.to_numpy(dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return np.asarray(pd.to_datetime(cells, utc=True).dt.tz_localize(None).to_numpy())
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().all():
        return np.asarray(numbers.to_numpy(dtype=np.float64))
    parsed = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    if parsed.isna().any():
        parsed = pd.to_datetime(cells, errors="coerce", utc=True, format="mixed")
    bad = np.flatnonzero(parsed.isna())
    if bad.size:
        row = int(bad[0])
        raise DataError(f"{table.place(row)}, column {column}: {str(cells.iloc[row])!r} is not a time")
    return np.asarray(parsed.dt.tz_localize(None).to_numpy())


def _sampling(times: NDArray[Any]) -> str:
    """The usual distance between two time stamps as text, "" when it cannot be said."""
    if len(times) < 2:
        return ""
    usual = np.median(np.diff(times))
    if np.issubdtype(times.dtype, np.datetime64):
        return f"{usual / np.timedelta64(1, 's'):g} s"
    return f"{usual:g}"
