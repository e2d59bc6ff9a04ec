from __future__ import annotations

import numpy as np
import pytest

from synthgen.api import Records
from synthgen.evaluation import utility
from synthgen.evaluation.arms import stratified_share
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.measurement import measure_records


def rows(modality, sides, synthetic, **more):
    found = utility.measure(modality, sides.schema, sides.train, sides.holdout, synthetic, draws=100, **more)
    return {row.name: row for row in found}


def shuffled(records):
    return Records(records.columns, np.random.default_rng(0).permutation(records.label))


def test_fresh_real_records_stand_in_for_the_training_set(modality, sides):
    found = rows(modality, sides, sides.fresh)
    assert found["tstr_ratio"].ci[0] < 1 < found["tstr_ratio"].ci[1] + 0.03
    assert found["tstr_ratio"].floor == 1
    assert abs(found["label_fidelity"].value - found["label_fidelity"].floor) < 0.05
    assert found["tstr"].floor == found["trtr"].value


def test_shuffled_labels_drop_label_fidelity_and_tstr_to_chance_and_hurt_as_addition(modality, sides):
    found = rows(modality, sides, shuffled(sides.fresh))
    assert found["label_fidelity"].value < 0.2
    assert found["label_fidelity"].ci[1] < found["label_fidelity"].floor_ci[0]
    assert found["tstr"].value < 0.4
    assert found["gain"].ci[1] < 0


def test_values_are_means_over_the_judges_of_all_seeds(modality, sides):
    found = rows(modality, sides, sides.fresh, seeds=(3, 5))
    by_hand = []
    for seed in (3, 5):
        judge = modality.judge(sides.schema, seed=seed)
        by_hand.append(judge.fit(sides.fresh).evaluate(sides.holdout).value())
    assert found["tstr"].value == pytest.approx(np.mean(by_hand))
    assert found["tstr"].facts["per_seed"] == pytest.approx(by_hand)
    assert found["tstr"].facts["seeds"] == [3, 5]


def test_all_arms_but_gain_have_the_same_number_of_training_records(modality, sides):
    found = rows(modality, sides, sides.fresh.take(slice(0, 200)))
    assert found["trtr"].facts["n_train"] == found["tstr"].facts["n_train"] == 200
    assert "700 real + 200 synthetic against 700 real" in found["gain"].facts["note"]


def test_the_paired_interval_of_the_ratio_is_narrower_than_that_of_unpaired_arms(modality, sides):
    found = rows(modality, sides, sides.fresh)
    ratio = found["tstr_ratio"]
    loose = [found["tstr"].ci[0] / found["trtr"].ci[1], found["tstr"].ci[1] / found["trtr"].ci[0]]
    assert ratio.ci[1] - ratio.ci[0] < loose[1] - loose[0]


def test_every_class_has_its_own_rows_with_intervals_and_floor(modality, sides):
    found = rows(modality, sides, sides.fresh)
    for label in sides.schema.labels:
        row = found[f"tstr/{label}"]
        assert row.ci[0] <= row.value <= row.ci[1]
        assert row.floor == found[f"trtr/{label}"].value


def test_a_judge_of_another_measure_names_its_rows_after_it(make_modality, sides):
    modality = make_modality("r2")
    found = measure_records(modality, sides.schema, sides.train, sides.holdout, sides.fresh, draws=50)
    names = {row.name for row in found.rows}
    assert {"r2_trtr", "r2_tstr", "r2_tstr_ratio", "r2_gain"} <= names
    assert "tstr" not in names
    assert "r2_tstr" in found.absent["tstr"]


def test_without_a_judge_utility_is_absent_with_the_modalitys_reason(make_modality, sides):
    found = measure_records(make_modality("none"), sides.schema, sides.train, sides.holdout, sides.fresh, draws=50)
    assert found.absent["tstr"] == "nothing to judge by"
    assert not [row for row in found.rows if "tstr" in row.name]
    assert {"fd", "c2st_auc", "copy_rate"} <= {row.name for row in found.rows}


def test_unlabelled_synthetic_records_leave_out_what_needs_labels(modality, sides):
    bare = Records(sides.fresh.columns)
    found = measure_records(modality, sides.schema, sides.train, sides.holdout, bare, draws=50)
    assert "no labels" in found.absent["tstr"]
    assert [row.error for row in found.rows] == [None] * len(found.rows)


