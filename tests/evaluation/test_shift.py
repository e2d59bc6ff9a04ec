from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from synthgen.evaluation.shift import _Steps, anomaly_shift, independent_scores, oddest, shift_row


def normal(seed, n=400, d=5):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_the_value_is_the_kolmogorov_smirnov_distance_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    ours, base, floor = rng.normal(0.5, 1, 300), rng.normal(size=300), rng.normal(size=300)
    row = shift_row("anomaly_shift", ours, base, floor, draws=100)
    assert row.value == ks_2samp(ours, base).statistic
    assert row.floor == ks_2samp(floor, base).statistic
    assert row.ci[0] <= row.value <= row.ci[1]


def test_fresh_records_are_at_the_floor_and_strange_ones_far_from_it():
    clean = anomaly_shift(independent_scores(normal(0, 800), normal(1), normal(2)), draws=100)
    strange = anomaly_shift(independent_scores(normal(0, 800), normal(1), normal(2) * 2), draws=100)
    assert clean.ci[0] <= clean.floor_ci[1]
    assert strange.value > 0.4
    assert "more anomalous" in strange.facts["note"]


def test_planted_oddities_are_listed_first_and_fresh_records_hardly_ever():
    synthetic = normal(2)
    synthetic[[5, 9]] *= 8
    found = oddest(independent_scores(normal(0, 800), normal(1), synthetic))
    assert {odd.synthetic for odd in found[:2]} == {5, 9}
    assert len(found) <= 10
    assert all(odd.p <= 0.01 for odd in found)


def test_a_set_drawn_again_has_the_distance_that_scipy_finds():

    rng = np.random.default_rng(0)
    x, y = np.round(rng.normal(size=90), 1), np.round(rng.normal(0.3, 1, size=70), 1)  # rounded: many ties
    distance = _Steps.of(x, y)
    for _ in range(20):
        i, j = rng.integers(0, 90, 90), rng.integers(0, 70, 70)
        assert distance(i, j) == pytest.approx(ks_2samp(x[i], y[j]).statistic, abs=1e-12)
