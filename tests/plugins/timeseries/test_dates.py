"""Dates as people write them: one reading a column, calendars with exceptions, offsets from UTC, rhythms kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthgen_timeseries.dates import parsed_stamps, reading
from synthgen_timeseries.readers import CsvReader
from synthgen_timeseries.sheet import Sheet
from synthgen_timeseries.stamps import Clock
from synthgen_timeseries.times import rhythm_notes

from synthgen.config import DataConfig
from synthgen.errors import DataError, UsageError

DAYS = pd.date_range("2024-04-01", periods=24)


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y %H:%M", "%m/%d/%Y", "%Y-%m-%d"])
def test_a_column_of_dates_is_read_in_one_way(written):
    cells = pd.Series(DAYS.strftime(written))
    assert parsed_stamps(cells).dt.tz_localize(None).tolist() == DAYS.tolist()
    assert reading(cells) == {"%d": "day", "%m": "month", "%Y": ""}[written[:2]]


def test_dates_that_both_ways_could_be_are_read_so_that_time_goes_on():
    dates = pd.DatetimeIndex(["2024-02-03", "2024-02-05", "2024-03-02", "2024-03-04"])
    assert reading(pd.Series(dates.strftime("%d/%m/%Y"))) == "day"
    assert reading(pd.Series(dates.strftime("%m/%d/%Y"))) == "month"
    assert reading(pd.Series(["02/03/2024", "03/03/2024"])) == "either"
    assert parsed_stamps(pd.Series(["02/03/2024", "03/03/2024"]))[0].month == 2


def test_steps_keep_their_order_and_the_reading_is_said(tmp_path):
    path = tmp_path / "uk.csv"
    pd.DataFrame({"id": "a", "date": DAYS.strftime("%d/%m/%Y"), "x": np.arange(24.0) / 8}).to_csv(path, index=False)
    source = CsvReader().read(path, DataConfig())
    np.testing.assert_allclose(source.read(np.arange(1))["values"][0, 0], np.arange(24) / 8)
    assert any("day first: 01/04/2024 is 1 April 2024" in note for note in source.notes)


@pytest.mark.parametrize(
    ("stamps", "left_out", "following"),
    [
        (pd.date_range("2024-03-01", periods=36, freq="B"), [5, 17, 30], ["2024-04-22", "2024-04-23"]),
        (pd.date_range("2013-01-31", periods=24, freq="ME"), [7], ["2015-01-31", "2015-02-28"]),
        (pd.date_range("2024-01-07", periods=20, freq="W"), [3], ["2024-05-26", "2024-06-02"]),
    ],
)
def test_calendars_with_exceptions_go_on(stamps, left_out, following):
    cells = pd.Series(stamps.delete(left_out).strftime("%Y-%m-%d"))
    assert Clock.after(cells, len(cells)).take(2).strftime("%Y-%m-%d").tolist() == following


def test_offsets_that_change_with_the_clocks_go_on_at_the_last_one():
    winter, summer = "2024-03-31T01:{}:00+01:00", "2024-03-31T03:{}:00+02:00"
    cells = pd.Series([winter.format("30"), winter.format("45"), summer.format("00"), summer.format("15")])
    ahead = Clock.after(cells, 4).take(1)
    assert ahead[0].isoformat() == "2024-03-31T03:30:00+02:00"
    with pytest.raises(DataError, match="'soon' is not a time"):
        Clock.after(pd.Series(["2024-03-31", "soon"]), 2)


def test_a_start_keeps_the_rhythm_that_is_known():
    ahead = Clock.starting("2025-01-01", None, usual=pd.Timedelta(minutes=15)).take(2)
    assert [f"{stamp:%H:%M}" for stamp in ahead] == ["00:00", "00:15"]
    with pytest.raises(UsageError, match="how far are they apart"):
        Clock.starting("2025-01-01", None)


def test_gaps_and_rates_of_many_series_are_counted():
    hours = np.arange("2024-01-01", "2024-01-02", dtype="datetime64[h]")
    days = np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]")
    assert rhythm_notes([hours, hours]) == []
    rates, gaps = rhythm_notes([np.delete(hours, 5), hours, days])
    assert "3600 s (2 series), 86400 s (1 series)" in rates
    assert gaps.startswith("1 of 64 time steps")


def test_other_files_of_a_run_are_read_as_its_own_where_they_could_be_either(tmp_path):
    path = tmp_path / "uk.csv"
    pd.DataFrame({"id": "a", "date": DAYS.strftime("%d/%m/%Y"), "x": np.arange(24.0) / 8}).to_csv(path, index=False)
    schema = CsvReader().read(path, DataConfig()).schema
    assert schema.extra["dates"] == "day"
    few = pd.DataFrame({"date": ["01/04/2024", "02/04/2024", "03/04/2024"], "x": [1.0, 2.0, 3.0]})
    sheet = Sheet.open(few, schema, DataConfig())
    assert Clock.after(sheet.stamps(0), 3, sheet.first_is_day).take(1).tolist() == [pd.Timestamp("2024-04-04")]
    unknown = Sheet.open(few, dataclasses.replace(schema, extra={}), DataConfig())
    assert not unknown.first_is_day


def test_each_series_is_read_as_its_whole_column(tmp_path):
    dates = ["01/04/2024", "02/04/2024", "03/04/2024", "18/04/2024", "19/04/2024", "20/04/2024"]
    table = pd.DataFrame({"id": list("aaabbb"), "date": dates, "x": np.arange(6.0) / 8})
    table.to_csv(tmp_path / "uk.csv", index=False)
    schema = dataclasses.replace(CsvReader().read(tmp_path / "uk.csv", DataConfig()).schema, extra={})
    sheet = Sheet.open(table, schema, DataConfig(id_column="id"))
    ends = [Clock.after(sheet.stamps(k), 3, sheet.first_is_day).take(1)[0] for k in range(2)]
    assert ends == [pd.Timestamp("2024-04-04"), pd.Timestamp("2024-04-21")]
