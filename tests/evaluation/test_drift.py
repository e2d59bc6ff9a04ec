"""Drift is seen in the bulk, not in the anomalies, and not by chance."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.evaluation.drift import drift


def draws(seed, n, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, size=n)


def test_nothing_is_said_about_exchangeable_records_with_and_without_anomalies():
    said = 0
    for seed in range(300):
        anomalies = draws(seed + 10_000, 60, shift=4.0) if seed % 2 else draws(seed + 20_000, 0)
        found = drift(draws(seed, 200), np.concatenate([draws(seed + 1000, 300), anomalies]))
        said += found.kind != "none"
    assert said <= 12  # two tests at 1 %


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (draws(1, 400, shift=-1.0), "easier"),
        (draws(2, 400, shift=1.5), "harder"),
        (draws(3, 400, scale=2.5), "other"),
    ],
)
def test_each_kind_of_drift_is_named(new, kind):
    assert drift(draws(0, 400), new).kind == kind


def test_few_records_say_nothing():
    assert drift(draws(0, 39), draws(1, 400)) is None
    assert drift(draws(0, 400), draws(1, 10)) is None


def test_blocks_make_the_check_more_careful():
    calibration, new = np.repeat(draws(4, 50), 8), draws(5, 400)
    assert drift(calibration, new, blocks=50).most > drift(calibration, new).most
    assert drift(calibration, new, blocks=50).p >= drift(calibration, new).p
