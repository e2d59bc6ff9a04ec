"""Every score family against closed forms: for Gaussian data the exact denoiser, its Jacobian and p_sigma are known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from synthgen.api import Batch
from synthgen.errors import UsageError
from synthgen.evaluation.families import FAMILIES, family
from synthgen.evaluation.measuring import Setting
from synthgen.evaluation.simplex import simplex_noise

SPREAD = 0.5
SETTING = Setting(SPREAD, 0.25, 4.0, batch_size=64)


def gaussian(x, sigma, conditions):
    """The exact denoiser of N(0, 0.25 I)."""
    return x * SPREAD**2 / (SPREAD**2 + sigma.reshape(-1, *[1] * (x.ndim - 1)) ** 2)


class Counting:
    """The same, counting the rows that it is asked for."""

    def __init__(self):
        self.rows = 0

    def __call__(self, x, sigma, conditions):
        self.rows += len(x)
        return gaussian(x, sigma, conditions)


def records(radii, shape=(2, 8), *, observed=None):
    """A record of each root mean square, otherwise alike."""
    one = np.random.default_rng(0).normal(size=shape)
    one /= np.sqrt(np.mean(one**2))
    return Batch(torch.tensor(np.stack([r * one for r in radii]), dtype=torch.float32), observed, {})


def test_likelihood_is_the_density_of_the_data_at_the_lowest_noise():
    radii = np.array([0.0, 0.2, 0.5, 1.0, 2.0])
    found = FAMILIES["likelihood"].measure(gaussian, records(radii), None, SETTING).values[:, 0]
    variance = SPREAD**2 + (0.1 * SPREAD) ** 2
    expected = 0.5 * (radii**2 / variance + math.log(2 * math.pi * variance))
    np.testing.assert_allclose(found, expected, atol=0.03, rtol=0.01)


def test_likelihood_is_read_from_both_sides():
    assert family("likelihood").two_sided
    assert not family("denoising").two_sided


def test_time_is_the_posterior_mean_of_the_noise_level_of_a_gaussian():
    radii = np.array([0.3, 0.6, 1.0, 1.5, 2.5])
    found = FAMILIES["time"].measure(gaussian, records(radii), None, SETTING).values[:, 0]
    grid = np.linspace(math.log(0.125), math.log(2.0), 400)
    variance = SPREAD**2 + np.exp(2 * grid)
    logs = 8.0 * -0.5 * (np.log(variance) + radii[:, None] ** 2 / variance)
    belief = np.exp(logs - logs.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, (belief @ grid) / belief.sum(axis=1), atol=0.06)
    assert (np.diff(found) > 0).all()


def test_score_norm_is_the_norm_of_the_score():
    batch = records([0.5, 1.5])
    found = FAMILIES["score-norm"].measure(gaussian, batch, None, SETTING)
    sigmas = np.array(SETTING.sigmas)
    pull = sigmas / (SPREAD**2 + sigmas**2)  # sigma |score| for |x| = 1
    np.testing.assert_allclose(np.exp(found.values), (np.array([[0.5], [1.5]]) * pull) ** 2, rtol=1e-4)
    assert found.maps.shape == (2, 8, 8)


@pytest.mark.parametrize("name", ["reconstruction", "reconstruction-simplex"])
def test_reconstruction_shrinks_a_record_as_far_as_the_gaussian_allows(name):
    """Far out the noise does not matter: DDIM's last steps take x to the mean by the product of their gains."""
    batch = records([50.0])
    found = FAMILIES[name].measure(gaussian, batch, None, SETTING).values[0]
    expected = []
    for start in np.geomspace(0.5 * SPREAD, 2.0 * SPREAD, 3):
        gain, levels = 1.0, [*np.geomspace(start, 0.1 * start, 5), 0.0]
        for sigma, lower in pairwise(levels):
            shrink = SPREAD**2 / (SPREAD**2 + sigma**2)
            gain *= shrink + lower / sigma * (1 - shrink)
        expected.append(2 * math.log((1 - gain) * 50.0))
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_each_family_costs_what_it_says_and_does_not_look_at_missing_values(name):
    counting = Counting()
    observed = torch.ones(3, 2, 8)
    observed[1, :, 5:] = 0
    observed[2] = 0
    batch = records([0.5, 0.5, 0.5], observed=observed)
    found = family(name).measure(counting, batch, None, SETTING)
    told = family(name).evaluations(SETTING)
    backward = {"likelihood": 0.5, "time": 2 / 3}.get(name, 0.0)  # the share that are backward passes
    assert counting.rows == pytest.approx(3 * told * (1 - backward))
    assert np.isfinite(found.values[:2]).all()
    assert np.isnan(found.values[2]).all()
    changed = batch.x.clone()
    changed[1, :, 5:] = 7.0
    again = family(name).measure(gaussian, Batch(changed, observed, {}), None, SETTING)
    if name in ("denoising", "score-norm"):  # this denoiser treats each value for itself
        np.testing.assert_allclose(again.values[1], found.values[1], rtol=1e-5)
    assert not found.maps[1, ..., 5:].any()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_each_family_finds_what_lies_far_outside(name):
    draws = np.random.default_rng(3).normal(0, SPREAD, size=(40, 2, 8))
    draws[:4] *= 6
    found = family(name).measure(gaussian, Batch(torch.tensor(draws, dtype=torch.float32), None, {}), None, SETTING)
    value = found.values.mean(axis=1)
    if family(name).two_sided:
        value = np.abs(value - np.median(value))
    assert value[:4].min() > value[4:].max()


def test_unknown_family_is_refused_with_the_list():
    with pytest.raises(UsageError, match="unknown score family 'denoisin'") as raised:
        family("denoisin")
    assert "score-norm" in raised.value.hint


@pytest.mark.parametrize("shape", [(1, 200), (3, 40, 30)])
def test_simplex_noise_is_standardised_smooth_and_decided_by_its_seed(shape):
    field = simplex_noise(1, shape)
    assert field.shape == shape
    for channel in field:
        assert channel.mean() == pytest.approx(0, abs=1e-5)
        assert channel.std() == pytest.approx(1, abs=1e-5)
        neighbours = np.corrcoef(channel[..., 1:].ravel(), channel[..., :-1].ravel())[0, 1]
        assert neighbours > 0.6  # white noise has 0
    coarse = simplex_noise(1, shape, octaves=1)
    assert max(np.abs(np.diff(coarse, axis=axis)).max() for axis in range(1, len(shape))) < 1.0  # cells join smoothly
    np.testing.assert_array_equal(field, simplex_noise(1, shape))
    assert not np.allclose(field, simplex_noise(2, shape))
    assert not np.allclose(field, simplex_noise(1, shape, index=1))


def test_simplex_noise_has_no_place_in_three_axes():
    with pytest.raises(UsageError, match=r"\(C, L\) or \(C, H, W\)"):
        simplex_noise(0, (1, 4, 4, 4))
