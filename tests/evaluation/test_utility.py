from __future__ import annotations

import numpy as np
import pytest

from synthgen.api import Records
from synthgen.evaluation import utility
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
