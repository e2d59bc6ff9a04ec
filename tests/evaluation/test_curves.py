"""Curves and counts of the score report against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_curve, roc_auc_score

from synthgen.evaluation.curves import alarms_by_class, correlations, curve

DRAWS = np.random.default_rng(0)
TRUTH = DRAWS.random(600) < 0.2
SCORES = np.round(DRAWS.normal(size=600) + TRUTH, 1)


def test_area_below_the_drawn_curve_is_the_auroc_and_the_other_one_is_scikit_learns():
    found = curve(SCORES, TRUTH)
    assert np.trapezoid(found.found, found.false_alarms) == pytest.approx(roc_auc_score(TRUTH, SCORES), abs=1e-9)
    precision, recall, _ = precision_recall_curve(TRUTH, SCORES)
    np.testing.assert_allclose(found.recall, recall[:-1][::-1])
    np.testing.assert_allclose(found.precision, precision[:-1][::-1])


def test_long_curves_are_thinned_with_their_ends_kept():
    found = curve(DRAWS.normal(size=50_000), DRAWS.random(50_000) < 0.5)
    assert len(found.recall) == 200
    assert found.recall[-1] == found.found[-1] == found.false_alarms[-1] == 1.0


def test_false_alarms_are_counted_by_label_with_the_interval_of_the_calibration():
    p = np.concatenate([np.full(10, 0.01), np.full(90, 0.5), np.full(100, 0.5), np.full(50, 0.01)])
    labels = np.repeat(["noisy", "calm", "odd"], [100, 100, 50])
    found = alarms_by_class(p, labels, labels != "odd", calibration=99)
    assert [(item.label, item.records, item.share) for item in found] == [("noisy", 100, 0.1), ("calm", 100, 0.0)]
    low, high = stats.betabinom(100, 5, 95).ppf([0.025, 0.975]) / 100
    assert found[0].expected == pytest.approx((low, high))


def test_correlations_are_spearmans():
    other = SCORES + DRAWS.normal(size=600)
    found = correlations({"a": SCORES, "b": other})
    assert found["a"]["b"] == pytest.approx(stats.spearmanr(SCORES, other).statistic)
    assert found["b"]["b"] == pytest.approx(1.0)
    assert correlations({"a": SCORES[:2]}) == {}
