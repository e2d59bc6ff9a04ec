from __future__ import annotations

import numpy as np
import pytest

from synthgen.evaluation.comparison import Comparison
from synthgen.evaluation.diversity import duplicates, measure, neighbourhoods, vendi


def normal(seed, n=300, d=4):
    return np.random.default_rng(seed).normal(size=(n, d))


def rows(train, holdout, synthetic, **more):
    return {row.name: row for row in measure(Comparison(train, holdout, synthetic), draws=40, **more)}


def test_neighbourhood_measures_agree_with_loops_over_the_definition():
    real, synthetic, k = normal(0, n=40), normal(1, n=30) * 1.3, 5

    def distance(a, b):
        return np.linalg.norm(a - b)

    def radius(side, i):
        return sorted(distance(side[i], other) for other in side)[k]  # the smallest is the record itself

    balls = [radius(real, i) for i in range(40)]
    ours = [radius(synthetic, j) for j in range(30)]
    found = neighbourhoods(real, synthetic)
    inside = np.array([[distance(r, s) <= balls[i] for s in synthetic] for i, r in enumerate(real)])
    assert found["precision"].mean() == pytest.approx(inside.any(axis=0).mean())
    assert found["coverage"].mean() == pytest.approx(inside.any(axis=1).mean())
    assert found["density"].mean() == pytest.approx(inside.sum() / (k * 30))
    expected = np.mean([any(distance(r, s) <= ours[j] for j, s in enumerate(synthetic)) for r in real])
    assert found["recall"].mean() == pytest.approx(expected)


def test_coverage_between_equal_distributions_is_near_its_expectation():
    # Naeem et al. 2020: 1 - 2^-k for as many synthetic as real records, k = 5.
    found = np.mean([neighbourhoods(normal(s), normal(s + 500))["coverage"].mean() for s in range(8)])
    assert found == pytest.approx(1 - 2**-5, abs=0.015)


def test_one_record_repeated_has_precision_but_no_recall():
    holdout = normal(1)
    constant = np.repeat(holdout[:1], 300, axis=0)
    found = rows(normal(0), holdout, constant)
    assert found["precision"].value == 1
    assert found["recall"].value < 0.02
    assert found["recall"].floor > 0.8
    assert found["vendi_ratio"].value < 0.5


def test_a_perfect_generator_is_at_the_floor():
    for row in rows(normal(0), normal(1), normal(2)).values():
        assert row.ci[0] <= row.floor_ci[1], row.name
        assert row.floor_ci[0] <= row.ci[1], row.name


def test_vendi_counts_orthogonal_records_and_ignores_repeats():
    assert vendi(np.eye(7)) == pytest.approx(7)
    assert vendi(np.repeat(np.eye(3), 10, axis=0)) == pytest.approx(3)
    assert vendi(np.ones((20, 5))) == pytest.approx(1)


def test_vendi_agrees_with_the_entropy_of_the_full_kernel_matrix():
    x = normal(0, n=60, d=5)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / 60)
    values = values[values > 1e-12]
    assert vendi(x) == pytest.approx(np.exp(-(values * np.log(values)).sum()))


def test_a_collapsed_class_shows_in_its_own_row_only():
    label = np.repeat([0, 1], 150)
    centres = np.array([[-4.0, 0, 0, 0], [4.0, 0, 0, 0]])[label]
    train, holdout, synthetic = (normal(s) + centres for s in (0, 1, 2))
    synthetic[150:] = synthetic[150]
    sides = Comparison(
        train, holdout, synthetic, train_label=label, holdout_label=label, synthetic_label=label
    )  # fmt: skip
    found = {row.name: row for row in measure(sides, classes=("kept", "collapsed"), draws=20)}
    assert found["vendi_worst_class"].value == found["vendi_ratio/collapsed"].value
    assert found["vendi_worst_class"].facts["class"] == "collapsed"
    assert found["intra_diversity/collapsed"].value == pytest.approx(0, abs=1e-6)
    assert found["intra_diversity/kept"].value == pytest.approx(1, abs=0.1)
    assert found["intra_diversity"].value == pytest.approx(found["intra_diversity/kept"].value / 2, abs=1e-6)
    assert found["recall/kept"].value > 0.8
    assert found["recall/collapsed"].value < 0.1
    assert found["vendi_ratio/kept"].value > 1.5 * found["vendi_ratio/collapsed"].value


def test_too_few_records_for_neighbours_are_error_rows():
    found = rows(normal(0, n=4), normal(1, n=4), normal(2, n=4))
    assert "too few" in found["recall"].error


def test_distances_within_agree_with_the_double_sum_and_their_interval_holds_them():
    train, holdout, synthetic = normal(0, n=40), normal(1, n=40), normal(2, n=40) * 0.5

    def mean_distance(x):
        return np.mean([np.linalg.norm(x[i] - x[j]) for i in range(40) for j in range(40) if i != j])

    row = rows(train, holdout, synthetic)["intra_diversity"]
    assert row.value == pytest.approx(mean_distance(synthetic) / mean_distance(holdout))
    assert row.floor == pytest.approx(mean_distance(train) / mean_distance(holdout))
    assert row.ci[0] < row.value < row.ci[1] < row.floor_ci[0]


def test_a_set_in_which_every_record_stands_twice_is_caught_and_fresh_records_are_within_chance():
    twice = np.repeat(normal(2)[:150], 2, axis=0)
    row = duplicates(Comparison(normal(0), normal(1), twice))
    assert row.value == 1
    assert row.facts["exact_duplicates"] == 300
    assert row.ci[0] > row.floor_ci[1]
    outside = 0
    for seed in range(60):
        clean = duplicates(Comparison(normal(3 * seed + 10), normal(3 * seed + 11), normal(3 * seed + 12)))
        outside += clean.ci[0] > clean.floor_ci[1]
    assert outside <= 2
