from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from synthgen.evaluation.membership import Attack, attack_rows, samples_attack


def normal(seed, n=600, d=8, scale=1.0):
    return (np.random.default_rng(seed).normal(size=(n, d)) * scale).astype(np.float32)


def attacked(train, holdout, synthetic):
    return {row.name: row for row in samples_attack(train, holdout, synthetic, draws=60)}


def test_the_share_found_at_one_percent_false_positives_agrees_with_scikit_learns_curve():
    rng = np.random.default_rng(0)
    attack = Attack(rng.normal(0.8, 1, 3000), rng.normal(0, 1, 1999))
    truth = np.repeat([1, 0], [3000, 1999])
    score = np.concatenate([attack.member, attack.other])
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    # Above the 20th highest of 1,999 non-members: 19 of them are mistaken for members, below 1 %.
    assert attack.allowed == 20
    expected = true[np.searchsorted(false, 19 / 1999, side="right") - 1]
    assert attack.found / 3000 == pytest.approx(expected, abs=1e-9)
    assert attack.auc == pytest.approx(roc_auc_score(truth, score))


def test_the_chance_interval_of_the_share_holds_its_promise():
    outside = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        _, row = attack_rows("mia", Attack(rng.normal(size=200), rng.normal(size=150)), note="", draws=2)
        outside += not row.floor_ci[0] <= row.value <= row.floor_ci[1]
    assert outside <= 0.07 * 300


def test_a_published_copy_of_the_training_set_gives_every_member_away():
    found = attacked(normal(0), normal(1), normal(0))
    assert found["mia_samples_auc"].value > 0.99
    assert found["mia_samples_tpr"].value > 0.99
    assert found["mia_samples_tpr"].ci[0] > found["mia_samples_tpr"].floor_ci[1]


def test_a_few_copies_show_in_the_share_and_hardly_in_the_area():
    train, synthetic = normal(0), normal(2)
    synthetic[:60] = train[:60]
    found = attacked(train, normal(1), synthetic)
    assert 0.06 < found["mia_samples_tpr"].value < 0.2
    assert found["mia_samples_tpr"].ci[0] > found["mia_samples_tpr"].floor_ci[1]
    assert found["mia_samples_auc"].value < 0.65


@pytest.mark.parametrize("seed", range(5))
def test_fresh_records_give_nobody_away(seed):
    found = attacked(normal(3 * seed + 10), normal(3 * seed + 11), normal(3 * seed + 12))
    row = found["mia_samples_auc"]
    assert row.ci[0] < row.floor_ci[1]
    assert found["mia_samples_tpr"].ci[0] < found["mia_samples_tpr"].floor_ci[1]


def test_a_hold_out_from_another_time_raises_the_floor_as_well():
    holdout = normal(1) + 3
    found = attacked(normal(0), holdout, normal(2))
    row = found["mia_samples_auc"]
    assert row.value > 0.9
    assert row.floor == pytest.approx(row.value, abs=0.05)
