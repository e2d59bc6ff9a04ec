"""AUROC, average precision, their intervals and the agreement of detectors, against scikit-learn and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from synthgen.evaluation.ranking import agreement, rank


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=4, max_size=80))
def test_measures_equal_scikit_learns_with_ties(pairs):
    scores = np.array([0.0, 0.0, *(pair[0] for pair in pairs)])
    anomalous = np.array([True, False, *(pair[1] for pair in pairs)])
    found = rank({"ours": scores}, anomalous, reference="ours", seed=0, replicates=2)["ours"]
    assert found.auroc == pytest.approx(roc_auc_score(anomalous, scores))
    assert found.average_precision == pytest.approx(average_precision_score(anomalous, scores))


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    truth = 0.76025  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt(2))
    for trial in range(100):
        draws = np.random.default_rng(trial)
        scores = np.concatenate([draws.normal(size=120), draws.normal(1, 1, size=60)])
        anomalous = np.arange(180) >= 120
        low, high = rank({"ours": scores}, anomalous, reference="ours", seed=trial, replicates=200)[
            "ours"
        ].auroc_interval
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_difference_is_paired_and_signed():
    draws = np.random.default_rng(0)
    anomalous = np.arange(400) >= 300
    good = draws.normal(size=400) + 2 * anomalous
    worse = good + draws.normal(size=400)
    found = rank({"good": good, "worse": worse}, anomalous, reference="worse", seed=0)
    assert found["worse"].difference == (0.0, 0.0)
    assert found["good"].difference[0] > 0
    width = found["good"].difference[1] - found["good"].difference[0]
    assert width < sum(high - low for low, high in (found[name].auroc_interval for name in found)) / 2


def test_agreement_of_a_monotone_copy_is_perfect_and_of_its_reverse_is_minus_one():
    values = np.random.default_rng(0).normal(size=300)
    same, reverse = agreement(values, np.exp(values)), agreement(values, -values)
    assert (same.spearman, same.top_overlap, same.top) == (pytest.approx(1), 1.0, 3)
    assert (reverse.spearman, reverse.top_overlap) == (pytest.approx(-1), 0.0)
