from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from synthgen.evaluation.privacy import Nearness, measure, nearest_pairs
from synthgen.evaluation.restoration import denoising_shift, loss_attack


def normal(seed, n=400, d=8):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def rows(train, holdout, synthetic):
    return {row.name: row for row in measure(Nearness(train, holdout, synthetic), draws=200)}


def test_a_copy_of_the_training_set_is_called_a_leak():
    found = rows(normal(0), normal(1), normal(0))
    assert found["copy_rate"].value == 1
    assert found["copy_rate"].facts["exact_copies"] == 400
    assert found["dcr_share"].value == 1
    assert found["dcr_share"].ci[0] > found["dcr_share"].floor_ci[1]


def test_slightly_noisy_copies_of_a_tenth_are_found():
    train, synthetic = normal(0), normal(2)
    synthetic[:40] = train[:40] + 0.02 * normal(3)[:40]
    row = rows(train, normal(1), synthetic)["copy_rate"]
    assert 0.09 < row.value < 0.15
    assert row.ci[0] > row.floor_ci[1]


@pytest.mark.parametrize("seed", range(6))
def test_fresh_real_records_are_within_chance(seed):
    found = rows(normal(10 * seed + 1), normal(10 * seed + 2), normal(10 * seed + 3))
    low, high = found["copy_rate"].floor_ci
    assert low <= found["copy_rate"].value <= high
    assert found["dcr_share"].ci[0] < found["dcr_share"].floor_ci[1]


def test_the_interval_of_the_copy_floor_holds_its_promise_on_fresh_records():
    outside = 0
    for seed in range(150):
        sides = (normal(3 * seed + k, 150, 3) for k in range(3))
        row = next(row for row in measure(Nearness(*sides), draws=1) if row.name == "copy_rate")
        outside += not row.floor_ci[0] <= row.value <= row.floor_ci[1]
    assert outside <= 0.08 * 150


def test_held_out_records_passed_off_as_synthetic_copy_nothing_from_training():
    holdout = normal(1)
    found = rows(normal(0), holdout, holdout)
    assert found["copy_rate"].value == pytest.approx(found["copy_rate"].floor)
    assert found["dcr_share"].value == 0


def test_ties_between_training_and_held_out_count_half():
    same = normal(0)
    assert rows(same, same, same)["dcr_share"].value == pytest.approx(0.5)


def test_duplicates_in_real_data_raise_the_floor_instead_of_hiding_copies():
    train, holdout = normal(0), normal(1)
    holdout[:40] = train[:40]
    synthetic = normal(2)
    synthetic[:200] = train[:200]
    row = rows(train, holdout, synthetic)["copy_rate"]
    assert row.floor == pytest.approx(0.1)
    assert row.value == pytest.approx(0.5)


def test_the_closest_pairs_are_the_planted_ones_nearest_first():
    train, synthetic = normal(0), normal(2)
    synthetic[7], synthetic[9] = train[30], train[50] + 0.01
    pairs = nearest_pairs(Nearness(train, normal(1), synthetic), count=2)
    assert [(pair.synthetic, pair.train) for pair in pairs] == [(7, 30), (9, 50)]
    assert pairs[0].distance == 0
    assert pairs[0].rank == 0


def test_membership_agrees_with_scikit_learn_and_finds_memorised_records():
    rng = np.random.default_rng(0)
    holdout = np.exp(rng.normal(size=(300, 1)))
    train = np.exp(rng.normal(-0.8, size=(300, 1)))
    row, rate = loss_attack(train, holdout, draws=100)
    expected = roc_auc_score(np.repeat([1, 0], 300), -np.concatenate([train, holdout])[:, 0])
    assert row.value == pytest.approx(expected)
    assert row.ci[0] > row.floor_ci[1]
    assert rate.name == "mia_tpr"
    assert rate.value == pytest.approx(float((train < np.sort(holdout, axis=0)[2]).mean()))  # 3 of 300 are 1 %


def test_membership_without_memory_is_within_chance():
    rng = np.random.default_rng(1)
    for row in loss_attack(np.exp(rng.normal(size=(400, 4))), np.exp(rng.normal(size=(400, 4))), draws=100):
        assert row.floor_ci[0] <= row.value <= row.floor_ci[1]


def test_denoising_shift_is_at_the_floor_for_real_records_and_large_for_strange_ones():
    rng = np.random.default_rng(0)
    train, holdout, fresh = (np.exp(rng.normal(size=(300, 3))) for _ in range(3))
    (clean,) = denoising_shift(train, holdout, fresh, draws=100)
    (strange,) = denoising_shift(train, holdout, fresh * 8, draws=100)
    assert clean.ci[0] <= clean.floor_ci[1]
    assert strange.value > 0.7
    assert "more anomalous" in strange.facts["note"]


def test_a_hold_out_from_another_time_is_not_taken_for_a_leak():
    rng = np.random.default_rng(0)
    train, holdout = rng.normal(0, 1, (400, 4)), rng.normal(9, 1, (200, 4))
    row = rows(train, holdout, rng.normal(0, 1, (300, 4)))["dcr_share"]
    assert row.value == row.floor == 1
    assert row.ci[0] <= row.floor_ci[1]


def test_authenticity_agrees_with_loops_over_its_definition():
    train, holdout, synthetic = normal(0, 60, 3), normal(1, 50, 3), normal(2, 40, 3)

    def authentic(record):
        distance = np.linalg.norm(train - record, axis=1)
        first = int(distance.argmin())
        others = np.delete(np.linalg.norm(train - train[first], axis=1), first)
        return distance.min() > others.min()

    row = rows(train, holdout, synthetic)["authenticity"]
    assert row.value == pytest.approx(np.mean([authentic(record) for record in synthetic]))
    assert row.floor == pytest.approx(np.mean([authentic(record) for record in holdout]))


def test_copies_have_no_authenticity_even_where_the_training_set_holds_duplicates():
    train = normal(0)
    train[:50] = train[50:100]
    assert rows(train, normal(1), train)["authenticity"].value == 0


def test_the_ratio_share_singles_out_copies_and_leaves_fresh_records_within_chance():
    leaked = rows(normal(0), normal(1), normal(0))["nndr_share"]
    assert leaked.value > 0.99
    assert leaked.ci[0] > leaked.floor_ci[1]
    fresh = rows(normal(10), normal(11), normal(12))["nndr_share"]
    assert fresh.ci[0] < fresh.floor_ci[1]


def test_pairs_that_count_as_copies_say_so():
    train, synthetic = normal(0), normal(2)
    synthetic[:3] = train[:3]
    pairs = nearest_pairs(Nearness(train, normal(1), synthetic))
    assert len(pairs) == 20
    assert [pair.copy for pair in pairs[:3]] == [True] * 3
    assert not pairs[-1].copy
