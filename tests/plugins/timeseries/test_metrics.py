"""Metrics of series: nothing between a set and more of its kind, independent formulas, and each fault is caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg, signal
from synthgen_timeseries import contrastive, dynamics, metrics, protocol
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.modality import TimeSeries

from synthgen.api import Records
from synthgen.data.gaussians import frechet_distance
from synthgen.evaluation import plugin_metrics
from synthgen.evaluation.catalogue import describe
from synthgen.testing import check_metric

NAMES = ("acf_distance", "spectrum_distance", "crosscorr_distance", "correlational", "context_fid", "discriminative",
         "predictive", "rocket_auc")  # fmt: skip


def _waves(size: int, seed: int, channels: int = 3, steps: int = 24) -> np.ndarray:
    """`(N, C, L)` in [0, 1]: one slow wave seen by every channel with its own delay, and a little noise."""
    rng = np.random.default_rng(seed)
    phase, speed = rng.uniform(0, 2 * np.pi, (size, 1, 1)), rng.uniform(0.25, 0.35, (size, 1, 1))
    delay = 0.8 * np.arange(channels)[None, :, None]
    waves = np.sin(speed * np.arange(steps) + phase + delay) + 0.05 * rng.standard_normal((size, channels, steps))
    return (waves + 1.3) / 2.6


REAL, MORE = _waves(300, 0), _waves(300, 1)


def _shuffled_time(x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.stack([one[:, rng.permutation(one.shape[1])] for one in x])


def _shuffled_channels(x: np.ndarray) -> np.ndarray:
    """Each channel from another series: every channel is right by itself."""
    return np.stack([x[np.random.default_rng(10 + c).permutation(len(x)), c] for c in range(x.shape[1])], axis=1)


def _noise(x: np.ndarray) -> np.ndarray:
    return np.random.default_rng(3).normal(x.mean(), x.std(), x.shape)


def _faintly_noisy(x: np.ndarray) -> np.ndarray:
    return x + 0.05 * np.random.default_rng(4).standard_normal(x.shape)


@pytest.mark.parametrize(
    ("distance", "same", "faults"),
    [
        (dynamics.autocorrelation_distance, 0.02, {_shuffled_time: 0.3, _noise: 0.3}),
        (dynamics.spectrum_distance, 1.0, {_shuffled_time: 5.0, _noise: 5.0, _faintly_noisy: 3.0}),
        (dynamics.cross_correlation_distance, 0.05, {_shuffled_channels: 0.2, _noise: 0.2}),
        (protocol.correlational, 0.1, {_shuffled_channels: 0.1, _noise: 0.1}),
    ],
)
def test_each_distance_is_small_for_more_of_the_same_and_large_for_the_fault_it_is_meant_for(distance, same, faults):
    assert distance(REAL, MORE) < same
    for fault, least in faults.items():
        assert distance(REAL, fault(MORE)) > max(least, 3 * distance(REAL, MORE)), fault.__name__


def test_a_set_is_at_no_distance_from_itself():
    for distance in (
        dynamics.autocorrelation_distance,
        dynamics.spectrum_distance,
        dynamics.cross_correlation_distance,
    ):
        assert distance(REAL, REAL) == 0
    assert protocol.correlational(REAL, REAL, share=None) == 0
    encoder = contrastive.ContrastiveEncoder(seed=0, iterations=5).fit(REAL)
    assert protocol.context_fid(REAL, REAL, seed=0, encoder=encoder) == pytest.approx(0, abs=1e-6)


def test_autocorrelation_of_a_first_order_process_is_a_power_of_its_coefficient():
    rng = np.random.default_rng(0)
    x = signal.lfilter([1], [1, -0.8], rng.standard_normal((40, 1, 5_000)), axis=2)
    np.testing.assert_allclose(dynamics.autocorrelation(x)[0, :6], 0.8 ** np.arange(6), atol=0.02)


def test_autocorrelation_is_the_mean_product_of_steps_that_far_apart():
    x = REAL[:20] - REAL[:20].mean(axis=2, keepdims=True)
    lagged = [(x[:, :, : 24 - lag] * x[:, :, lag:]).mean(axis=(0, 2)) for lag in range(13)]
    np.testing.assert_allclose(
        dynamics.autocorrelation(REAL[:20]), np.stack(lagged, axis=1) / lagged[0][:, None], atol=1e-9
    )


def test_the_spectrum_is_scipys_periodogram_and_has_a_sine_at_its_own_frequency():
    x = np.sin(2 * np.pi * 5 * np.arange(64) / 64)[None, None] + REAL[:1, :1].mean()
    power = dynamics.power_spectrum(x)[0]
    assert int(power.argmax()) + 1 == 5
    window = np.hanning(66)[1:-1]
    theirs = signal.periodogram(x - x.mean(), window=window, detrend=False, scaling="spectrum")[1][0, 0, 1:]
    np.testing.assert_allclose(power[:-1] / theirs[:-1], (power / theirs)[0], rtol=1e-9)


def test_cross_correlation_at_lag_0_is_numpys_correlation_and_finds_a_delay():
    flat = REAL.transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(dynamics.cross_correlation(REAL)[0], np.corrcoef(flat), atol=1e-12)
    rng = np.random.default_rng(0)
    early = rng.standard_normal((50, 1, 60))
    both = np.concatenate([early, np.roll(early, 3, axis=2)], axis=1)
    assert int(dynamics.cross_correlation(both)[:, 0, 1].argmax()) == 3


def test_the_correlational_score_is_the_papers_sum_over_the_lower_triangle():
    expected = np.abs(
        np.corrcoef(REAL.transpose(1, 0, 2).reshape(3, -1)) - np.corrcoef(MORE.transpose(1, 0, 2).reshape(3, -1))
    )
    assert protocol.correlational(REAL, MORE, share=None) == pytest.approx(np.tril(expected).sum() / 10)


def test_frechet_distance_is_the_matrix_root_of_scipy_and_the_closed_form_of_shifted_gaussians():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 4)), rng.standard_normal((200, 4)) @ np.diag([1, 2, 3, 0.5]) + 1
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(cov_x @ cov_y).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected)
    assert frechet_distance(x, x + np.array([3, 0, 0, 0])) == pytest.approx(9)


def test_the_contrast_of_identical_unit_rows_is_that_of_guessing_among_the_others():
    z = torch.ones(2, 6, 4)
    assert contrastive._contrast(z).item() == pytest.approx(np.log(5))
    apart = torch.cat([torch.eye(3), torch.eye(3)])[None] * 30
    assert contrastive._contrast(apart).item() == pytest.approx(0, abs=1e-6)


def test_the_two_views_of_a_crop_show_the_same_steps():
    """A network without context gives every step the same value in both views."""
    steps = torch.arange(24.0)[None, :, None].repeat(4, 1, 1)
    for seed in range(20):
        torch.manual_seed(seed)
        first, second = contrastive._two_views(torch.nn.Identity(), steps)
        assert torch.equal(first, second)
        assert first.shape[1] >= 2


def test_the_encoder_repeats_learns_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second = (contrastive.ContrastiveEncoder(seed=1, iterations=4).fit(REAL).transform(MORE[:9]) for _ in "ab")
    assert np.array_equal(first, second)
    assert first.shape == (9, 320)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_context_fid_ranks_faults_above_more_of_the_same():
    encoder = contrastive.ContrastiveEncoder(seed=0, iterations=25).fit(REAL)
    same = protocol.context_fid(REAL, MORE, seed=0, encoder=encoder)
    for fault in (_shuffled_time, _shuffled_channels, _noise):
        assert protocol.context_fid(REAL, fault(MORE), seed=0, encoder=encoder) > 5 * same


def test_the_discriminative_score_is_at_chance_for_the_same_and_at_its_end_for_noise():
    assert protocol.discriminative(REAL, MORE, seed=0, iterations=60) < 0.12
    assert protocol.discriminative(REAL, 0.2 * MORE, seed=0, iterations=150) > 0.4


def test_the_predictive_score_of_noise_is_that_of_a_constant_and_real_series_do_better():
    """Nothing can be learnt from white noise but the median, whose mean absolute error follows from the data."""
    noise = protocol.predictive(REAL, _noise(MORE), seed=0, iterations=250)
    constant = float(np.abs(REAL[:, -1, 1:] - REAL.mean()).mean())
    assert noise == pytest.approx(constant, rel=0.1)
    assert protocol.predictive(REAL, MORE, seed=0, iterations=250) < 0.75 * noise


@pytest.fixture(scope="module")
def sides():
    """Schema, training, held-out and faithful records."""
    series = [*_waves(60, 5, channels=2), *_waves(40, 6, channels=2), *_waves(40, 7, channels=2)]
    source = Collection(series, channels_named(["a", "b"])).source()
    everything = source.read(np.arange(140))
    return source.schema, *(everything.take(np.arange(*ends)) for ends in ((0, 60), (60, 100), (100, 140)))


@pytest.fixture
def quick(monkeypatch):
    """The same scores with few iterations."""
    for name in ("discriminative", "predictive"):
        monkeypatch.setitem(getattr(protocol, name).__kwdefaults__, "iterations", 4)
    monkeypatch.setattr(contrastive, "_ITERATIONS", (3, 3))


def test_a_full_report_has_all_eight_with_floors_and_intervals(sides, quick):
    schema, train, holdout, fresh = sides
    rows, absent = plugin_metrics.measure(TimeSeries(), schema, train, holdout, fresh, costly=True)
    found = {row.name: row for row in rows}
    assert set(found) == set(NAMES)
    assert absent == {}
    for row in rows:
        assert row.error is None, row
        assert row.ci[0] <= row.value <= row.ci[1]
        assert row.floor_ci[0] <= row.floor <= row.floor_ci[1]
        assert row.better == "lower"


def test_the_default_report_leaves_what_trains_networks_to_full_and_says_so(sides):
    schema, train, holdout, fresh = sides
    rows, absent = plugin_metrics.measure(TimeSeries(), schema, train, holdout, fresh)
    assert {row.name for row in rows} == set(NAMES[:4])
    assert all("--full" in absent[name] for name in NAMES[4:])


def test_a_single_channel_has_no_correlations_and_the_report_says_why(sides):
    schema, *records = sides
    one = [Records({k: v[:, :1] if v.ndim == 3 else v for k, v in part.columns.items()}) for part in records]
    alone = replace(schema, shape=(1, schema.shape[1]), channels=schema.channels[:1])
    rows, absent = plugin_metrics.measure(TimeSeries(), alone, *one)
    assert {row.name for row in rows} == {"acf_distance", "spectrum_distance"}
    assert "single channel" in absent["correlational"]
    assert "single channel" in absent["crosscorr_distance"]


def test_gaps_and_unequal_lengths_are_no_obstacle(ragged):
    schema, records = ragged
    many = records.take(np.arange(60) % 6)
    context = {"schema": schema, "modality": TimeSeries(), "train": many}
    assert metrics.AUTOCORRELATION.function(many, many, context) == 0
    unit = metrics.unit_windows(many, context)
    assert unit.shape == (60, 2, 20)
    assert unit.min() >= 0
    assert unit.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_passes_the_conformance_suite(name, quick):
    check_metric(name, modality="timeseries", records=48)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_on_metrics_says_what_the_report_says(name):
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    about = describe(name)
    assert f"`{name}` | {about.definition} | {about.source} |" in page
