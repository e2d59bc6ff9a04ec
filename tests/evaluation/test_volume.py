"""VUS-PR against a slow, literal transcription of its definition, and on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from synthgen.errors import UsageError
from synthgen.evaluation.volume import period, vus_pr


def literally(scores, labels, window, thresholds=250):
    """Step by step as the paper and TSB-AD describe it, with no shortcut."""
    steps = len(labels)
    ranges, inside = [], False
    for t in range(steps):
        if labels[t] and not inside:
            ranges.append([t, t])
        elif labels[t]:
            ranges[-1][1] = t
        inside = labels[t]
    ranked = sorted(scores, reverse=True)
    areas = []
    for w in range(window + 1):
        soft = [1.0 if labels[t] else 0.0 for t in range(steps)]
        for s, e in ranges:
            for t in range(steps):
                if e < t <= e + w // 2:
                    soft[t] += (1 - (t - e) / w) ** 0.5
                if s - w // 2 <= t < s:
                    soft[t] += (1 - (s - t) / w) ** 0.5
        soft = [min(1.0, value) for value in soft]
        joined = []
        for s, e in ranges:
            if joined and joined[-1][1] + w // 2 >= s - w // 2:
                joined[-1][1] = e
            else:
                joined.append([s, e])
        area, before = 0.0, 0.0
        for i in np.linspace(0, steps - 1, thresholds).astype(int):
            flag = [score >= ranked[i] for score in scores]
            tp = sum(soft[t] for t in range(steps) if flag[t])
            extended = sum(1.0 if labels[t] else soft[t] * flag[t] for t in range(steps))
            recall = min(1.0, tp / ((sum(labels) + extended) / 2))
            exists = [any(flag[max(0, s - w // 2) : e + w // 2 + 1]) for s, e in joined]
            recall *= sum(exists) / len(joined)
            area += (recall - before) * tp / sum(flag)
            before = recall
        areas.append(area)
    return np.mean(areas)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_definition(seed):
    draws = np.random.default_rng(seed)
    labels = np.zeros(90, dtype=bool)
    for start in draws.integers(0, 85, size=3):
        labels[start : start + draws.integers(1, 8)] = True
    scores = np.round(draws.normal(size=90) + 1.5 * labels, 1)  # ties
    assert vus_pr(scores, labels, 9, thresholds=30) == pytest.approx(literally(scores, labels, 9, 30), rel=1e-12)


def test_a_perfect_score_is_nearly_one_and_chance_is_near_the_share_of_anomalies():
    labels = np.zeros(2000, dtype=bool)
    labels[500:600] = labels[1500:1550] = True
    assert vus_pr(labels + 0.0, labels, 20) == pytest.approx(1.0, abs=0.05)
    chance = vus_pr(np.random.default_rng(0).normal(size=2000), labels, 20)
    assert 0.04 < chance < 0.15
    assert average_precision_score(labels, labels + 0.0) == 1.0


def test_a_score_that_comes_a_little_late_loses_less_than_average_precision_says():
    labels = np.zeros(1000, dtype=bool)
    labels[400:440] = True
    late = np.roll(labels, 10).astype(float) + np.linspace(0, 1e-3, 1000)
    assert vus_pr(late, labels, 40) > average_precision_score(labels, late)


def test_one_lucky_step_is_not_rewarded_as_point_adjustment_would():
    labels = np.zeros(1000, dtype=bool)
    labels[400:600] = True
    lucky = np.zeros(1000)
    lucky[500] = 1.0
    assert vus_pr(lucky + 1e-6 * np.arange(1000)[::-1], labels, 10) < 0.4


@pytest.mark.parametrize("steps", [17, 50, 240])
def test_period_of_a_noisy_sine_is_found(steps):
    t = np.arange(4000)
    series = np.sin(2 * np.pi * t / steps) + 0.1 * np.random.default_rng(0).normal(size=4000)
    assert period(series) == pytest.approx(steps, abs=2)


def test_series_without_period_has_the_usual_tolerance():
    assert period(np.zeros(500)) == 125
    assert period(np.arange(1000.0)) == 125


@pytest.mark.parametrize("labels", [np.zeros(5, dtype=bool), np.ones(5, dtype=bool)])
def test_one_kind_of_step_alone_is_refused(labels):
    with pytest.raises(UsageError, match="anomalous and normal"):
        vus_pr(np.arange(5.0), labels, 2)
