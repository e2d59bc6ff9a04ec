"""z-scores of gradient norms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthgen.training.instability import GradientWatch


def test_scores_of_lognormal_norms_are_standard_normal():
    watch = GradientWatch()
    draws = np.random.default_rng(0).normal(size=4000)
    scores = np.array([watch.z(math.exp(-2 + 0.5 * draw)) for draw in draws])[500:]
    assert scores.mean() == pytest.approx(0, abs=0.1)
    assert scores.std() == pytest.approx(1, abs=0.15)
    assert watch.spikes == 0


def test_a_spike_is_counted_and_a_slow_fall_is_not():
    watch = GradientWatch()
    noise = np.random.default_rng(1).normal(size=1001)
    for step in range(1000):
        watch.z(math.exp(-step / 200 + 0.3 * noise[step]))
    assert watch.spikes == 0
    assert watch.is_spike(watch.z(math.exp(-5 + 6)))
    assert watch.spikes == 1


def test_the_first_steps_have_no_score():
    watch = GradientWatch()
    assert [watch.z(norm) for norm in (1.0, 1e9, 1e-9)] == [0.0, 0.0, 0.0]
