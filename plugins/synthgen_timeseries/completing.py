"""Impute, forecast and extend: a user's table and a trained model in, a table out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.api import Completion
from synthgen.errors import DataError, UsageError
from synthgen_timeseries.rolling import continued, draw_ids, fill_gaps
from synthgen_timeseries.sheet import Sheet, only_numbers
from synthgen_timeseries.stamps import Clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Filler, Schema

__all__ = ["extend", "forecast", "impute"]

_JOBS = 256  # series times draws that are continued at a time


def impute(data: Path | str | pd.DataFrame, filler: Filler, *, samples: int, quantiles: Sequence[float]) -> Completion:
    """The table with missing values filled: by one draw, or by the median of several with their quantiles beside.

    Raises:
        DataError: no table of the run's channels.
    """
    sheet = Sheet.open(data, filler.schema, filler.data, named=filler.named)
    drawn = fill_gaps(filler, sheet.series, sheet.labels(filler.schema), samples=samples)
    whole = np.array([channel.kind == "integer" for channel in filler.schema.channels])
    middle = [np.median(one, axis=0) if samples > 1 else one[0] for one in drawn]
    middle = [np.where(whole[:, None], np.rint(one), one) for one in middle]
    missing = sum(int(np.isnan(one).sum()) for one in sheet.series)
    facts = {
        "series": len(sheet.series),
        "values": sum(one.size for one in sheet.series),
        "imputed": missing,
        "samples": samples,
        "layout": sheet.layout,
    }
    beside = _spread(sheet, drawn, quantiles) if samples > 1 and missing else None
    text = {"separator": sheet.separator, "decimal": sheet.decimal, "encoding": sheet.encoding}
    return Completion(sheet.filled(middle, whole=whole), facts, beside, header=sheet.table.header, **text)


def _spread(sheet: Sheet, drawn: Sequence[NDArray[np.float64]], quantiles: Sequence[float]) -> pd.DataFrame:
    """A row for each value that was missing: unique_id, ds, channel and the quantiles of its draws."""
    parts = []
    for index, (old, made) in enumerate(zip(sheet.series, drawn, strict=True)):
        channel, step = np.nonzero(np.isnan(old))
        stamps = sheet.stamps(index)
        columns: dict[str, Any] = {
            "unique_id": np.full(len(step), sheet.names[index], dtype=object),
            "ds": step if stamps is None else stamps.iloc[step].to_numpy(),
            "channel": np.asarray(sheet.channels, dtype=object)[channel],
        }
        for q in quantiles:
            columns[f"q{q:g}"] = np.quantile(made[:, channel, step], q, axis=0)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def forecast(
    data: Path | str | pd.DataFrame,
    filler: Filler,
    *,
    horizon: int,
    samples: int,
    quantiles: Sequence[float],
) -> Completion:
    """What may come after each series, a row a step and draw, or a row a step and quantile.

    Columns: unique_id, ds, channel (with several channels), sample or quantile, y. Stamps go on from the table's own.

    Raises:
        DataError: no table of the run's channels, or a series without any value.
    """
    sheet = Sheet.open(data, filler.schema, filler.data, named=filler.named)
    steps, label = filler.schema.shape[1], sheet.labels(filler.schema)
    for name, one in zip(sheet.names, sheet.series, strict=True):
        if np.isnan(one[:, -steps:]).all():
            raise DataError(f"series {name!r} has no value in its last {steps} steps, so there is nothing to go by")
    block = min(horizon, max(1, steps // 2))
    longest = steps - block
    jobs = draw_ids(range(len(sheet.series)), samples)
    size = max(1, _JOBS // samples) * samples  # whole series
    parts = []
    for first in range(0, len(jobs), size):
        part = jobs[first : first + size]
        past = np.full((len(part), len(sheet.channels), longest), np.nan)
        for row, (index, _, _) in enumerate(part):
            known = sheet.series[index][:, -longest:] if longest else sheet.series[index][:, :0]
            past[row, :, longest - known.shape[1] :] = known
        pieces = continued(
            filler, past, label[[i for i, _, _ in part]], ids=[number for *_, number in part], block=block
        )
        made = _first(pieces, horizon)  # (jobs, C, horizon)
        chosen = list(dict.fromkeys(index for index, _, _ in part))
        for place, index in enumerate(chosen):
            draws = made[place * samples : (place + 1) * samples]
            parts.append(_long(sheet, index, draws, quantiles))
    facts = {
        "series": len(sheet.series),
        "horizon": horizon,
        "samples": samples,
        "quantiles": list(quantiles),
        "window": steps,
    }
    return Completion(pd.concat(parts, ignore_index=True), facts)


def _first(pieces: Iterator[NDArray[np.float64]], count: int) -> NDArray[np.float64]:
    """So many steps of what goes on and on, `(N, C, count)`."""
    taken: list[NDArray[np.float64]] = []
    while sum(piece.shape[2] for piece in taken) < count:
        taken.append(next(pieces))
    return np.concatenate(taken, axis=2)[:, :, :count]


def _long(sheet: Sheet, index: int, draws: NDArray[np.float64], quantiles: Sequence[float]) -> pd.DataFrame:
    """One series' draws `(S, C, H)` as rows."""
    if quantiles:
        draws = np.quantile(draws, list(quantiles), axis=0)
    kind, which = ("quantile", np.asarray(quantiles)) if quantiles else ("sample", np.arange(len(draws)))
    clock = Clock.after(sheet.stamps(index), sheet.series[index].shape[1], sheet.first_is_day)
    ds = clock.take(draws.shape[2])
    number, channel, step = (axis.ravel() for axis in np.indices(draws.shape))
    columns: dict[str, Any] = {"unique_id": sheet.names[index], "ds": ds[step]}
    if len(sheet.channels) > 1:
        columns["channel"] = np.asarray(sheet.channels, dtype=object)[channel]
    return pd.DataFrame({**columns, kind: which[number], "y": draws.ravel()})


