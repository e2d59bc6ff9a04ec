"""Impute, forecast and extend on waves in noise, where the right answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthgen_timeseries.readers import CsvReader
from synthgen_timeseries.sheet import Sheet
from synthgen_timeseries.stamps import Clock

import synthgen
from synthgen.cli import main
from synthgen.config import DataConfig
from synthgen.errors import DataError, UsageError

STEPS, NOISE, RATE = 24, 0.2, 0.7


def waves(count, steps, seed):
    """Waves of one frequency with any phase, and noise that nobody can foresee; `(count, steps)` twice."""
    rng = np.random.default_rng(seed)
    clean = np.sin(RATE * np.arange(steps) + rng.uniform(0, 2 * np.pi, (count, 1)))
    return clean, clean + NOISE * rng.standard_normal(clean.shape)


def table(values):
    count, steps = values.shape
    stamps = pd.date_range("2024-02-28", periods=steps, freq="h")
    return pd.DataFrame(
        {"unique_id": np.repeat(np.arange(count), steps), "ds": np.tile(stamps, count), "value": values.ravel()}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small U-Net that saw waves with part of them given."""
    folder = tmp_path_factory.mktemp("waves")
    table(waves(1000, STEPS, 0)[1]).to_csv(folder / "train.csv", index=False)
    overrides = {
        "network": {"name": "unet", "width": 24, "multipliers": (1, 2), "blocks": 1, "dropout": 0.0},
        "optim": {"batch_size": 128},
        "train": {"samples": 24_000, "context": 0.6, "precision": "fp32", "sample_checks": 0, "held_out_every": 1},
    }
    return synthgen.train(overrides, modality="timeseries", data=str(folder / "train.csv"), out=folder / "run")


@pytest.fixture
def gaps():
    """30 series, twice as long as the model's window, 60 % of their values missing: clean, noisy and with holes."""
    clean, noisy = waves(30, 2 * STEPS, 1)
    return clean, noisy, np.where(np.random.default_rng(2).random(noisy.shape) < 0.6, np.nan, noisy)


@pytest.mark.parametrize("suffix", [".tsv", ".ts", ".npz"])
def test_files_of_the_archives_are_filled_and_continued_as_tables_are(suffix, run, tmp_path):
    _, noisy = waves(4, STEPS, 3)
    holes = noisy.copy()
    holes[:, 5:9] = np.nan
    holes[0, 20:] = np.nan  # the end of a shorter series
    path = tmp_path / f"waves_TRAIN{suffix}"
    cells = [["?" if np.isnan(cell) else repr(float(cell)) for cell in row] for row in holes]
    if suffix == ".npz":
        np.savez(path, X=holes[:, None], y=np.array(["a", "b", "a", "b"]))
    elif suffix == ".tsv":
        path.write_text("\n".join("\t".join(["1", *row]).replace("?", "NaN") for row in cells))
    else:
        lines = ["@problemName waves", "@classLabel true 1 2", "@data", *(",".join(row) + ":1" for row in cells)]
        path.write_text("\n".join(lines))
    made = synthgen.impute(path, run=run)
    assert made.facts["imputed"] == 4 * 4
    assert [len(row) for row in made.table["value"]] == [20, STEPS, STEPS, STEPS]
    assert list(made.table["value_imputed"][1]) == [5, 6, 7, 8]
    assert made.table["label"].tolist() == (["a", "b", "a", "b"] if suffix == ".npz" else ["1"] * 4)
    filled = np.array(made.table["value"][1])
    np.testing.assert_allclose(np.delete(filled, range(5, 9)), np.delete(noisy[1], range(5, 9)), rtol=1e-6)
    ahead = synthgen.forecast(path, run=run, horizon=3, samples=2)
    assert len(ahead.table) == 4 * 2 * 3
    assert ahead.table[ahead.table["unique_id"] == "0"]["ds"].min() == 20


def test_gaps_are_filled_better_than_by_a_line_and_intervals_hold_the_truth(run, gaps):
    clean, noisy, holes = gaps
    made = synthgen.impute(table(holes), run=run, samples=20)
    filled = made.table["value"].to_numpy().reshape(holes.shape)
    missing = np.isnan(holes)
    np.testing.assert_allclose(filled[~missing], noisy[~missing])
    line = pd.DataFrame(holes).interpolate(axis=1, limit_direction="both").to_numpy()
    error, of_line = ((found - clean)[missing] ** 2 for found in (filled, line))
    assert error.mean() < 0.5 * of_line.mean()
    assert made.quantiles is not None
    low, high = made.quantiles["q0.05"], made.quantiles["q0.95"]
    inside = ((noisy[missing] >= low) & (noisy[missing] <= high)).mean()
    assert 0.75 < inside < 0.98
    assert made.facts["imputed"] == missing.sum()
    assert (made.table["imputed"] == np.where(missing.ravel(), "value", "")).all()


