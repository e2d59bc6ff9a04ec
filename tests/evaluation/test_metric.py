from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from synthgen.evaluation.catalogue import CATALOGUE, describe
from synthgen.evaluation.metric import (
    MetricRow,
    bootstrap,
    guarded,
    interval,
    jsonable,
    proportion_interval,
    widened,
)


def test_a_bootstrap_interval_of_a_mean_agrees_with_the_normal_one():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap(lambda i: values[i].mean(), 400, rng=np.random.default_rng(1), draws=4000)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_a_centred_interval_is_around_the_estimate_although_the_draws_are_biased():
    values = np.random.default_rng(0).normal(size=50)

    def largest_gap(i):
        return len(np.unique(values[i]))  # a bootstrap sample has only about 63 % distinct records

    low, high = bootstrap(largest_gap, 50, rng=np.random.default_rng(1), draws=500, centre=50.0)
    assert low < 50 < high
    assert high - low < 15


def test_the_interval_of_a_share_agrees_with_wilsons_in_scipy():
    expected = stats.binomtest(7, 40).proportion_ci(method="wilson")
    assert proportion_interval(7, 40) == pytest.approx((expected.low, expected.high))


def test_no_copy_in_a_hundred_does_not_mean_none_ever():
    low, high = proportion_interval(0, 100)
    assert low == pytest.approx(0, abs=1e-12)
    assert 0.02 < high < 0.05


def test_an_interval_leaves_out_what_is_not_a_number():
    assert interval([1.0, math.nan, 1.0]) == (1.0, 1.0)


def test_a_metric_that_raises_is_a_row_with_its_error():
    def broken():
        raise ZeroDivisionError("no records")

    (row,) = guarded(["fd"], broken)
    assert row.value is None
    assert row.error == "ZeroDivisionError: no records"
    assert row.to_json()["better"] == "lower"


def test_a_value_that_is_not_finite_becomes_an_error_row():
    (row,) = guarded(["kd"], lambda: [MetricRow("kd", math.inf)])
    assert row.value is None
    assert row.error


def test_a_row_is_json_with_the_documented_keys_and_its_facts():
    row = MetricRow(
        "fd", 1.5, (1.0, np.float64(2.0)), 0.5, 100, "lower", facts={"floor_ci": (0.1, math.nan), "k": np.int64(3)}
    )
    plain = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert list(plain)[:7] == ["name", "value", "ci", "floor", "n", "better", "error"]
    assert plain["ci"] == [1.0, 2.0]
    assert plain["floor_ci"] == [0.1, None]
    assert plain["k"] == 3


def test_what_is_measured_on_features_is_shown_with_its_extractor():
    assert MetricRow("fd", 1.0, facts={"extractor": "domain-cnn:3f2a"}).label == "fd[domain-cnn:3f2a]"
    assert MetricRow("copy_rate", 0.1).label == "copy_rate"


def test_class_rows_and_measure_prefixed_rows_are_described_as_their_metric():
    assert describe("tstr/cat").title == CATALOGUE["tstr"].title
    assert describe("r2_tstr_ratio").title.startswith(CATALOGUE["tstr_ratio"].title)
    assert "r2" in describe("r2_tstr").title


def test_anything_becomes_json():
    assert json.dumps(jsonable({"a": np.arange(2), 3: (math.nan, {1}), "p": None}), allow_nan=False)


def test_no_error_in_twenty_records_is_not_certainty():
    assert widened((1.0, 1.0), 20, low=0.0, high=1.0) == (0.85, 1.0)
    assert widened((0.0, 0.0), 20) == (-0.15, 0.15)
    assert widened((0.9, 1.0), 20) == (0.9, 1.0)
