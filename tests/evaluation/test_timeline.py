"""Each row of a long table gets a score, a p-value that holds, and a flag where the series is odd."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import synthgen
from synthgen.api import Records
from synthgen.errors import DataError, UsageError
from synthgen.evaluation import score_timeline
from synthgen.evaluation.stretches import StepCalibration, stretches
from synthgen.evaluation.timeline_report import Event

WINDOW = 16
OVERRIDES = {
    "network": {"width": 16, "blocks": 1, "multipliers": [1, 2]},
    "train": {"samples": 2_000},
    "data": {"window": WINDOW, "calibration": 0.2, "holdout": 0.2},
}


def waves(steps, seed):
    draws = np.random.default_rng(seed)
    t = np.arange(steps)
    both = np.stack([np.sin(2 * np.pi * t / 11.3), np.cos(2 * np.pi * t / 11.3)], axis=1)
    return pd.DataFrame(both + 0.1 * draws.normal(size=both.shape), columns=["flow", "pressure"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timeline")
    waves(9000, 0).to_csv(folder / "normal.csv", index=False)
    return synthgen.train(OVERRIDES, modality="timeseries", data=folder / "normal.csv", out=folder / "run")


@pytest.fixture(scope="module")
def scored(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    table = waves(600, 1)
    table.loc[300:320, "pressure"] = 0.9
    table.insert(0, "ds", pd.date_range("2025-01-01", periods=600, freq="h"))
    table["fault"] = 0
    table.loc[300:320, "fault"] = 1
    table.iloc[::-1].to_csv(folder / "new.csv", index=False)  # the latest step comes first
    return score_timeline(run, folder / "new.csv", out=folder / "out", label_column="fault", alpha=0.02)


def test_every_row_of_the_table_has_its_score_in_its_order(scored):
    table = scored.table
    assert len(table) == 600
    assert table["step"].tolist() == list(range(599, -1, -1))
    assert pd.to_datetime(table["ds"]).iloc[-1] == pd.Timestamp("2025-01-01")
    assert table["score"].notna().all()
    pd.testing.assert_frame_equal(pd.read_parquet(scored.path), table)


def test_the_fault_is_flagged_at_its_place_and_in_its_channel(scored):
    table = scored.table.set_index("step").sort_index()
    assert table.loc[302:318, "flagged"].mean() > 0.9
    assert table["flagged"].drop(range(280, 341)).mean() < 0.1
    assert table.loc[300:320, "map_pressure"].mean() > table.loc[300:320, "map_flow"].mean()
    oddest = Event(**scored.json["events"][0])
    assert 280 <= oddest.first <= 300 <= 320 <= oddest.last <= 340
    assert oddest.channel == "pressure"
    assert oddest.start.startswith("2025-01-1")
    assert {each["name"]: each["vus_pr"] for each in scored.json["detectors"]}["fusion"] > 0.8


def test_the_page_and_its_facts_stand_beside(scored):
    page = scored.report.read_text()
    assert "pressure" in page
    assert "2025-01-1" in page
    assert json.loads((scored.report.parent / "steps.json").read_text())["flagged"] == scored.flagged
    assert "time steps that the model never saw" in " ".join(scored.verdict)


def test_normal_steps_are_flagged_as_often_as_alpha_says(run, tmp_path):
    shares = []
    for seed in range(3):
        waves(1200, 10 + seed).to_csv(tmp_path / "new.csv", index=False)
        found = score_timeline(run, tmp_path / "new.csv", out=tmp_path / f"out-{seed}", alpha=0.1)
        shares.append(found.table["flagged"].mean())
    assert 0.02 < np.mean(shares) < 0.25


def test_training_data_is_recognised(run, tmp_path):
    waves(9000, 0).head(400).to_csv(tmp_path / "old.csv", index=False)
    found = score_timeline(run, tmp_path / "old.csv", out=tmp_path / "out")
    assert "that the model was trained on" in " ".join(found.verdict)


def test_several_series_and_gaps(run, tmp_path):
    parts = [waves(100, seed).assign(unique_id=name) for seed, name in ((3, "b"), (4, "a"))]
    parts[0].loc[40:80, ["flow", "pressure"]] = np.nan
    parts.append(waves(5, 5).assign(unique_id="short"))
    pd.concat(parts).to_csv(tmp_path / "new.csv", index=False)
    found = score_timeline(run, tmp_path / "new.csv", out=tmp_path / "out")
    assert found.table["series"].tolist() == ["b"] * 100 + ["a"] * 100 + ["short"] * 5
    missing = found.table["score"].isna().to_numpy()
    assert missing[55:65].all()
    assert missing[200:].all()
    assert not missing[100:200].any()
    assert not found.table.loc[missing, "flagged"].any()
    assert "shorter than a window" in " ".join(found.verdict)


def test_what_does_not_go_is_said(run, scored, tmp_path):
    waves(10, 0).to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(DataError, match="the longest series has 10 steps"):
        score_timeline(run, tmp_path / "short.csv")
    waves(100, 0).rename(columns={"flow": "flux"}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError, match="lacks the run's channel flow"):
        score_timeline(run, tmp_path / "other.csv")
    waves(100, 0).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UsageError, match="could be flagged"):
        score_timeline(run, tmp_path / "new.csv", out=tmp_path / "out", alpha=1e-4)
    with pytest.raises(UsageError, match="no column 'fault'"):
        score_timeline(run, tmp_path / "new.csv", label_column="fault")
    with pytest.raises(UsageError, match="scores of another request"):
        score_timeline(run, tmp_path / "new.csv", out=scored.path.parent)


def test_overlapping_windows_become_stretches_again():
    series = np.random.default_rng(0).normal(size=(2, 40))
    starts = [0, 8, 16, 24, 0, 20]
    values = np.stack([series[:, s : s + 16] for s in starts]).astype(np.float32)
    observed = np.ones_like(values, dtype=bool)
    observed[1, 0, 15] = observed[2, 0, 7] = False  # the same step in both windows
    values[~observed] = 0.0
    records = Records({"values": values, "observed": observed, "length": np.full(6, 16, np.int32)})
    found = stretches(records, np.array([0, 0, 0, 0, 1, 1]))
    assert [one.shape[1] for one in found] == [40, 16, 16]
    expected = series.astype(np.float32).astype(np.float64)
    expected[0, 23] = np.nan
    np.testing.assert_array_equal(found[0], expected)


def test_neighbouring_steps_count_once(run):
    from synthgen.evaluation.scorer import CalibratedScorer, Model

    model = Model(run.denoiser(), run.codec(), run.modality, run.schema, run.config.noise.sigma_data)
    source, chosen = run.source(), run.split.calibration
    scorer = CalibratedScorer(model).fit(source, train=run.split.train, calibration=chosen)
    found = StepCalibration.of(scorer, source, chosen)
    steps = sum(one.shape[1] for one in stretches(source.read(chosen), np.asarray(source.groups)[chosen]))
    assert len(found.blocks) == steps
    assert steps / WINDOW <= found.size <= steps / WINDOW + found.stretches
    assert found.p_values("fusion", np.array([np.inf, np.nan]))[0] == pytest.approx(1 / (found.size + 1))
