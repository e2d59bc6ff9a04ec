"""Time stamps as text: one reading for a whole column, whichever way its dates are written.

ISO 8601 is taken as it is. 05/04/2024 is April in one country and May in another, so the column decides: a first number
above 12 anywhere, or points between the numbers, put the day first; a second number above 12 puts the month first. If
neither is there, the reading that goes back in time less often holds, and if both do, the month comes first.
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import Any, Literal, cast

import pandas as pd
from pandas.tseries.api import guess_datetime_format

__all__ = ["DATES", "day_first", "local_stamps", "parsed_stamps", "reading"]

DATES = "dates"
"""In `Schema.extra`: `day` where the dates of the training data begin with it."""
_NUMBERS = r"^\s*(\d{1,2})([./-])(\d{1,2})\2\d{2,4}"
_OFFSET = re.compile(r"(?:(Z)|([+-])(\d{2}):?(\d{2})?)\s*$")


def reading(cells: pd.Series) -> Literal["", "day", "month", "either"]:
    """What comes first in the dates of a column: as they say, or `either`, which is read as month; "" without such."""
    texts = cells.dropna()
    if not len(texts) or not isinstance(texts.iloc[0], str) or re.match(_NUMBERS, texts.iloc[0]) is None:
        return ""
    found = texts.astype(str).str.extract(_NUMBERS).dropna()
    first, second = (found[column].astype(int).to_numpy() for column in (0, 2))
    if (first > 12).any():
        return "day"
    if (second > 12).any():
        return "month"
    if (found[1] == ".").all():
        return "day"
    back = [int((_mixed(texts, first_is_day).diff() < pd.Timedelta(0)).sum()) for first_is_day in (False, True)]
    return "either" if back[0] == back[1] else "day" if back[1] < back[0] else "month"


def day_first(cells: pd.Series, *, otherwise: bool = False) -> bool:
    """Whether the dates of a column begin with the day; `otherwise` where it could be either."""
    found = reading(cells)
    return otherwise if found == "either" else found == "day"


def parsed_stamps(cells: pd.Series, first_is_day: bool | None = None) -> pd.Series[Any]:
    """The stamps of a column in UTC; NaT where a cell is no time. Of a part of a column, say how the whole is read."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return pd.to_datetime(cells, utc=True)
    parsed = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    if not parsed.isna().any():
        return parsed
    return _mixed(cells, day_first(cells) if first_is_day is None else first_is_day)


def local_stamps(cells: pd.Series, first_is_day: bool | None = None) -> pd.Series[Any]:
    """The same as the column's clock shows them: without a zone, or at the offset from UTC of the last one."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells
    parsed = parsed_stamps(cells, first_is_day)
    offset = _OFFSET.search(str(cells.iloc[-1])) if len(cells) and ":" in str(cells.iloc[-1]) else None
    if offset is None:
        return cast("pd.Series[Any]", parsed.dt.tz_localize(None))
    utc, sign, hours, minutes = offset.groups()
    if utc:
        return parsed
    east = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return cast("pd.Series[Any]", parsed.dt.tz_convert(timezone(east if sign == "+" else -east)))


def _mixed(cells: pd.Series, first_is_day: bool) -> pd.Series[Any]:
    """Each cell by the form of the first one, which is fast, and the others by themselves."""
    texts = cells.dropna()
    first = texts.iloc[0] if len(texts) else None
    form = guess_datetime_format(first, dayfirst=first_is_day) if isinstance(first, str) else None
    if form is None:
        return _each(cells, first_is_day)
    found = pd.to_datetime(cells, errors="coerce", utc=True, format=form)
    rest = found.isna() & cells.notna()
    if rest.any():
        found[rest] = _each(cells[rest], first_is_day)
    return cast("pd.Series[Any]", found)


def _each(cells: pd.Series, first_is_day: bool) -> pd.Series[Any]:
    found = pd.to_datetime(cells, errors="coerce", utc=True, format="mixed", dayfirst=first_is_day)
    return cast("pd.Series[Any]", found)