def test_a_forecast_goes_on_in_value_and_in_time(run):
    clean, noisy = waves(30, STEPS + 16, 3)
    made = synthgen.forecast(table(noisy[:, :STEPS]), run=run, horizon=16, samples=20)
    assert list(made.table.columns) == ["unique_id", "ds", "sample", "y"]
    y = made.table["y"].to_numpy().reshape(30, 20, 16)
    assert ((y.mean(axis=1) - clean[:, STEPS:]) ** 2).mean() < 0.25 * clean.var()
    low, high = np.quantile(y, [0.05, 0.95], axis=1)
    assert 0.75 < ((noisy[:, STEPS:] >= low) & (noisy[:, STEPS:] <= high)).mean() < 0.99
    assert list(made.table["ds"][:2]) == list(pd.to_datetime(["2024-02-29 00:00", "2024-02-29 01:00"]))
    few = synthgen.forecast(table(noisy[:2, :STEPS]), run=run, horizon=16, samples=3)
    np.testing.assert_allclose(few.table["y"].to_numpy().reshape(2, 3, 16), y[:2, :3], atol=1e-3)  # by id alone


def test_a_long_series_keeps_its_rhythm_and_is_the_start_of_a_longer_one(run, tmp_path):
    longer = synthgen.extend(length=400, run=run, start="2025-01-01", frequency="h").table
    shorter = synthgen.extend(length=90, run=run, start="2025-01-01", frequency="h").table
    pd.testing.assert_frame_equal(longer.iloc[:90], shorter)
    assert longer["ds"].diff().iloc[1:].eq(pd.Timedelta(hours=1)).all()
    power = np.abs(np.fft.rfft(longer["value"] - longer["value"].mean())) ** 2
    peak = 2 * np.pi * np.argmax(power) / len(longer)
    assert abs(peak - RATE) < 0.03
    assert 0.5 < longer["value"].std() < 0.9
    past = table(waves(1, 40, 4)[1])
    assert main(["extend", str(_written(past, tmp_path)), "--n", "50", "--run", str(run.path), "-o", "on.parquet"]) == 0
    on = pd.read_parquet("on.parquet")
    assert on["ds"].iloc[0] == past["ds"].iloc[-1] + pd.Timedelta(hours=1)
    daily = synthgen.extend(past, run=run, length=3, frequency="D").table
    assert daily["ds"].tolist() == [past["ds"].iloc[-1] + pd.Timedelta(days=k) for k in (1, 2, 3)]
    assert abs(on["value"].iloc[0] - np.sin(np.arcsin(np.clip(past["value"].iloc[-1], -1, 1)))) < 1.5


