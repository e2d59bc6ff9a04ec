"""`synthgen score`: the options beyond one pass over a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthgen
from synthgen.evaluation.families import FAMILIES

DOCS = (Path(__file__).parents[2] / "docs" / "anomaly.md").read_text(encoding="utf-8")


def test_the_families_are_listed_with_their_cost_and_stand_so_in_the_docs(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("score", "--list-families", "--json")
    rows = ran.document["families"]
    assert [row["name"] for row in rows] == list(FAMILIES)
    for row in rows:
        assert f"| `{row['name']}` | {row['evaluations']} |" in DOCS


@pytest.fixture
def run(tmp_path: Path) -> Any:
    np.savez(tmp_path / "normal.npz", X=np.random.default_rng(0).normal(size=(400, 2)))
    overrides = {"train": {"samples": 3_000}, "network": {"width": 32, "blocks": 1}}
    return synthgen.train(overrides, modality="vectors", data=tmp_path / "normal.npz", out=tmp_path / "run")


def test_follow_scores_what_is_there_and_goes_on_when_called_again(
    run_cli: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    stream = tmp_path / "stream.csv"
    stream.write_text("0,0\n1,0\n")
    arguments = ["score", "--run", str(run.path), "--data", str(stream), "--follow", "--idle", "0", "--alpha", "0.05",
                 "--out", str(tmp_path / "out"), "--json"]  # fmt: skip
    assert run_cli(*arguments).document["records"] == 2
    with stream.open("a") as file:
        file.write("9,9\n")
    document = run_cli(*arguments).document
    assert (document["records"], document["flagged"], document["errors"]) == (3, 1, 0)


def test_follow_without_data_is_a_usage_error(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("score", "--follow")
    assert ran.code == 2
    assert "--follow needs --data" in ran.stderr


def test_by_step_scores_each_row_of_a_table_and_says_so(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    t = np.arange(1_500)
    wave = np.sin(t / 2) + 0.1 * np.random.default_rng(0).normal(size=len(t))
    lines = ["flow", *(f"{value:.4f}" for value in wave)]
    (tmp_path / "normal.csv").write_text("\n".join(lines))
    (tmp_path / "new.csv").write_text("\n".join(lines[:201]))
    overrides = {
        "network": {"width": 16, "blocks": 1, "multipliers": [1, 2]},
        "train": {"samples": 1_000},
        "data": {"window": 16, "calibration": 0.2, "holdout": 0.2},
    }
    trained = synthgen.train(overrides, modality="timeseries", data=tmp_path / "normal.csv", out=tmp_path / "run")
    arguments = ["score", "--run", str(trained.path), "--data", str(tmp_path / "new.csv"), "--by", "step"]
    document = run_cli(*arguments, "--alpha", "0.05", "--out", str(tmp_path / "scores"), "--json").document
    assert document["steps"] == 200
    assert {"step", "score", "p", "q", "flagged", "map"} <= set(pd.read_parquet(tmp_path / "scores" / "steps.parquet"))
    assert (tmp_path / "scores" / "steps.html").stat().st_size > 10_000
    refused = run_cli(*arguments, "--label-errors")
    assert refused.code == 2
    assert "does not go with --by step" in refused.stderr