def extend(
    data: Path | str | pd.DataFrame | None,
    filler: Filler,
    *,
    length: int,
    label: str | None,
    start: str | None,
    frequency: str | None,
) -> Iterator[pd.DataFrame]:
    """One long series piece by piece: ds, the channels, and the label where there is one.

    Args:
        data: a table with the series that is continued; None: begins by itself.
        filler: the model.
        length: steps that are made.
        label: class of the series; the table's when None.
        start, frequency: of the stamps; those of the table go on when None.

    Raises:
        UsageError: several series, an unknown class, or a date that is none.
        DataError: no table of the run's channels.
    """
    schema = filler.schema
    only_numbers(schema)
    past = np.zeros((1, schema.shape[0], 0))
    classes = np.full(1, -1, dtype=np.int64)
    if data is None:
        clock = Clock.starting(start, frequency, usual=_known_step(schema))
    else:
        sheet = Sheet.open(data, schema, filler.data, named=filler.named)
        if len(sheet.series) != 1:
            raise UsageError(
                f"{sheet.table.path} holds {len(sheet.series):,} series, and one is extended",
                hint="Leave one series in the table, or use synthgen forecast for all.",
            )
        past, classes = sheet.series[0][None], sheet.labels(schema)
        clock = Clock.after(sheet.stamps(0), past.shape[2], sheet.first_is_day)
        dated = sheet.stamps(0) is not None and not isinstance(clock.step, (int, float))
        if frequency is not None and start is None and dated:
            clock = clock.paced(frequency)
        elif start is not None or frequency is not None:
            clock = Clock.starting(start, frequency, usual=clock.step if dated else _known_step(schema))
    if label is not None:
        classes = np.array([_class(schema, label)])
    pieces = continued(filler, past, classes, ids=[0], block=max(1, schema.shape[1] // 2))
    return _dated(pieces, clock, schema, classes, length)


def _known_step(schema: Schema) -> Any:
    """What is between two stamps of the data that the run was trained on, where it had dates."""
    number, _, unit = str(schema.extra.get("sampling", "")).partition(" ")
    return pd.Timedelta(float(number), unit="s") if unit == "s" else None


def _dated(
    pieces: Iterator[NDArray[np.float64]], clock: Clock, schema: Schema, classes: NDArray[np.int64], length: int
) -> Iterator[pd.DataFrame]:
    left = length
    while left > 0:
        piece = next(pieces)[0][:, :left]
        left -= piece.shape[1]
        columns: dict[str, Any] = {"ds": clock.take(piece.shape[1])}
        for channel, row in zip(schema.channels, piece, strict=True):
            columns[channel.name] = row.astype(np.int64) if channel.kind == "integer" else row.astype(np.float32)
        if classes[0] >= 0:
            columns[schema.label_column] = schema.labels[classes[0]]
        yield pd.DataFrame(columns)


def _class(schema: Schema, name: str) -> int:
    if name not in schema.labels:
        known = f"The run knows: {', '.join(schema.labels[:20])}." if schema.labels else "The run has no classes."
        raise UsageError(f"the run has no class {name}", hint=known)
    return schema.labels.index(name)
