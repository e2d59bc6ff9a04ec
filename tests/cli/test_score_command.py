"""`synthgen score`: the options beyond one pass over a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
