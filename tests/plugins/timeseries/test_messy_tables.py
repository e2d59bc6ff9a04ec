"""Tables as people have them: names among the channels, uneven times, facts that never change, counts with gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthgen_timeseries.readers import CsvReader, ParquetReader
from synthgen_timeseries.sheet import Sheet, only_numbers
from synthgen_timeseries.writers import LongCsv, LongParquet, WideParquet

from synthgen.config import DataConfig
from synthgen.data.opening import relabel
from synthgen.errors import DataError, UsageError


def machines(series: int = 24, *, uneven: bool = True, seed: int = 0) -> pd.DataFrame:
    """A row a step: name, time, a load and counts with gaps, a mode, on or off, and facts of the machine."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(series):
        length = int(rng.integers(8, 14))
        gaps = rng.exponential(60, length) + 1 if uneven else np.full(length, 60.0)
        times = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.cumsum(gaps), unit="s")
        for step in range(length):
            rows.append(
                {
                    "unit_id": f"u{number}",
                    "at": times[step].isoformat(),
                    "load": rng.gamma(2, 5) if rng.random() > 0.1 else None,
                    "starts": int(rng.poisson(4)) if rng.random() > 0.1 else None,
                    "mode": rng.choice(["idle", "run", "stop"]),
                    "on": bool(rng.random() > 0.3),
                    "site": "north" if number % 3 else "south",
                    "power": 100 * (number % 5),
                    "serial": f"x-{number}",
                }
            )
    return pd.DataFrame(rows)


OPTIONS = DataConfig(id_column="unit_id", time_column="at")


def opened(frame: pd.DataFrame, tmp_path: Path, options: DataConfig = OPTIONS):
    path = tmp_path / "machines.csv"
    frame.to_csv(path, index=False)
    source = CsvReader().read(path, options)
    return source, source.read(np.arange(len(source)))


def test_every_column_finds_its_role(tmp_path):
    source, records = opened(machines(), tmp_path)
    kinds = {channel.name: channel.kind for channel in source.schema.channels}
    assert kinds == {
        "load": "nonnegative",
        "starts": "integer",
        "mode": "categorical",
        "on": "categorical",
        "interval": "interval",
    }
    assert source.schema.channels[2].values == ("idle", "run", "stop")
    assert {attribute.name for attribute in source.schema.attributes} == {"length", "site", "power"}
    assert any("serial" in note for note in source.notes)  # a name of the series is no attribute
    assert len(records) == 24
    assert source.schema.shape[0] == 1 + 1 + 3 + 1 + 1


def test_intervals_are_those_of_the_time_stamps(tmp_path):
    frame = machines()
    _, records = opened(frame, tmp_path)
    first = pd.to_datetime(frame[frame["unit_id"] == "u0"]["at"])
    gaps = first.diff().dt.total_seconds().to_numpy()[1:]
    np.testing.assert_allclose(records["values"][0, -1, 1 : len(first)], gaps, rtol=1e-5)
    assert records["values"][0, -1, 0] == records["values"][0, -1, 1]


@pytest.mark.parametrize(
    ("uneven", "intervals", "there"), [(True, "never", False), (False, "auto", False), (False, "always", True)]
)
def test_intervals_are_a_channel_where_they_are_wanted(uneven, intervals, there, tmp_path):
    options = OPTIONS.model_copy(update={"intervals": intervals})
    source, _ = opened(machines(uneven=uneven), tmp_path, options)
    assert (source.schema.channels[-1].kind == "interval") is there


def test_months_and_working_days_are_no_uneven_time(tmp_path):
    for frequency in ("MS", "B"):
        days = pd.date_range("2020-01-01", periods=400, freq=frequency)
        frame = pd.DataFrame({"date": days, "price": np.random.default_rng(0).standard_normal(400)})
        source, _ = opened(frame, tmp_path, DataConfig())
        assert [channel.name for channel in source.schema.channels] == ["price"]


