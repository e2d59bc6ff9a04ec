"""`synthgen.Scorer` behaves as a scikit-learn outlier detector and keeps its false-alarm rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import synthgen
from synthgen.errors import DataError, UsageError

SMALL = {"network": {"width": 64, "blocks": 2}}


def normals(n, seed):
    """A ring: the mean of all records is no record, so a Gaussian detector is blind to it."""
    draws = np.random.default_rng(seed)
    angle = draws.uniform(0, 2 * np.pi, n)
    plane = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 3
    return np.concatenate([plane, np.zeros((n, 2))], axis=1) + draws.normal(0, 0.2, (n, 4))


@pytest.fixture(scope="module")
def scorer():
    return synthgen.Scorer(samples=30_000, overrides=SMALL).fit(normals(600, 0))


def test_false_alarms_lie_in_the_interval_of_the_calibration_and_the_centre_of_the_ring_is_found(scorer):
    from synthgen.evaluation.calibration import false_alarm_interval

    fresh = normals(400, 1)
    low, high = false_alarm_interval(120, 400)
    assert low <= (scorer.predict(fresh) == -1).sum() <= high
    centre = np.random.default_rng(2).normal(0, 0.2, (50, 4))
    assert (scorer.predict(centre) == -1).mean() > 0.9
    truth = np.repeat([0, 1], [400, 50])
    assert roc_auc_score(truth, -scorer.score_samples(np.concatenate([fresh, centre]))) > 0.98


def test_predict_decision_function_and_p_values_agree(scorer):
    x = np.concatenate([normals(80, 3), np.random.default_rng(0).normal(0, 2, (80, 4))])
    flagged = scorer.predict(x) == -1
    np.testing.assert_array_equal(flagged, scorer.p_values(x) <= 0.05)
    np.testing.assert_array_equal(flagged, scorer.decision_function(x) < 0)
    order = stats.spearmanr(scorer.score_samples(x), scorer.p_values(x)).statistic
    assert order > 0.9  # both fall with oddness


def test_it_works_in_a_pipeline_and_clones(scorer):
    pipeline = make_pipeline(StandardScaler(), synthgen.Scorer(samples=10_000, overrides=SMALL, seed=3))
    wine = load_wine()
    pipeline.fit(wine.data[wine.target != 2])
    assert set(pipeline.predict(wine.data)) <= {-1, 1}
    scores = -pipeline.score_samples(wine.data)
    assert roc_auc_score(wine.target == 2, scores) > 0.9
    again = clone(pipeline[-1])
    assert again.get_params() == pipeline[-1].get_params()
    assert not hasattr(again, "run_")


def test_the_same_seed_gives_the_same_scores():
    one, two = (
        synthgen.Scorer(samples=5_000, overrides=SMALL, seed=5).fit(normals(100, 0)).score_samples(normals(20, 1))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_alpha_that_the_calibration_cannot_resolve_is_refused():
    with pytest.raises(UsageError, match="smallest p-value"):
        synthgen.Scorer(samples=2_000, overrides=SMALL, alpha=0.001).fit(normals(100, 0))


def test_records_of_another_shape_are_refused(scorer):
    with pytest.raises(DataError, match=r"records of shape \(3,\)"):
        scorer.predict(np.zeros((5, 3)))


def test_a_trained_run_is_calibrated_without_training(tmp_path, scorer):
    np.savez(tmp_path / "ring.npz", X=normals(300, 7))
    overrides = {**SMALL, "train": {"samples": 30_000}}
    run = synthgen.train(overrides, modality="vectors", data=tmp_path / "ring.npz", out=tmp_path / "run")
    found = synthgen.Scorer(run=run.path, calibration=0.5).fit(normals(400, 8))
    assert found.run_["files"] == run.facts["files"]
    centre = np.random.default_rng(2).normal(0, 0.2, (50, 4))
    assert (found.predict(centre) == -1).mean() > 0.8


@pytest.mark.parametrize("trained", [False, True])
def test_groups_calibrate_as_a_whole_and_count_once(tmp_path, trained, scorer):
    settings = {"samples": 2_000, "overrides": SMALL}
    if trained:
        np.savez(tmp_path / "ring.npz", X=normals(100, 7))
        run = synthgen.train(
            {**SMALL, "train": {"samples": 2_000}}, modality="vectors", data=tmp_path / "ring.npz", out=tmp_path / "run"
        )
        settings = {"run": run.path}
    groups = np.arange(400) % 100  # four measurements of each of a hundred machines
    found = synthgen.Scorer(calibration=0.4, alpha=0.1, **settings).fit(normals(400, 0), groups=groups)
    assert found.calibrated_.calibration_size == pytest.approx(40, abs=1)
    assert found.p_values(normals(50, 1) * 100).min() == pytest.approx(1 / (found.calibrated_.calibration_size + 1))
