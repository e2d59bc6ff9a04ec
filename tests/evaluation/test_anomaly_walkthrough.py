"""The walk-through in `examples/` runs, finds what it hides, and says so."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pandas as pd

SCRIPT = Path(__file__).parents[2] / "examples" / "anomaly_walkthrough.py"


def test_walkthrough_finds_the_flaws_that_it_hides(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["anomaly_walkthrough.py", "--out", str(tmp_path), "--samples", "6000"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
    for name in ("parts", "sensor"):
        assert f"== {name}: AUROC" in said
        table = pd.read_parquet(tmp_path / name / "scores" / "scores.parquet")
        hidden = table["anomaly"].to_numpy()
        assert 20 <= hidden.sum() <= 30
        assert table["score"][hidden].median() > table["score"][~hidden].quantile(0.9)
        assert (tmp_path / name / "scores" / "score.html").exists()
