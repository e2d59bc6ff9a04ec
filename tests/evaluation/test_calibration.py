"""Calibration keeps its statistical promises, checked against scipy and by counting false alarms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synthgen.errors import UsageError
from synthgen.evaluation.calibration import (
    MapCalibration,
    RobustZ,
    benjamini_hochberg,
    check_alpha,
    conformal_p,
    false_alarm_interval,
    smallest_p,
    uniformity,
)


def test_conformal_p_counts_the_calibration_scores_at_least_as_high():
    p = conformal_p(np.array([1.0, 2.0, 2.0, 4.0]), np.array([5.0, 4.0, 2.0, 1.5, 0.0]))
    assert p.tolist() == [1 / 5, 2 / 5, 4 / 5, 4 / 5, 5 / 5]


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
def test_false_alarm_rate_lies_within_the_binomial_interval_on_exchangeable_scores(alpha):
    draws, alarms = np.random.default_rng(5), 0
    trials = 4000
    for _ in range(trials):
        scores = draws.lognormal(size=100)  # 99 to calibrate on, one to test
        alarms += int(conformal_p(scores[:99], scores[99:])[0] <= alpha)
    low, high = stats.binom.ppf([0.0005, 0.9995], trials, alpha)
    assert low <= alarms <= high


def test_false_discovery_rate_stays_below_q_with_real_anomalies_present():
    draws = np.random.default_rng(6)
    shares = []
    for _ in range(300):
        p = conformal_p(draws.normal(size=500), np.concatenate([draws.normal(size=180), draws.normal(4, 1, size=20)]))
        flagged = benjamini_hochberg(p) <= 0.1
        shares.append(flagged[:180].sum() / max(1, flagged.sum()))
    assert np.mean(shares) < 0.1 + 3 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) > 0.05  # it is not bought by flagging nothing


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=60))
def test_q_values_equal_scipys_false_discovery_control(p):
    np.testing.assert_allclose(benjamini_hochberg(np.array(p)), stats.false_discovery_control(p), rtol=1e-12)


def test_alpha_below_the_smallest_p_value_is_refused_with_the_figure():
    check_alpha(smallest_p(99), 99)
    with pytest.raises(UsageError, match=r"alpha 0\.005 is below 0\.01.*99 calibration records"):
        check_alpha(0.005, 99)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_alpha_outside_zero_and_one_is_refused(alpha):
    with pytest.raises(UsageError, match="between 0 and 1"):
        check_alpha(alpha, 1000)


def test_robust_z_is_standard_normal_units_and_unmoved_by_outliers():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(20_000, 2))
    values[:500] = 1e6
    z = RobustZ.fit(values)
    np.testing.assert_allclose(z.location, 3.0, atol=0.1)
    np.testing.assert_allclose(z.scale, 2.0, rtol=0.06)
    np.testing.assert_allclose(z(np.array([[5.0, 1.0]])), [[1.0, -1.0]], atol=0.1)


def test_robust_z_of_constant_calibration_values_stays_finite():
    assert RobustZ.fit(np.full(9, 2.0))(np.array([2.0, 3.0])).tolist() == [0.0, 1.0]


def test_uniformity_accepts_exchangeable_records_and_rejects_shifted_ones():
    rejected = 0
    for trial in range(200):
        draws = np.random.default_rng(trial)
        rejected += uniformity(draws.normal(size=120), draws.normal(size=400)).p < 0.05
    assert rejected <= stats.binom.ppf(0.9995, 200, 0.05)
    draws = np.random.default_rng(0)
    found = uniformity(draws.normal(size=120), draws.normal(1.0, 1.0, size=400))
    assert found.p < 1e-6
    assert found.false_alarms > 0.1
    assert found.records == 400


@pytest.mark.parametrize(("n", "m"), [(19, 40), (99, 300), (180, 300), (2000, 60)])
def test_false_alarm_interval_covers_95_percent_of_repeated_calibrations(n, m):
    draws, low, high = np.random.default_rng(n), *false_alarm_interval(n, m)
    counts = np.array(
        [(conformal_p(scores[:n], scores[n:]) <= 0.05).sum() for scores in draws.normal(size=(3000, n + m))]
    )
    outside = np.mean((counts < low) | (counts > high))
    assert outside <= stats.binom.ppf(0.9995, 3000, 0.05) / 3000
    narrower = np.mean((counts <= low) | (counts >= high))  # and it is no wider than it must be
    assert narrower > 0.05


def test_false_alarm_interval_is_wider_than_the_binomial_one_because_the_calibration_set_has_chance_of_its_own():
    low, high = false_alarm_interval(99, 1000)
    binomial = stats.binom.ppf([0.025, 0.975], 1000, 0.05)
    assert low < binomial[0]
    assert high > binomial[1]


def test_false_alarm_interval_is_nothing_where_no_p_value_can_be_that_small():
    assert false_alarm_interval(10, 500) == (0, 0)


def test_calibration_holds_on_exchangeable_records_and_not_on_shifted_ones_however_many():
    held = 0
    for trial in range(200):
        draws = np.random.default_rng(1000 + trial)
        held += uniformity(draws.normal(size=180), draws.normal(size=300)).holds
    assert held >= 180
    draws = np.random.default_rng(1)
    assert not uniformity(draws.normal(size=180), draws.normal(0.0, 1.7, size=300)).holds


def test_map_threshold_bounds_the_share_of_normal_records_with_any_hot_position():
    draws = np.random.default_rng(3)
    shares = []
    for _ in range(60):
        maps = MapCalibration.fit(draws.chisquare(3, size=(200, 2, 12)))
        fresh = maps(draws.chisquare(3, size=(200, 2, 12)))
        shares.append(np.mean(fresh.max(axis=1) > maps.threshold(0.1)))
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_map_is_hot_where_the_residual_is_and_nowhere_else():
    draws = np.random.default_rng(4)
    maps = MapCalibration.fit(draws.chisquare(3, size=(300, 4, 16, 16)))
    odd = draws.chisquare(3, size=(1, 4, 16, 16))
    odd[0, :, 3:5, 10:12] += 40
    hot = maps(odd)[0] > maps.threshold(0.05)
    assert hot[3:5, 10:12].all()
    assert not hot[8:].any()


def test_map_threshold_is_infinite_when_too_few_records_calibrate_it():
    assert MapCalibration.fit(np.random.default_rng(0).random((10, 2, 8))).threshold(0.05) == float("inf")
