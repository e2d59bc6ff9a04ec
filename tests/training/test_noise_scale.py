"""The gradient noise scale against gradients of a known distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthgen.training.noise_scale import NoiseScale


def measurement(rng, gradient, deviation, *, parts, size):
    """Squared norms of the gradients of parts of `size` records, drawn from N(gradient, deviation^2 / size)."""
    drawn = gradient + rng.normal(size=(parts, len(gradient))) * deviation / math.sqrt(size)
    return [float(g @ g) for g in drawn], float(drawn.mean(axis=0) @ drawn.mean(axis=0))


def test_the_estimate_is_the_trace_over_the_squared_gradient():
    rng = np.random.default_rng(0)
    gradient, deviation = rng.normal(size=400) / 20, rng.uniform(0.2, 1.0, size=400)
    scale = NoiseScale()
    for _ in range(40):
        scale.add([measurement(rng, gradient, deviation, parts=4, size=32) for _ in range(40)], 32)
    assert scale.records == pytest.approx((deviation**2).sum() / (gradient**2).sum(), rel=0.15)


def test_later_measurements_count_more():
    scale = NoiseScale()
    for trace in [10.0] * 20 + [1000.0] * 20:
        scale.add([([1.0 + trace / 8] * 4, 1.0 + trace / 32)], 8)
    assert scale.records == pytest.approx(1000, rel=0.01)


def test_nothing_is_said_before_there_are_enough_measurements():
    scale = NoiseScale()
    for _ in range(3):
        scale.add([([2.0] * 4, 1.1)], 8)
    assert scale.records is None
    assert scale.sentence(32) is None


def test_the_sentence_says_whether_a_larger_batch_helps():
    scale = NoiseScale()
    for _ in range(6):
        scale.add([([1.0 + 800 / 8] * 4, 1.0 + 800 / 32)], 8)
    assert scale.sentence(128) == (
        "the gradient noise scale is about 800 records and the batch 128: a larger batch with a higher learning rate "
        "would need fewer steps, for about as many records, which pays where a larger step takes little longer (a GPU)"
    )
    assert (
        scale.sentence(256) == "the gradient noise scale is about 800 records: a batch larger than 256 would not help"
    )


def test_a_gradient_lost_in_noise_is_no_number():
    scale = NoiseScale()
    for _ in range(6):
        scale.add([([4.0] * 4, 0.9)], 8)
    assert scale.records == math.inf
    assert scale.measured is None
    assert "too large to measure" in scale.sentence(64)


def test_a_measurement_that_is_not_finite_is_left_out():
    scale = NoiseScale()
    scale.add([([math.nan] * 4, 1.0)], 8)
    assert scale == NoiseScale()
