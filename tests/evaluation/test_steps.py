"""Scores of time steps are the Hann-weighted mean of the windows that cover them, and are high where the fault is."""

from __future__ import annotations

import numpy as np
import pytest

import synthgen
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.steps import score_steps, window_length

WINDOW = 16


def sine(steps, seed):
    draws = np.random.default_rng(seed)
    return (np.sin(2 * np.pi * np.arange(steps) / 12) + 0.1 * draws.normal(size=steps))[None]


@pytest.fixture(scope="module")
def scorer():
    series = sine(1200, 0)
    windows = np.stack([series[:, start : start + WINDOW] for start in range(0, 1200 - WINDOW, 5)])
    overrides = {"network": {"width": 16, "blocks": 1, "multipliers": [1, 2]}}
    return synthgen.Scorer("timeseries", samples=4_000, overrides=overrides).fit(windows).calibrated_


def test_a_fault_stands_out_at_its_place(scorer):
    series = sine(300, 1)
    series[0, 140:150] = 0.9  # the wave stands still
    found = score_steps(scorer, series)
    for scores in (found.scores["fusion"], found.map):
        assert scores.shape == (300,)
        assert 135 <= scores.argmax() < 155
        assert scores[140:150].min() > np.median(scores)


def test_each_step_is_the_weighted_mean_of_its_windows(scorer):
    series, stride = sine(40, 2), 8
    found = score_steps(scorer, series, stride=stride)
    starts = [0, 8, 16, 24]
    from synthgen.api import Records

    cut = np.stack([series[:, start : start + WINDOW] for start in starts]).astype(np.float32)
    records = Records(
        {"values": cut, "observed": np.ones_like(cut, dtype=bool), "length": np.full(4, WINDOW, np.int32)}
    )
    each = scorer.score(records).scores["kernel"]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, WINDOW + 1) / (WINDOW + 1))
    weight = np.zeros((4, 40))
    for row, start in enumerate(starts):
        weight[row, start : start + WINDOW] = hann
    np.testing.assert_allclose(found.scores["kernel"], (weight * each[:, None]).sum(0) / weight.sum(0), rtol=1e-6)


def test_short_series_and_wide_strides_are_refused(scorer):
    with pytest.raises(DataError, match="does not hold windows of 1 x 16"):
        score_steps(scorer, sine(10, 0))
    with pytest.raises(UsageError, match="use 8 at most"):
        score_steps(scorer, sine(100, 0), stride=9)


def test_the_map_of_channels_shows_which_channel_stands_still():
    series = np.concatenate([sine(1200, 3), sine(1200, 4)[:, ::-1]])
    windows = np.stack([series[:, start : start + WINDOW] for start in range(0, 1200 - WINDOW, 5)])
    overrides = {"network": {"width": 16, "blocks": 1, "multipliers": [1, 2]}}
    fitted = synthgen.Scorer("timeseries", samples=4_000, overrides=overrides).fit(windows).calibrated_
    faulty = np.concatenate([sine(200, 5), sine(200, 6)[:, ::-1]])
    faulty[1, 100:112] = 0.9
    found = score_steps(fitted, faulty)
    assert found.channels.shape == (2, 200)
    channel, step = np.unravel_index(found.channels.argmax(), found.channels.shape)
    assert channel == 1
    assert 95 <= step < 117


@pytest.mark.parametrize(
    ("steps", "period", "length"), [(1007, 6, 125), (623, 247, 77), (5000, 1, 128), (5000, 200, 200)]
)
def test_windows_are_long_enough_for_long_anomalies_and_short_enough_to_calibrate(steps, period, length):
    assert window_length(steps, period) == length
