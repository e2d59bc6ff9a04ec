"""The report's own calibration, small: `benchmarks/report_calibration.py` does it on forty splits."""

from __future__ import annotations

import importlib.util
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
