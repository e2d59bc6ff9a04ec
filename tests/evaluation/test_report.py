from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from synthgen_timeseries import contrastive, protocol
from synthgen_timeseries.judge import NetworkJudge

from synthgen.errors import GateError, RunError, UsageError
from synthgen.evaluation import evaluate
from synthgen.evaluation.arms import Bench
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.catalogue import CATALOGUE
from synthgen.evaluation.gates import check_gates, judge_gates
from synthgen.evaluation.judged import judged_by
from synthgen.evaluation.material import encoded_alike, gather
from synthgen.evaluation.metric import MetricRow
from synthgen.generation import generate
from synthgen.io.run import Run
from synthgen.training import train

COSTLY = ("context_fid", "discriminative", "predictive", "rocket_auc")


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
    full = {name for name, reason in absent.items() if reason == "measured with --full"}
    assert full == {"gain_25", "gain_10", "tstr_25", "tstr_10"}
    ours = absent.keys() & set(CATALOGUE)
    assert ours - full == {"vendi_worst_class"}  # the classes are too small here
    assert absent.keys() - ours == {"correlational", "crosscorr_distance", *COSTLY}
    assert [name for name, row in rows.items() if row["error"]] == []
    assert len(facts["verdict"]) == 3
    assert facts["run"] == str(workplace / "run")
    assert facts["synthetic"] == str(workplace / "made")


def test_the_page_shows_losses_overview_and_closest_pairs(report):
    text = report.html.read_text(encoding="utf-8")
    assert "No picture" not in text
    drawn = ("Autocorrelation", "Power spectrum", "Nearest neighbours")
    assert all(name in text for name in drawn)  # the pictures of the modality
    assert text.count("<figure>") >= 8  # those, losses, overview and closest pairs


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


