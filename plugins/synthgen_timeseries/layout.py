"""From a table to series: list columns, long (a row a step), wide (a row a series) or one long series to cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from synthgen.api import Channel
from synthgen.errors import DataError
from synthgen_timeseries.collection import Collection, channels_named, label_name
from synthgen_timeseries.columns import category, channel_columns, with_categories
from synthgen_timeseries.constants import cells_of, constant_cells, with_guessed
from synthgen_timeseries.dates import DATES, day_first, parsed_stamps, reading
from synthgen_timeseries.roles import Roles, roles_of, steps_among
from synthgen_timeseries.table import Table
from synthgen_timeseries.times import intervals, rhythm_notes, sampling_of, times_of, wants_intervals
from synthgen_timeseries.windows import LONG_GAP, cut_each, cut_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["collection_of"]

_MOST_CLASSES = 20


def collection_of(table: Table, options: DataConfig) -> Collection:
    """Find the layout and take the series out.

    Raises:
        DataError: naming the file and, where there is one, line, column or series.
    """
    roles = roles_of(table, options)
    if roles.attributes and not (roles.identity or roles.label) and not table.lists:
        raise DataError(
            f"{table.path} looks like one long series, which cannot have attributes",
            hint="Name the column that tells the series apart with --id-column.",
        )
    if any(name in table.lists for name in roles.values):
        return cut_each(_nested(table, roles), options)
    if roles.identity and table.frame[roles.identity].duplicated().any():
        found = with_categories(table, with_guessed(table, roles, options), options)
        return cut_each(_long(table, found, options), options)
    steps = steps_among(roles)
    if steps or (not roles.time and (roles.label or roles.identity)):
        alone = _steps_alone(roles, steps) if steps and not options.value_columns else roles
        return cut_each(_wide(table, alone), options)
    if options.label_column:
        raise DataError(
            f"{table.path} looks like one long series, which cannot have a label column",
            hint="Name the column that tells the series apart with --id-column.",
        )
    return _one(table, with_categories(table, roles, options), options)


def _steps_alone(roles: Roles, steps: Sequence[str]) -> Roles:
    """Without the numbers beside the steps of a wide table: they are facts of the series, not values of it."""
    beside = tuple(name for name in roles.values if name not in steps)
    return dataclasses.replace(roles, values=tuple(steps), ignored=(*roles.ignored, *beside))


def _notes(table: Table, roles: Roles, understood: str) -> list[str]:
    notes = [*table.notes, understood]
    first = reading(table.frame[roles.time]) if roles.time and roles.time in table.frame else ""
    if first in ("day", "either"):
        example = str(table.frame[roles.time].dropna().iloc[0])
        stamp = parsed_stamps(table.frame[roles.time]).dropna().iloc[0]
        which = "the day" if first == "day" else "the month"
        sure = "" if first == "day" else "; it could be the day: write 2024-12-31 to be sure"
        notes.append(f"{roles.time} is read with {which} first: {example} is {stamp.day} {stamp:%B %Y}{sure}")
    if roles.ignored:
        shown = ", ".join(roles.ignored[:6]) + (", ..." if len(roles.ignored) > 6 else "")
        notes.append(
            f"columns that are no channels or steps were left out: {shown}; data.attributes makes conditions of them"
        )
    return notes


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", ... {len(names)} in all" if len(names) > 8 else "")


def _nested(table: Table, roles: Roles) -> Collection:
    names = [name for name in roles.values if name in table.lists or name in table.members]
    flat, lengths, categories = [], [], {}
    for name in names:
        if name in table.members:
            cells = table.members[name]
            lengths.append(np.array([len(cell or ()) for cell in cells], dtype=np.int64))
            values, categories[name] = category(name, [one for cell in cells for one in cell or ()])
            flat.append(values)
            continue
        column = table.lists[name]
        if str(column.type.value_type) == "bool":
            column = column.cast(pa.list_(pa.int8()))
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
    whole = [name for name in names if name in table.lists and _holds_integers(table.lists[name])]
    plain = channels_named(names, integer=whole)
    return Collection(
        series=series,
        channels=tuple(_as_written(table, categories.get(channel.name, channel)) for channel in plain),
        label=_row_labels(table, roles),
        groups=_row_groups(table, roles),
        notes=_notes(table, roles, f"a row a series, channels {_named(names)}"),
        label_column=_label_column(roles),
        names=[f"row {row}" for row in range(len(series))],
        steps=table.steps,
        attributes={name: cells_of(table, name) for name in roles.attributes},
    )


def _holds_integers(column: Any) -> bool:
    return str(column.type.value_type).startswith(("int", "uint"))


def _as_written(table: Table, channel: Channel) -> Channel:
    """A channel of a file of ours is of the kind that it was written as; truth values are names."""
    own = next((each for each in table.channels if each.name == channel.name), None)
    if channel.kind == "categorical":
        return channel
    if channel.name in table.lists and str(table.lists[channel.name].type.value_type) == "bool":
        return dataclasses.replace(channel, kind="categorical", values=("False", "True"))
    return channel if own is None else dataclasses.replace(channel, kind=own.kind, unit=own.unit)


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
        identities=tuple(names or ()),
        attributes={name: cells_of(table, name) for name in roles.attributes},
    )


def _long(table: Table, roles: Roles, options: DataConfig) -> Collection:
    frame = table.frame
    if frame[roles.identity].isna().any():
        row = int(np.flatnonzero(frame[roles.identity].isna())[0])
        raise DataError(f"{table.place(row)}: the id in column {roles.identity} is empty")
    code, found = pd.factorize(frame[roles.identity])
    identities = [str(name) for name in found]
    order, times = np.argsort(code, kind="stable"), None
    if roles.time:
        times = times_of(table, roles.time)
        order = np.lexsort((times, code))
        again = np.flatnonzero((np.diff(code[order]) == 0) & (times[order][1:] == times[order][:-1]))
        if again.size:
            row = int(order[again[0] + 1])
            raise DataError(
                f"{table.place(row)}: series {identities[code[row]]!r} has time {frame[roles.time].iloc[row]} twice",
                hint=f"Remove the duplicates, or name other columns than id {roles.identity} and time {roles.time}.",
            )
    columns, channels = channel_columns(table, roles.values)
    values = columns[:, order]
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    series = [np.ascontiguousarray(part) for part in np.split(values, cuts, axis=1)]
    ordered = f"ordered by {roles.time}" if roles.time else "in the order of the file"
    extra: dict[str, Any] = {}
    hints: list[str] = []
    if times is not None:
        parts = np.split(times[order], cuts)
        extra |= {"sampling": sampling_of(parts[0]), **_dates(table, roles.time)}
        if wants_intervals(parts, options):
            series, channels, facts = intervals(series, channels, parts)
            extra |= facts
            ordered += f", which comes unevenly: the time between steps is the channel {channels[-1].name}"
        else:
            hints += rhythm_notes(parts)
    attributes = {name: constant_cells(table, name, code, identities) for name in roles.attributes}
    if not (roles.label or options.attributes):
        hints += [_label_hint(name, attributes[name]) for name in attributes]
    return Collection(
        series=series,
        channels=channels,
        label=_constant(table, roles.label, code, identities) if roles.label else None,
        groups=np.unique(_constant(table, roles.group, code, identities), return_inverse=True)[1]
        if roles.group
        else None,
        notes=[
            *_notes(
                table,
                roles,
                f"a row a step, {len(series):,} series by {roles.identity}, {ordered}, channels {_named(roles.values)}",
            ),
            *filter(None, hints),
        ],
        label_column=_label_column(roles),
        names=[f"series {name!r}" for name in identities],
        identities=tuple(map(str, identities)),
        extra=extra,
        steps=table.steps,
        attributes=attributes,
    )


def _dates(table: Table, column: str) -> dict[str, Any]:
    """What `Schema.extra` is told of how dates are written, so that other files of the run are read alike."""
    return {DATES: "day"} if day_first(table.frame[column]) else {}


def _label_hint(name: str, cells: Sequence[Any]) -> str:
    """What to say of a fact of the series that has few values, each several times; "" of others."""
    counts = pd.Series(list(cells)).value_counts()
    if not 2 <= len(counts) <= _MOST_CLASSES or counts.min() < 2:
        return ""
    return f"{name} has {len(counts)} values, the same within each series: --label-column {name} makes classes of them"


def _one(table: Table, roles: Roles, options: DataConfig) -> Collection:
    values, channels = channel_columns(table, roles.values)
    extra: dict[str, Any] = {}
    notes = _notes(table, roles, f"channels {_named(roles.values)}")
    borders: list[int] = []
    if roles.time:
        times = times_of(table, roles.time)
        order = np.argsort(times, kind="stable")
        again = np.flatnonzero(times[order][1:] == times[order][:-1])
        if again.size:
            row = int(order[again[0] + 1])
            raise DataError(
                f"{table.place(row)}: time {table.frame[roles.time].iloc[row]} in column {roles.time} appears twice",
                hint="If the table holds several series, name the column that tells them apart with --id-column.",
            )
        values, times = values[:, order], times[order]
        extra |= {"sampling": sampling_of(times), **_dates(table, roles.time)}
        gaps = np.diff(times)
        odd = int((gaps != np.median(gaps)).sum())
        if wants_intervals([times], options):
            [values], channels, facts = intervals([values], channels, [times])
            extra |= facts
            notes.append(f"{roles.time} comes unevenly: the time between steps is the channel {channels[-1].name}")
        elif odd:
            notes.append(
                f"{odd:,} of {len(gaps):,} time steps are longer or shorter than the usual {extra['sampling']}"
            )
            borders = (np.flatnonzero(gaps > LONG_GAP * np.median(gaps)) + 1).tolist()
    for channel, row in zip(channels, values, strict=True):
        if np.isnan(row).all():
            raise DataError(
                f"{table.path}: channel {channel.name} holds no value at all",
                hint="Leave it out by naming the others with data.value_columns.",
            )
    empty = Collection([], channels, notes=notes, extra=extra)
    return cut_one(values, empty, options, where=str(table.path), gaps=borders)


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