def _written(frame, folder):
    path = folder / "series.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_layout_comes_back_as_it_was(run, gaps, capsys):
    holes = gaps[2][:4, :STEPS].round(4)
    wide = pd.DataFrame(holes, columns=[f"t{step}" for step in range(STEPS)])
    wide.insert(0, "name", list("abcd"))
    wide.to_csv("wide.csv", index=False, sep=";")
    pd.DataFrame({"name": list("abcd"), "value": [list(one) for one in holes]}).to_parquet("lists.parquet")
    one = pd.DataFrame({"date": pd.date_range("2024-01-31", periods=STEPS, freq="ME"), "value": holes[0], "note": "x"})
    one.iloc[::-1].to_csv("one.csv", index=False)  # newest first
    assert main(["impute", "wide.csv", "--run", str(run.path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["layout"] == "wide"
    found = pd.read_csv("wide-imputed.csv", sep=";")
    assert list(found.columns) == [*wide.columns, "imputed"]
    assert not found.drop(columns="imputed").isna().any().any()
    assert found["imputed"].fillna("").str.split().map(len).tolist() == np.isnan(holes).sum(axis=1).tolist()
    assert main(["impute", "lists.parquet", "--run", str(run.path)]) == 0
    lists = pd.read_parquet("lists-imputed.parquet")
    np.testing.assert_allclose(np.stack(lists["value"]), found[wide.columns[1:]].to_numpy(), atol=1e-4)
    assert lists["value_imputed"][0].tolist() == np.flatnonzero(np.isnan(holes[0])).tolist()
    assert main(["impute", "one.csv", "--run", str(run.path), "--samples", "3"]) == 0
    back = pd.read_csv("one-imputed.csv")
    assert back["date"].tolist() == one["date"].dt.strftime("%Y-%m-%d").tolist()[::-1]
    assert back["note"].eq("x").all()
    assert set(pd.read_csv("one-imputed.quantiles.csv").columns) == {
        "unique_id",
        "ds",
        "channel",
        "q0.05",
        "q0.5",
        "q0.95",
    }
    assert main(["forecast", "one.csv", "--run", str(run.path), "--horizon", "3", "--quantiles", "0.1,0.9"]) == 0
    ahead = pd.read_csv("one-forecast.csv")
    assert ahead["ds"].unique().tolist() == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert ahead["quantile"].unique().tolist() == [0.1, 0.9]


def test_a_spreadsheet_s_decimal_commas_and_mark_are_kept(run, gaps):
    holes = pd.DataFrame(gaps[2][:4, :STEPS].round(4), columns=[f"t{step}" for step in range(STEPS)])
    holes.to_csv("comma.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    assert main(["impute", "comma.csv", "--run", str(run.path), "--steps", "4"]) == 0
    raw = Path("comma-imputed.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbft0;t1;")
    back = pd.read_csv("comma-imputed.csv", sep=";", decimal=",", encoding="utf-8-sig").drop(columns="imputed")
    np.testing.assert_allclose(back.where(holes.notna()), holes)
    assert back.notna().all(axis=None)


def test_whole_numbers_stay_whole_where_some_are_filled(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("t0,t1,t2,label\n1,,3,a\n4,5,6,b\n", encoding="utf-8")
    sheet = Sheet.open(path, CsvReader().read(path, DataConfig()).schema, DataConfig())
    filled = sheet.filled([np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 5.0, 6.0]])], whole=np.array([True]))
    assert filled.to_csv(index=False).splitlines()[1:] == ["1,2,3,a,t1", "4,5,6,b,"]


def test_other_methods_work_with_any_run_and_are_named(run, gaps):
    holes = table(gaps[2][:2, :STEPS])
    guided = synthgen.impute(holes, run=run, method="guided", steps=8)
    assert not guided.table["value"].isna().any()
    assert "guided" in guided.facts["notes"][0]
    assert not synthgen.impute(holes, run=run, steps=4).facts["notes"]


def test_columns_of_other_names_can_be_named(run, tmp_path):
    frame = table(waves(2, 40, 0)[1])
    usual = synthgen.forecast(frame, run=run, horizon=3, samples=2).table
    path = _written(frame.rename(columns={"unique_id": "q7", "ds": "moment"}), tmp_path)
    assert main(["forecast", str(path), "--horizon", "3", "--samples", "2", "--run", str(run.path), "-o", "f.csv",
                 "--id-column", "q7", "--time-column", "moment"]) == 0  # fmt: skip
    again = pd.read_csv("f.csv", parse_dates=["ds"])
    assert again["ds"].tolist() == usual["ds"].tolist()
    np.testing.assert_allclose(again["y"], usual["y"], atol=1e-3)
    with pytest.raises(DataError, match=r"no column 'q8'.*q7"):
        synthgen.impute(path, run=run, id_column="q8")


def test_what_cannot_be_completed_says_why(run, tiny_run, tmp_path, capsys):
    frame = table(waves(2, 10, 0)[1])
    with pytest.raises(DataError, match="lacks the run's channel value"):
        synthgen.impute(frame.rename(columns={"value": "volume", "ds": "day"}).assign(more="x"), run=run)
    with pytest.raises(UsageError, match="nothing to forecast"):
        synthgen.forecast(frame, run=tiny_run, horizon=3)
    with pytest.raises(UsageError, match="between 0 and 1"):
        synthgen.forecast(frame, run=run, horizon=3, quantiles=[5])
    with pytest.raises(UsageError, match="2 series"):
        synthgen.extend(frame, run=run, length=5)
    with pytest.raises(DataError, match="nothing to go by"):
        synthgen.forecast(frame.assign(value=np.nan), run=run, horizon=3)
    path = str(_written(frame, tmp_path))
    assert main(["impute", path, "--run", str(run.path), "--out", "x.xlsx"]) == 2
    assert main(["impute", path, "--run", str(run.path), "--out", path]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "following"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31"], ["2024-04-30", "2024-05-31"]),
        (["2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"], ["2024-01-15"]),
        (["2024-01-01T00:00Z", "2024-01-01T00:10Z", "2024-01-01T00:21Z", "2024-01-01T00:31Z"], ["2024-01-01T00:41Z"]),
        ([3, 5, 7], [9, 11]),
        ([0.5, 1.0, 1.5], [2.0]),
    ],
)
def test_stamps_go_on_in_their_own_rhythm(cells, following):
    found = Clock.after(pd.Series(cells), len(cells)).take(len(following))
    expected = pd.to_datetime(following) if isinstance(following[0], str) else np.array(following)
    assert list(found) == list(expected)
