from __future__ import annotations

import json

import numpy as np
import pytest

from synthgen.errors import GateError, RunError, UsageError
from synthgen.evaluation import evaluate
from synthgen.evaluation.catalogue import CATALOGUE
from synthgen.evaluation.gates import check_gates, judge_gates
from synthgen.evaluation.metric import MetricRow
from synthgen.generation import generate
from synthgen.training import train


def write_series(path, seed, n=72, length=32):
    """A wide table, a row a series; class `sine` and class `ramp`."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, length)
    lines = [",".join(["label", *(f"t{k}" for k in range(length))])]
    for i in range(n):
        label = ("sine", "ramp")[i % 2]
        clean = np.sin(2 * np.pi * (time + rng.uniform())) if label == "sine" else rng.uniform(0.5, 2) * time
        lines.append(",".join([label, *(f"{x:.5f}" for x in clean + 0.1 * rng.normal(size=length))]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A directory with data, other data of the same kind, a short run and a data set made from it."""
    place = tmp_path_factory.mktemp("evaluate")
    write_series(place / "waves.csv", 0)
    write_series(place / "others.csv", 1)
    network = {"name": "unet", "width": 8, "multipliers": [1], "blocks": 1, "attention": False, "heads": 1}
    options = {"network": network, "train": {"samples": 400}}
    train(options, modality="timeseries", data=place / "waves.csv", out=place / "run")
    generate(place / "run", n=40, steps=4, out=place / "made")
    return place


@pytest.fixture(scope="module")
def report(workplace):
    return evaluate(workplace / "run", workplace / "made", out=workplace / "report", fast=True)


def test_a_report_has_all_files_and_every_row_that_applies(workplace, report):
    assert {path.name for path in report.path.iterdir()} == {"report.html", "report.json", "report.md"}
    facts = json.loads((report.path / "report.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in facts["metrics"]}
    absent = {gone["name"]: gone["reason"] for gone in facts["not_applicable"]}
    assert set(CATALOGUE) == (rows.keys() | absent.keys()) & set(CATALOGUE)
    assert {name for name, reason in absent.items() if reason == "left out by --fast"} == {"gain_25", "gain_10"}
    assert absent.keys() - {"gain_25", "gain_10"} == {"vendi_worst_class"}  # the classes are too small here
    assert [name for name, row in rows.items() if row["error"]] == []
    assert len(facts["verdict"]) == 3
    assert facts["run"] == str(workplace / "run")
    assert facts["synthetic"] == str(workplace / "made")


def test_the_page_shows_losses_overview_and_closest_pairs(report):
    text = report.html.read_text(encoding="utf-8")
    assert "No picture" not in text
    assert text.count("<figure>") in {3, 4}  # with odd records, if there are any


def test_an_unmet_gate_fails_after_the_report_is_written(workplace):
    out = workplace / "gated"
    with pytest.raises(GateError, match=r"c2st_auc is .* at most 0\.01") as caught:
        evaluate(workplace / "run", workplace / "made", out=out, fast=True, fail_under={"c2st_auc": 0.01, "trtr": 0.0})
    assert caught.value.exit_code == 3
    gates = json.loads((out / "report.json").read_text(encoding="utf-8"))["gates"]
    assert {gate["metric"]: gate["met"] for gate in gates} == {"c2st_auc": False, "trtr": True}


def test_an_unknown_metric_is_refused_before_the_run_is_even_looked_for(tmp_path):
    with pytest.raises(UsageError, match="no metric is called tsrt") as caught:
        evaluate(tmp_path / "nowhere", fail_under={"tsrt": 0.9})
    assert "tstr" in caught.value.hint


@pytest.mark.parametrize(
    "limits", [{"tstr/no such class": 0.5}, {"kd/sine": 0.5}, {"mse_tstr": 0.1}, {"fd": float("nan")}]
)
def test_limits_that_no_report_can_hold_are_refused(limits):
    with pytest.raises(UsageError):
        check_gates(limits, measure="accuracy", classes=("sine", "ramp"))


def test_a_metric_that_failed_or_is_absent_does_not_pass_its_gate():
    rows = [MetricRow("fd", None, error="ValueError: no"), MetricRow("kd", 0.0, better="lower")]
    gates = judge_gates({"fd": 1.0, "kd": 0.0, "gain": -1.0}, rows, {"gain": "no labels"})
    assert [gate["met"] for gate in gates] == [False, True, False]
    assert gates[2]["reason"] == "no labels"


def test_training_data_that_moved_is_an_error_that_names_the_way_out(workplace):
    data = workplace / "waves.csv"
    data.rename(workplace / "moved.csv")
    try:
        with pytest.raises(RunError) as caught:
            evaluate(workplace / "run", workplace / "made", out=workplace / "none", fast=True)
        assert "--real" in caught.value.hint
        assert not (workplace / "none").exists()
        found = evaluate(
            workplace / "run", workplace / "made", real=workplace / "others.csv", out=workplace / "other", fast=True
        )
    finally:
        (workplace / "moved.csv").rename(data)
    names = {row.name for row in found.metrics}
    assert "tstr" in names
    leaks = {"copy_rate", "authenticity", "dcr_share", "nndr_share"}
    leaks |= {f"{attack}_{number}" for attack in ("mia", "mia_samples") for number in ("auc", "tpr")}
    assert not leaks & names
    assert leaks <= {gone["name"] for gone in found.json["not_applicable"]}


def test_other_real_data_becomes_the_held_out_side_and_is_never_trained_on(workplace):
    found = evaluate(
        workplace / "run", workplace / "made", real=workplace / "others.csv", out=workplace / "r", fast=True
    )
    assert found.json["provenance"]["records"]["holdout"] == 72
    assert found.row("tstr").n == 72
    assert any("--real" in note for note in found.json["notes"])


def test_without_a_data_set_records_are_generated_in_memory_and_the_report_says_so(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = evaluate(workplace / "run", out=tmp_path / "report", fast=True)
    assert "generated in memory" in found.json["synthetic"]
    assert any("generated in memory" in note for note in found.json["notes"])
    assert not (tmp_path / "synthetic").exists()
