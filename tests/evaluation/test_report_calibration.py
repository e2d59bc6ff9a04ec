"""The report's own calibration, small: `benchmarks/report_calibration.py` does it on forty splits."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "report_calibration.py"
    spec = importlib.util.spec_from_file_location("report_calibration", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_calibration"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["report_calibration"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:An ill-conditioned matrix")  # the ridge judge on a set of few repeated records
@pytest.mark.parametrize("seed", [100, 101])
def test_real_data_gets_a_clean_verdict_and_every_fault_is_caught_by_the_metric_meant_for_it(
    benchmark, make_modality, seed
):
    found = benchmark.calibrate(benchmark.split(seed), seed=seed, draws=50, modality=make_modality())
    clean = found.pop("real data passed off as synthetic")
    assert clean["decisions"]["Looks right?"] == "yes"
    assert clean["decisions"]["Leaks?"] == "no"
    assert clean["false_alarms"] == []
    assert found.keys() == benchmark.FAULTS.keys()
    assert [name for name, result in found.items() if not result["caught"]] == []
    assert [name for name, result in found.items() if not result["answered"]] == []


def test_the_table_of_the_metrics_page_is_that_of_the_recorded_splits():
    root = Path(__file__).parents[2]
    record = json.loads((root / "benchmarks/results/report_calibration_40.json").read_text(encoding="utf-8"))
    summary = record["results"]["summary"]
    page = (root / "docs/metrics.md").read_text(encoding="utf-8")
    table = page.split("## Calibration of the report")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "40 of 40" in line]
    clean = summary.pop("real data passed off as synthetic")
    assert rows[0][0] == "real data passed off as synthetic"
    assert clean["looks right, leaks nothing"] == 40
    assert clean["false alarms of metrics"] == 0
    assert len(rows) == 1 + len(summary)
    for (name, metric, values, floor, caught, verdict), (fault, found) in zip(rows[1:], summary.items(), strict=True):
        assert (name, metric) == (fault, f"`{found['metric']}`")
        assert values == "{:.2f} to {:.2f}".format(*found["value"])
        assert floor == "{:.2f} to {:.2f}".format(*found["floor"])
        assert caught == f"{found['caught']} of 40"
        assert verdict.endswith("40 of 40") if found["verdict as it has to be"] == 40 else verdict == ""
