from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics import roc_auc_score

from synthgen.evaluation.comparison import Comparison
from synthgen.evaluation.fidelity import auc, classifier_two_sample, frechet_distance, kernel_distance, measure


def normal(seed, n=400, d=6, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def test_frechet_distance_agrees_with_the_closed_form_of_diagonal_gaussians():
    x = normal(0, n=200_000, d=3) * np.array([1.0, 2.0, 3.0])
    y = normal(1, n=200_000, d=3) * np.array([2.0, 2.0, 1.0]) + np.array([1.0, 0.0, -2.0])
    expected = (1 + 0 + 4) + (1 - 2) ** 2 + 0 + (3 - 1) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=0.01)


def test_frechet_distance_agrees_with_the_matrix_square_root_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5))
    a, b = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_agrees_with_the_double_sum():
    x, y = normal(0, n=12, d=3), normal(1, n=9, d=3, shift=0.5)

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within_x = np.mean([kernel(x[i], x[j]) for i in range(12) for j in range(12) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(9) for j in range(9) if i != j])
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * between)


def test_kernel_distance_of_equal_distributions_is_zero_on_average():
    found = [kernel_distance(normal(s, n=60), normal(s + 1000, n=60)) for s in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)


def test_auc_agrees_with_scikit_learn_ties_included():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 6, 80), rng.integers(1, 8, 50)
    expected = roc_auc_score(np.repeat([1, 0], [80, 50]), np.concatenate([positive, negative]))
    assert auc(positive, negative) == pytest.approx(expected)


def test_a_classifier_tells_shifted_records_apart_and_equal_ones_not():
    equal = classifier_two_sample((normal(0), normal(0)), (normal(1), normal(1)))
    shifted = classifier_two_sample((normal(2, shift=1.0), normal(2)), (normal(3), normal(3)))
    assert all(0.4 < probe.auc < 0.6 for probe in equal.values())
    assert shifted["c2st_linear"].auc > 0.9
    assert 0.4 < shifted["c2st_raw"].auc < 0.6
    low, high = shifted["c2st_linear"].interval(np.random.default_rng(0), 50)
    assert low < shifted["c2st_linear"].auc < high


def test_the_stronger_probe_counts_so_that_a_ring_does_not_pass_for_a_disc():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 400)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 1.4
    found = rows(normal(1, d=2), normal(2, d=2), ring)
    assert found["c2st_linear"].value < 0.65
    assert found["c2st_auc"].value == found["c2st_raw"].value > 0.8
    assert "Gaussian-kernel" in found["c2st_auc"].facts["note"]


def rows(train, holdout, synthetic):
    sides = Comparison(train, holdout, synthetic, extractor="pixels:0000")
    return {row.name: row for row in measure(sides, sides, draws=60)}


def test_a_perfect_generator_is_at_the_floor_in_every_row():
    found = rows(normal(0), normal(1), normal(2))
    for row in found.values():
        assert row.error is None
        assert row.ci[0] <= row.value <= row.ci[1]
        assert row.ci[0] <= row.floor_ci[1]
        assert row.n == 400


def test_a_blurred_generator_is_off_the_floor_in_every_row():
    found = rows(normal(0), normal(1), normal(2, scale=0.4))
    assert found.pop("c2st_linear").value < 0.65  # both have the same mean, and a linear probe sees no more
    for row in found.values():
        assert row.ci[0] > row.floor_ci[1], row.name


def test_frechet_distance_is_reduced_to_a_tenth_of_n_dimensions():
    row = rows(normal(0, n=100, d=50), normal(1, n=100, d=50), normal(2, n=100, d=50))["fd"]
    assert row.facts["dimensions"] == 10
    assert row.facts["extractor"] == "pixels:0000"


def test_too_few_records_are_an_error_row_and_no_crash():
    row = rows(normal(0, n=6), normal(1, n=6), normal(2, n=6))["c2st_auc"]
    assert "too few" in row.error
