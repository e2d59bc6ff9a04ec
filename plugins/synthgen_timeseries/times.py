"""Time stamps: read from a column, their usual distance in words, and uneven distances as a channel of their own.

Where the steps of a series are unevenly apart, the time since the step before is a channel of kind `interval` (of the
first step: that of the second). The codec tells its logarithm, so what is generated is positive, and writers add it up
to time stamps again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.api import Channel
from synthgen.errors import DataError
from synthgen_timeseries.dates import parsed_stamps
from synthgen_timeseries.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["intervals", "rhythm_notes", "sampling_of", "time_stamps", "times_of", "wants_intervals"]

_MOST_SERIES = 2_000
_UNEVEN_SHARE = 0.05  # of the steps that are longer or shorter than usual
_CALENDAR = 10  # fewer different distances are a calendar's: months, working days, holidays
_NAME = "interval"


def times_of(table: Table, column: str) -> NDArray[Any]:
    """Time stamps as numbers or datetime64, never missing.

    Raises:
        DataError: one is empty or no time, with its place.
    """
    cells = table.frame[column]
    empty = np.flatnonzero(cells.isna())
    if empty.size:
        more = f" (and in {empty.size - 1} more rows)" if empty.size > 1 else ""
        raise DataError(
            f"{table.place(int(empty[0]))}: column {column} is empty{more}", hint="Every step needs a value there."
        )
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return np.asarray(cells.to_numpy(dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return np.asarray(pd.to_datetime(cells, utc=True).dt.tz_localize(None).to_numpy())
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().all():
        return np.asarray(numbers.to_numpy(dtype=np.float64))
    parsed = parsed_stamps(cells)
    bad = np.flatnonzero(parsed.isna())
    if bad.size:
        row = int(bad[0])
        raise DataError(f"{table.place(row)}, column {column}: {str(cells.iloc[row])!r} is not a time")
    return np.asarray(parsed.dt.tz_localize(None).to_numpy())


def sampling_of(times: NDArray[Any]) -> str:
    """The usual distance between two time stamps as text, "" when it cannot be said."""
    if len(times) < 2:
        return ""
    usual = np.median(np.diff(times))
    if np.issubdtype(times.dtype, np.datetime64):
        return f"{usual / np.timedelta64(1, 's'):g} s"
    return f"{usual:g}"


def rhythm_notes(parts: Sequence[NDArray[Any]]) -> list[str]:
    """What to say of the steps of many series: gaps among them, and series of another rate.

    Args:
        parts: ordered time stamps of each series; the first 2,000 are looked at.
    """
    some = [part for part in parts[:_MOST_SERIES] if len(part) > 2]
    if not some:
        return []
    rates = Counter(sampling_of(part) for part in some).most_common()
    notes = []
    if len(rates) > 1:
        shown = ", ".join(f"{rate} ({count:,} series)" for rate, count in rates[:4])
        notes.append(
            f"series have different rates and are learnt as if they had one: {shown}{', ...' * (len(rates) > 4)}"
        )
    gaps = [np.diff(part) for part in some]
    odd = sum(int((one != np.median(one)).sum()) for one in gaps)
    if odd:
        total = sum(len(one) for one in gaps)
        notes.append(f"{odd:,} of {total:,} time steps are longer or shorter than the usual of their series")
    return notes


def _uneven(parts: Sequence[NDArray[Any]]) -> bool:
    """Whether the steps of ordered time stamps, one array a series, are unevenly apart, by more than a calendar's."""
    gaps = np.concatenate([_seconds(np.diff(part)) for part in parts])
    if not gaps.size:
        return False
    usual = np.median(gaps)
    odd = float((np.abs(gaps - usual) > 0.01 * usual).mean())
    different = len(np.unique(np.round(gaps / max(usual, 1e-300), 2)))
    return odd > _UNEVEN_SHARE and different >= _CALENDAR


def wants_intervals(parts: Sequence[NDArray[Any]], options: DataConfig) -> bool:
    """Whether the time between steps becomes a channel: as `data.intervals` says, or where it is uneven."""
    return options.intervals == "always" or (options.intervals == "auto" and _uneven(parts))


def intervals(
    series: Sequence[NDArray[np.float64]], channels: tuple[Channel, ...], parts: Sequence[NDArray[Any]]
) -> tuple[list[NDArray[np.float64]], tuple[Channel, ...], dict[str, Any]]:
    """The series with their intervals as a last channel, the channels, and what `Schema.extra` is told of time.

    Args:
        series: `(C, L_i)` each.
        channels: of the series.
        parts: ordered time stamps `(L_i,)` of each.
    """
    longer = []
    for one, times in zip(series, parts, strict=True):
        gaps = _seconds(np.diff(times))
        first = gaps[:1] if gaps.size else np.ones(1)
        longer.append(np.concatenate([one, np.concatenate([first, gaps])[None]]))
    dated = np.issubdtype(parts[0].dtype, np.datetime64)
    taken = {channel.name for channel in channels}
    name = next(each for each in (_NAME, "time_interval", "synthgen_interval") if each not in taken)
    start = min(part[0] for part in parts)
    facts = {"dated": bool(dated), "start": str(start) if dated else float(start), "channel": name}
    return longer, (*channels, Channel(name, "interval", unit="s" if dated else "")), {"time": facts}


def time_stamps(gaps: NDArray[np.floating[Any]], length: NDArray[np.int32], facts: dict[str, Any]) -> NDArray[Any]:
    """Time stamps of every step inside the series, one series after the other.

    Args:
        gaps: `(N, L)` intervals.
        length: of the series.
        facts: `Schema.extra["time"]`.
    """
    since = np.cumsum(gaps.astype(np.float64), axis=1) - gaps[:, :1]
    inside = np.arange(gaps.shape[1]) < length[:, None]
    if not facts["dated"]:
        return np.asarray(since[inside] + float(facts["start"]))
    start = np.datetime64(facts["start"], "us")
    return np.asarray(start + np.rint(since[inside] * 1e6).astype("timedelta64[us]"))


def _seconds(gaps: NDArray[Any]) -> NDArray[np.float64]:
    """Seconds of a difference of dates; of numbers, what they are."""
    if np.issubdtype(gaps.dtype, np.timedelta64):
        return np.asarray(gaps / np.timedelta64(1, "s"), dtype=np.float64)
    return np.asarray(gaps, dtype=np.float64)