def test_a_judge_that_fails_is_error_rows_and_the_rest_is_measured(make_modality, sides, monkeypatch):
    modality = make_modality()

    class Broken:
        measure = "accuracy"

        def fit(self, records):
            raise RuntimeError("out of luck")

    monkeypatch.setattr(modality, "judge", lambda schema, *, seed, kind="default": Broken())
    found = measure_records(modality, sides.schema, sides.train, sides.holdout, sides.fresh, draws=50)
    errors = {row.name: row.error for row in found.rows}
    assert errors["tstr"] == "RuntimeError: out of luck"
    assert errors["fd"] is None


def test_a_reversed_test_and_gains_with_few_labels_have_rows_where_they_are_asked_for(modality, sides):
    found = rows(modality, sides, sides.fresh, shares=(0.25, 0.1))
    assert abs(found["trts"].value - found["trts"].floor) < 0.05
    assert "70 real + 500 synthetic against 70 real" in found["gain_10"].facts["note"]
    assert "176 real + 500 synthetic against 176 real" in found["gain_25"].facts["note"]
    assert "each real one 7 times, so that both count alike" in found["gain_10"].facts["note"]
    # 500 more real records help most where there are few.
    assert found["gain_10"].value > found["gain_25"].value > found["gain"].value
    assert found["gain_10"].ci[0] > 0
    assert not {"gain_10", "gain_25", "tstr_25"} & rows(modality, sides, sides.fresh).keys()


def test_few_synthetic_records_are_compared_with_as_many_real_ones(modality, sides):
    good, bad = (rows(modality, sides, side, shares=(0.1,)) for side in (sides.fresh, shuffled(sides.fresh)))
    assert "72 synthetic against 70 real records" in good["tstr_10"].facts["note"]
    assert good["tstr_10"].floor == good["gain_10"].facts["alone"] < good["trtr"].value
    assert abs(good["tstr_10"].value - good["tstr_10"].floor) < 0.15  # both are real here
    assert bad["tstr_10"].value < good["tstr_10"].value - 0.3  # labels at random teach nothing


def test_a_share_of_the_labels_keeps_every_class(sides):
    part = stratified_share(sides.train, 0.1)
    counts, whole = (np.bincount(side.label, minlength=10) for side in (part, sides.train))
    assert np.all(np.abs(counts - 0.1 * whole) <= 0.5 + 1e-9)
    rare = Records(sides.train.columns, np.where(np.arange(700) == 3, 1, 0))
    assert stratified_share(rare, 0.1).label.sum() == 1


def test_gain_of_each_class_is_paired_and_the_worst_class_is_named(modality, sides):
    # One class is mislabelled as its neighbour: that one is harmed.
    label = sides.fresh.label.copy()
    label[label == 3] = 5
    found = rows(modality, sides, Records(sides.fresh.columns, label))
    worst = found["gain_worst_class"]
    assert worst.facts["class"] == "digit 3"
    assert worst.value == found["gain/digit 3"].value < 0
    assert worst.ci[1] < 0
    assert found["tstr_worst_class"].value == found["tstr/digit 3"].value == 0
    assert found["tstr_worst_class"].floor == min(row.floor for name, row in found.items() if name.startswith("tstr/"))
    assert found["tstr_worst_class"].floor_ci[0] <= found["tstr_worst_class"].floor <= 1
    assert worst.ci[0] <= worst.value <= worst.ci[1]


def test_a_learning_curve_starts_at_real_records_alone_and_uses_what_there_is(modality, sides):
    few = sides.train.take(slice(0, 100))
    points = utility.learning_curve(modality, sides.schema, few, sides.holdout, sides.fresh, seeds=(0, 1), draws=50)
    assert [point.synthetic for point in points] == [0, 25, 50, 100, 200, 400]
    alone = np.mean([modality.judge(sides.schema, seed=s).fit(few).evaluate(sides.holdout).value() for s in (0, 1)])
    assert points[0].value == pytest.approx(alone)
    assert points[-1].value > points[0].value
    assert all(point.ci[0] <= point.value <= point.ci[1] for point in points)


def test_a_second_measurement_trains_no_judge_and_says_the_same(modality, sides, tmp_path, monkeypatch):
    first = rows(modality, sides, sides.fresh, cache=Cache(tmp_path))
    judge = type(modality.judge(sides.schema, seed=0))

    def fit(self, records):
        raise AssertionError("trained again")

    monkeypatch.setattr(judge, "fit", fit)
    again = rows(modality, sides, sides.fresh, cache=Cache(tmp_path))
    assert {name: row.to_json() for name, row in again.items()} == {
        name: row.to_json() for name, row in first.items()
    }  # fmt: skip
