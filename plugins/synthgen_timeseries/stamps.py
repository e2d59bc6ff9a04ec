"""Time stamps that go on: the calendar's rhythm where there is one, else the usual distance."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock"]

_LOOKED_AT = 400  # last stamps, for the rhythm


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
    def after(cls, cells: pd.Series | None, steps: int) -> Clock:
        """Goes on from a column of stamps in order; without one, from the number of steps.

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
        try:
            stamps = pd.DatetimeIndex(pd.to_datetime(cells.iloc[-_LOOKED_AT:], format="mixed"))
        except (ValueError, TypeError) as error:
            raise DataError(f"the stamps in column {cells.name} are no times: {error}") from error
        rhythm = _rhythm(stamps)
        if rhythm is not None:
            return cls(stamps[-1], rhythm)
        gaps = np.diff(stamps.asi8)
        usual = pd.Timedelta(int(np.median(gaps)), unit=stamps.unit) if len(gaps) else pd.Timedelta(days=1)
        return cls(stamps[-1], usual)

    @classmethod
    def starting(cls, start: str | None, frequency: str | None) -> Clock:
        """Begins at a date, or at step 0 without one.

        Raises:
            UsageError: no date, or no frequency that pandas knows.
        """
        if start is None and frequency is None:
            return cls(-1, 1)
        try:
            step = pd.tseries.frequencies.to_offset(frequency or "D")
            return cls(pd.Timestamp(start or "2000-01-01") - step, step)
        except ValueError as error:
            raise UsageError(
                f"not a date and a frequency: {start}, {frequency}", hint="For example --start 2024-01-01 --freq h"
            ) from error

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
    return None if found is None else pd.tseries.frequencies.to_offset(found)
