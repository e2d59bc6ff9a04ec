"""Time stamps that go on: the calendar's rhythm where there is one, else the usual distance."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.errors import DataError, UsageError
from synthgen_timeseries.dates import local_stamps

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock"]

_LOOKED_AT = 400  # last stamps, for the rhythm
_CALENDARS = ("B", "MS", "ME", "QS", "QE", "YS", "YE")  # of working days, months, quarters, years
_MOST = 0.8  # of the gaps of a calendar with exceptions


class Clock:
    """Gives stamp after stamp.

    Args:
        last: the stamp before the first one.
        step: what is between two stamps.
    """

    def __init__(self, last: Any, step: Any) -> None:
        self._last = last
        self._step = step

    @classmethod
    def after(cls, cells: pd.Series | None, steps: int, first_is_day: bool | None = None) -> Clock:
        """Goes on from a column of stamps in order; without one, from the number of steps.

        Args:
            cells: of one series.
            steps: its length.
            first_is_day: how the dates of the whole table are read; None: as these cells say.

        Raises:
            DataError: a cell that is no time.
        """
        if cells is None:
            return cls(steps - 1, 1)
        if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_datetime64_any_dtype(cells.dtype):
            numbers = cells.to_numpy()
            step = np.median(np.diff(numbers)) if len(numbers) > 1 else 1
            whole = pd.api.types.is_integer_dtype(cells.dtype) and float(step).is_integer()
            return cls(numbers[-1], int(step) if whole else float(step))
        parsed = local_stamps(cells, first_is_day)
        bad = np.flatnonzero(parsed.isna())
        if bad.size:
            raise DataError(f"column {cells.name}: {str(cells.iloc[bad[0]])!r} is not a time")
        stamps = pd.DatetimeIndex(parsed.iloc[-_LOOKED_AT:])
        rhythm = _rhythm(stamps)
        if rhythm is not None:
            return cls(stamps[-1], rhythm)
        gaps = np.diff(stamps.asi8)
        usual = pd.Timedelta(int(np.median(gaps)), unit=stamps.unit) if len(gaps) else pd.Timedelta(days=1)
        return cls(stamps[-1], usual)

    @property
    def step(self) -> Any:
        """What is between two stamps; a number where these are none."""
        return self._step

    @classmethod
    def starting(cls, start: str | None, frequency: str | None, *, usual: Any = None) -> Clock:
        """Begins at a date, or at step 0 without one.

        Args:
            start, frequency: what the user asks for.
            usual: what is between two stamps of the data, where no frequency is asked for; None: not known.

        Raises:
            UsageError: no date, no frequency that pandas knows, or none at all.
        """
        if start is None and frequency is None:
            return cls(-1, 1)
        if frequency is None and usual is None:
            raise UsageError(
                f"the stamps begin at {start}, but how far are they apart?", hint="Say it with --freq, such as h or D."
            )
        try:
            step = usual if frequency is None else pd.tseries.frequencies.to_offset(frequency)
            return cls(pd.Timestamp(start or "2000-01-01") - step, step)
        except ValueError as error:
            raise UsageError(
                f"not a date and a frequency: {start}, {frequency}", hint="For example --start 2024-01-01 --freq h"
            ) from error

    def paced(self, frequency: str) -> Clock:
        """Goes on from the last stamp at another rhythm.

        Raises:
            UsageError: no frequency that pandas knows.
        """
        try:
            return Clock(self._last, pd.tseries.frequencies.to_offset(frequency))
        except ValueError as error:
            raise UsageError(f"not a frequency: {frequency}", hint="For example --freq h, D or 15min.") from error

    def take(self, count: int) -> Any:
        """The next stamps."""
        made = list(self._walk(count))
        if made:
            self._last = made[-1]
        return pd.DatetimeIndex(made) if made and isinstance(made[0], pd.Timestamp) else np.asarray(made)

    def _walk(self, count: int) -> Iterator[Any]:
        stamp = self._last
        for _ in range(count):
            stamp = stamp + self._step
            yield stamp


def _rhythm(stamps: pd.DatetimeIndex) -> Any:
    """The calendar's offset between stamps; None where they have none."""
    if len(stamps) < 3:
        return None
    with warnings.catch_warnings():  # pandas will return an offset rather than its name; both are taken
        warnings.simplefilter("ignore")
        found = pd.infer_freq(stamps)
    return _nearly(stamps) if found is None else pd.tseries.frequencies.to_offset(found)


def _nearly(stamps: pd.DatetimeIndex) -> Any:
    """The calendar's offset on which every stamp lies, and which is between most of them, though some are left out."""
    for name in (*_CALENDARS, f"W-{stamps[-1]:%a}".upper()):
        offset = pd.tseries.frequencies.to_offset(name)
        if not all(map(offset.is_on_offset, stamps)):
            continue
        usual = np.mean([one + offset == other for one, other in itertools.pairwise(stamps)])
        if usual >= _MOST:
            return offset
    return None
