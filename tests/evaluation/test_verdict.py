from __future__ import annotations

import pytest

from synthgen.evaluation.measurement import measure_records
from synthgen.evaluation.metric import MetricRow
from synthgen.evaluation.verdict import answer, sentences


def decisions(rows, **more):
    return {one.question: one.decision for one in answer(rows, **more)}


def row(name, value, low, high, floor=0.5, floor_ci=(0.45, 0.55)):
    return MetricRow(name, value, (low, high), floor, 100, facts={"floor_ci": floor_ci})


@pytest.mark.parametrize(("low", "high", "expected"), [(0.5, 0.6, "yes"), (0.6, 0.7, "cannot tell"), (0.7, 0.8, "no")])
def test_an_interval_across_the_line_cannot_tell(low, high, expected):
    rows = [row("c2st_auc", (low + high) / 2, low, high), row("recall", 0.9, 0.88, 0.92, 0.95)]
    assert decisions(rows)["Looks right?"] == expected


def test_the_worst_rule_decides_a_question():
    rows = [row("c2st_auc", 0.5, 0.45, 0.55), row("recall", 0.1, 0.05, 0.15, 0.95)]
    assert decisions(rows)["Looks right?"] == "no"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.001, 0.02, "yes"), (-0.01, 0.02, "cannot tell"), (-0.02, -0.001, "no")]
)
def test_helping_means_a_gain_whose_whole_interval_is_above_zero(low, high, expected):
    assert decisions([row("gain", (low + high) / 2, low, high, 0.0)])["Helps?"] == expected


def test_a_measure_prefixed_gain_answers_whether_it_helps():
    assert decisions([row("r2_gain", 0.05, 0.01, 0.09, 0.0)])["Helps?"] == "yes"


def test_what_failed_or_does_not_apply_cannot_tell_and_says_why():
    answers = answer(
        [MetricRow("c2st_auc", None, error="ValueError: too few")], absent={"gain": "no labels"}
    )  # fmt: skip
    assert [one.decision for one in answers] == ["cannot tell"] * 3
    text = " ".join(sentences(answers))
    assert "ValueError: too few" in text
    assert "no labels" in text


def test_helping_is_said_by_class_too():
    rows = [row("gain", 0.02, 0.01, 0.03, 0.0), row("gain/rust", 0.2, 0.1, 0.3, 0.0),
            row("gain/dent", -0.1, -0.2, -0.05, 0.0), row("gain/none", 0.0, -0.1, 0.1, 0.0)]  # fmt: skip
    assert "by class it helps rust, harms dent, cannot tell for 1 of 3" in sentences(answer(rows))[1]
    assert "by class" not in sentences(answer(rows[:1]))[1]


def test_every_sentence_names_the_number_and_its_interval():
    rows = [row("copy_rate", 0.25, 0.21, 0.29, 0.01, (0.0, 0.02)), row("dcr_share", 0.5, 0.46, 0.54)]
    leaks = sentences(answer(rows))[2]
    assert leaks.startswith("Leaks? Yes: 25.0 % [21.0, 29.0]")
    assert "0.0 to 2.0 %" in leaks


def test_no_gain_and_no_loss_is_no_help():
    assert decisions([row("gain", 0.0, 0.0, 0.0, 0.0)])["Helps?"] == "cannot tell"


def test_a_handful_of_records_cannot_rule_out_copies():
    rows = [row("copy_rate", 0.0, 0.0, 0.16, 0.05, (0.0, 0.2)), row("dcr_share", 0.5, 0.46, 0.54)]
    assert decisions(rows)["Leaks?"] == "no"
    rows = [row("copy_rate", 0.15, 0.05, 0.36, 0.05, (0.0, 0.2)), row("dcr_share", 0.5, 0.46, 0.54)]
    assert decisions(rows)["Leaks?"] == "cannot tell"


def verdict(modality, sides, synthetic):
    found = measure_records(modality, sides.schema, sides.train, sides.holdout, synthetic, draws=100)
    return {one.question: one.decision for one in answer(found.rows, absent=found.absent)}


def test_fresh_real_records_look_right_and_do_not_leak(modality, sides):
    found = verdict(modality, sides, sides.fresh)
    assert found["Looks right?"] == "yes"
    assert found["Leaks?"] == "no"


def test_the_training_set_itself_leaks(modality, sides):
    assert verdict(modality, sides, sides.train)["Leaks?"] == "yes"