def test_several_data_sets_stand_side_by_side_and_each_has_its_own_document(workplace, tmp_path):
    generate(workplace / "run", n=40, steps=4, seed=1, out=workplace / "made again")
    sets = [workplace / "made", workplace / "others.csv", workplace / "made again"]
    with pytest.raises(GateError, match="c2st_auc"):
        evaluate(workplace / "run", sets, out=tmp_path / "r", fast=True, fail_under={"c2st_auc": 0.9})
    facts = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    names = [str(path) for path in sets]
    assert facts["synthetic"] == names
    assert [one["synthetic"] for one in facts["datasets"]] == names
    assert len(facts["verdict"]) == 9
    assert [row["synthetic"] for row in facts["metrics"] if row["name"] == "tstr"] == names
    # Real records of the same kind beat what a run of 400 samples made, and a gate holds for each set by itself.
    gates = {gate["synthetic"]: gate["met"] for gate in facts["gates"]}
    assert gates == {names[0]: False, names[1]: True, names[2]: False}
    text = (tmp_path / "r" / "report.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("| `c2st_auc` |"))
    assert "**" in line.split("|")[3]
    assert "**" not in line.split("|")[2]
    html = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert html.index("made again") < html.index("Metrics</h3>")


def test_a_data_set_given_twice_and_two_ways_of_spending_are_refused(workplace):
    with pytest.raises(UsageError, match="twice"):
        evaluate(workplace / "run", [workplace / "made", workplace / "made"])
    with pytest.raises(UsageError, match="fast and full"):
        evaluate(workplace / "run", workplace / "made", fast=True, full=True)


def test_a_second_report_reads_what_the_first_computed(workplace, report, tmp_path, monkeypatch):
    from synthgen.evaluation import arms, denoising

    def refuse(*arguments, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr(arms.Bench, "_ask", refuse)
    monkeypatch.setattr(denoising, "denoising_errors", refuse)
    again = evaluate(workplace / "run", workplace / "made", out=tmp_path / "again", fast=True)
    assert [row.to_json() for row in again.metrics] == [row.to_json() for row in report.metrics]


def test_a_full_report_has_a_learning_curve_and_what_fast_leaves_out(workplace, tmp_path, monkeypatch):
    for score in (protocol.discriminative, protocol.predictive):
        monkeypatch.setitem(score.__kwdefaults__, "iterations", 3)
    monkeypatch.setattr(contrastive, "_ITERATIONS", (3, 3))
    found = evaluate(workplace / "run", workplace / "made", out=tmp_path / "full", full=True, seeds=1)
    assert found.row("gain_10").error is None
    curve = found.json["learning_curve"]
    assert curve[0]["synthetic"] == 0
    assert curve[-1]["synthetic"] == 40
    assert "How much synthetic data helps" in found.html.read_text(encoding="utf-8")


def test_remaining_time_is_told_from_the_second_stage_on_and_the_share_only_grows(workplace, tmp_path):
    events = []
    evaluate(workplace / "run", workplace / "made", out=tmp_path / "r", fast=True, progress=events.append)
    shares = [event["progress"] for event in events]
    assert shares == sorted(shares)
    assert shares[-1] < 1
    assert all(event["remaining"] >= 0 for event in events[2:])


def test_synthetic_records_of_others_are_measured_in_the_levels_that_the_real_ones_have(tiny_run, tmp_path):
    """Digits use 17 grey levels; the same digits with all 256 must not be told from them by that alone."""
    source = tiny_run.source()
    real = source.read(tiny_run.split.train)
    levels = np.unique(real["image"])
    step = int(np.diff(levels).min())
    noisy = real["image"].astype(int) + np.random.default_rng(0).integers(
        -(step // 2) + 1, step // 2, real["image"].shape
    )
    names = np.array(tiny_run.schema.labels)[real.label]
    np.savez(tmp_path / "foreign.npz", X=np.clip(noisy, 0, 255).astype(np.uint8), y=names)
    material = gather(tiny_run, tmp_path / "foreign.npz", real=None)
    assert set(np.unique(material.synthetic["image"])) <= set(levels)
    np.testing.assert_array_equal(material.synthetic.label, real.label)


def test_gaps_of_synthetic_series_survive_the_same_encoding(workplace):
    run = Run.open(workplace / "run")
    records = run.source().read(np.arange(6))
    records.columns["observed"] = records["observed"].copy()
    records.columns["observed"][2, 0, 5:9] = False
    alike = encoded_alike(run, records)
    np.testing.assert_array_equal(alike["observed"], records["observed"])
    np.testing.assert_allclose(alike["values"][3], records["values"][3], atol=1e-3)


def test_synthetic_images_are_compressed_as_the_real_ones_are_and_never_twice(tiny_run, tmp_path):
    records = tiny_run.source().read(tiny_run.split.holdout)
    names = np.array(tiny_run.schema.labels)[records.label]
    for position, (image, name) in enumerate(zip(records["image"], names, strict=True)):
        (tmp_path / "real" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(tmp_path / "real" / name / f"{position}.jpg", quality=40)
    np.savez(tmp_path / "foreign.npz", X=records["image"], y=names)
    plain = gather(tiny_run, tmp_path / "foreign.npz", real=None).synthetic
    alike = gather(tiny_run, tmp_path / "foreign.npz", real=str(tmp_path / "real"))
    assert any("compressed once with the same tables" in note for note in alike.notes)
    assert np.any(alike.synthetic["image"] != plain["image"])
    again = gather(tiny_run, tmp_path / "real", real=str(tmp_path / "real"))
    assert any("not compressed again" in note for note in again.notes)


def test_another_judge_is_asked_and_named(workplace, report, monkeypatch):
    monkeypatch.setitem(NetworkJudge.__init__.__kwdefaults__, "steps", 4)
    other = evaluate(workplace / "run", workplace / "made", out=workplace / "by-fcn", fast=True, judge="fcn")
    assert other.json["provenance"]["judge"] == "fcn"
    assert "--judge fcn" in other.json["provenance"]["command"]
    assert other.row("tstr").error is None
    assert report.json["provenance"]["judge"] == "default"
    assert "--judge" not in report.json["provenance"]["command"]


def test_an_unknown_judge_is_named_before_any_work(workplace):
    with pytest.raises(UsageError, match="unknown judge 'forest'"):
        evaluate(workplace / "run", workplace / "made", out=workplace / "never", judge="forest")
    assert not (workplace / "never").exists()


def test_answers_of_two_judges_are_kept_apart(workplace):
    run = Run.open(workplace / "run")
    names = {
        Bench(judged_by(run.modality, kind), run.schema, seeds=[0], draws=2, cache=Cache())._judge_name(0)
        for kind in ("default", "fcn", "inceptiontime")
    }
    assert len(names) == 3