@pytest.mark.parametrize(
    ("writer", "reader"), [(WideParquet, ParquetReader), (LongParquet, ParquetReader), (LongCsv, CsvReader)]
)
def test_all_of_it_is_written_and_read_back(writer, reader, tmp_path):
    source, records = opened(machines(), tmp_path)
    columns = {"sample_id": np.arange(len(records)), "seed": np.zeros(len(records), dtype=np.int64)}
    writer().write(tmp_path / "set", 0, 1, records, columns, source.schema, {})
    back = relabel(reader().read(tmp_path / "set", DataConfig()), source.schema)
    found = back.read(np.arange(len(back)))
    assert [channel.name for channel in back.schema.channels] == [channel.name for channel in source.schema.channels]
    np.testing.assert_array_equal(found["observed"], records["observed"])
    np.testing.assert_allclose(found["values"], records["values"], rtol=1e-5, atol=1e-5)
    for name in ("site", "power"):
        np.testing.assert_array_equal(found[name], records[name])


def test_long_tables_have_names_and_real_times(tmp_path):
    source, records = opened(machines(), tmp_path)
    LongParquet().write(tmp_path / "set", 0, 1, records, {}, source.schema, {})
    table = pd.read_parquet(tmp_path / "set" / "data")
    assert pd.api.types.is_datetime64_any_dtype(table["ds"].dtype)
    assert "interval" not in table
    assert set(table["mode"].dropna()) == {"idle", "run", "stop"}
    assert table["on"].dropna().map(type).eq(bool).all()
    assert (table.groupby("unique_id")["ds"].diff().dropna() > pd.Timedelta(0)).all()


@pytest.mark.parametrize("dated", [True, False])
def test_a_row_a_series_tells_the_time_of_each_step_beside_the_intervals(dated, tmp_path):
    frame = machines()
    if not dated:
        frame["at"] = (pd.to_datetime(frame["at"]) - pd.Timestamp("2026-01-01")).dt.total_seconds()
    source, records = opened(frame, tmp_path)
    for writer, name in ((WideParquet(), "wide"), (LongParquet(), "long")):
        writer.write(tmp_path / name, 0, 1, records, {"sample_id": np.arange(len(records))}, source.schema, {})
    wide, long = (pd.read_parquet(tmp_path / name / "data") for name in ("wide", "long"))
    stamps = np.concatenate(wide["ds"].to_list())
    assert np.issubdtype(stamps.dtype, np.datetime64) is dated
    np.testing.assert_array_equal(stamps, long["ds"].to_numpy())
    assert [len(one) for one in wide["ds"]] == records["length"].tolist()
    back = ParquetReader().read(tmp_path / "wide", DataConfig())
    assert [channel.name for channel in back.schema.channels] == [channel.name for channel in source.schema.channels]


def test_one_long_series_may_have_names_and_uneven_times(tmp_path):
    rng = np.random.default_rng(1)
    times = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.cumsum(rng.exponential(60, 400) + 1), unit="s")
    frame = pd.DataFrame({"time": times, "load": rng.standard_normal(400), "mode": rng.choice(["a", "b"], 400)})
    source, _ = opened(frame, tmp_path, DataConfig(window=20))
    assert [channel.kind for channel in source.schema.channels] == ["continuous", "categorical", "interval"]


def test_facts_of_a_series_by_option_in_a_wide_table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((30, 12)), columns=[f"t{i}" for i in range(12)])
    frame["label"] = ["a", "b"] * 15
    frame["age"] = np.arange(30)
    frame["site"] = ["n", "s", "w"] * 10
    source, records = opened(frame, tmp_path, DataConfig(attributes=("age", "site")))
    assert source.schema.shape == (1, 12)
    assert [attribute.kind for attribute in source.schema.attributes] == ["number", "category"]
    assert records["age"].tolist() == list(range(30))


def test_what_cannot_be_filled_yet_says_so(tmp_path):
    source, _ = opened(machines(), tmp_path)
    plain, _ = opened(machines(uneven=False)[["unit_id", "at", "load", "starts"]], tmp_path)
    only_numbers(plain.schema)
    with pytest.raises(UsageError, match="the channel mode of this run holds no plain numbers"):
        Sheet.open(machines(), source.schema, OPTIONS)


def test_a_fact_that_changes_within_a_series_is_named(tmp_path):
    frame = machines()
    frame.loc[5, "site"] = "elsewhere"
    with pytest.raises(DataError, match=r"line 7.*'u0' has site 'elsewhere', but 'south'"):
        opened(frame, tmp_path, OPTIONS.model_copy(update={"attributes": ("site",)}))
    with pytest.raises(DataError, match="no column 'sight'"):
        opened(frame, tmp_path, OPTIONS.model_copy(update={"attributes": ("sight",)}))
