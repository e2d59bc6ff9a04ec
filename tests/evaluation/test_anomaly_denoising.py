"""The denoising error against the closed form of a Gaussian, whose exact denoiser is linear.

For x_0 ~ N(0, S) the exact denoiser is D(x) = A x with A = S (S + sigma^2 I)^-1, so for a record x and noise n
D(x + sigma n) - x = (A - I) x + sigma A n, and an antithetic pair has the mean square ((A - I) x)^2 + (sigma A n)^2.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.api import Batch, Channel, Condition, Schema
from synthgen.errors import UsageError
from synthgen.evaluation.denoising import (
    antithetic_noises,
    conditional_errors,
    denoising_errors,
    noise_levels,
    orthogonal_noises,
)

VARIANCE = torch.tensor([[0.1, 0.5, 1.0, 2.0, 4.0]])  # (C, L)


def gaussian_denoiser(x, sigma, conditions):
    return x * VARIANCE / (VARIANCE + sigma[:, None, None] ** 2)


def batch_of(n, *, observed=None, conditions=None):
    draws = np.random.default_rng(1).normal(size=(n, 1, 5))
    return Batch(torch.tensor(draws, dtype=torch.float32) * VARIANCE.sqrt(), observed, conditions or {})


def closed_form(x, sigma, seed, level, repeats, levels=1):
    gain = (VARIANCE / (VARIANCE + sigma**2)).numpy()
    noise = orthogonal_noises(seed, levels, repeats, x.shape[1:])[level].numpy()[: repeats // 2]
    return ((gain - 1) * x.numpy()) ** 2 + ((sigma * gain * noise) ** 2).mean(axis=0)


def test_errors_and_maps_equal_the_closed_form_of_a_gaussian():
    batch, sigmas = batch_of(23), noise_levels(0.5)
    errors, maps = denoising_errors(gaussian_denoiser, batch, sigmas, seed=7, repeats=4, batch_size=16)
    assert errors.shape == (23, 8)
    assert errors.dtype == np.float64
    assert maps.shape == (23, 8, 5)
    for k, sigma in enumerate(sigmas):
        expected = closed_form(batch.x, sigma, 7, k, 4, levels=8)
        np.testing.assert_allclose(maps[:, k], expected[:, 0], rtol=2e-4, atol=1e-6)
        np.testing.assert_allclose(errors[:, k], expected.mean(axis=(1, 2)), rtol=2e-4)


def test_error_of_a_gaussian_has_the_right_mean_over_many_noises():
    sigma = 0.8
    batch = batch_of(1)
    errors, _ = denoising_errors(gaussian_denoiser, batch, [sigma], seed=0, repeats=4000)
    gain = VARIANCE / (VARIANCE + sigma**2)
    expected = (((gain - 1) * batch.x[0]) ** 2 + (sigma * gain) ** 2).mean().item()
    assert errors[0, 0] == pytest.approx(expected, rel=0.03)


def test_every_record_meets_the_same_noises_whatever_the_batch_size():
    batch = batch_of(9)
    batch.x[5] = batch.x[0]
    whole, _ = denoising_errors(gaussian_denoiser, batch, [0.3, 1.0], seed=3, batch_size=1000)
    pieces, _ = denoising_errors(gaussian_denoiser, batch, [0.3, 1.0], seed=3, batch_size=1)
    alone, _ = denoising_errors(gaussian_denoiser, Batch(batch.x[5:6], None, {}), [0.3, 1.0], seed=3)
    np.testing.assert_allclose(whole, pieces, rtol=1e-6)
    np.testing.assert_allclose(whole[5], whole[0], rtol=1e-6)
    np.testing.assert_allclose(alone[0], whole[0], rtol=1e-6)
    other, _ = denoising_errors(gaussian_denoiser, batch, [0.3, 1.0], seed=4)
    assert not np.allclose(whole, other, rtol=1e-3)


@pytest.mark.parametrize("shape", [(40,), (2, 3, 4), (3,), (1,)])
def test_noises_of_all_levels_are_orthogonal_as_far_as_there_are_dimensions(shape):
    noises = orthogonal_noises(5, 8, 4, shape)
    assert noises.shape == (8, 4, *shape)
    np.testing.assert_array_equal(noises[:, 2:], -noises[:, :2])
    rows = noises[:, :2].reshape(16, -1).double()
    plain = torch.stack([antithetic_noises(5, k, 4, shape) for k in range(8)])[:, :2].reshape(16, -1).double()
    torch.testing.assert_close(rows.norm(dim=1), plain.norm(dim=1), rtol=1e-6, atol=0)
    size = rows.shape[1]
    for start in range(0, 16, size):
        products = rows[start : start + size] @ rows[start : start + size].T
        torch.testing.assert_close(products, products.diag().diag(), rtol=0, atol=1e-5)


def test_each_orthogonal_noise_is_normal_by_itself():
    draws = np.stack([orthogonal_noises(seed, 2, 4, (4,))[1, 1].numpy() for seed in range(3000)])
    np.testing.assert_allclose(draws.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(4), atol=0.1)
    assert (draws**4).mean() == pytest.approx(3, abs=0.35)


def test_orthogonal_noises_make_the_error_depend_less_on_the_seed():
    batch, sigmas = batch_of(1), [0.9, 1.0, 1.1]  # five dimensions, six noises
    errors = [denoising_errors(gaussian_denoiser, batch, sigmas, seed=seed)[0].mean() for seed in range(300)]
    plain = []
    for seed in range(300):
        noise = np.stack([antithetic_noises(seed, k, 4, (1, 5)).numpy() for k in range(3)])
        parts = [
            ((gain_k - 1) * batch.x.numpy()) ** 2 + (sigma * gain_k * noise[k]) ** 2
            for k, sigma in enumerate(sigmas)
            for gain_k in [(VARIANCE / (VARIANCE + sigma**2)).numpy()]
        ]
        plain.append(np.mean([part.mean() for part in parts]))
    assert np.mean(errors) == pytest.approx(np.mean(plain), rel=0.03)
    assert np.std(errors) < 0.95 * np.std(plain)


def test_missing_values_do_not_count():
    observed = torch.ones(6, 1, 5)
    observed[:, :, 3:] = 0
    batch = batch_of(6, observed=observed)
    errors, maps = denoising_errors(gaussian_denoiser, batch, [0.7], seed=2)
    expected = closed_form(batch.x, 0.7, 2, 0, 4)[:, 0, :3].mean(axis=1)
    np.testing.assert_allclose(errors[:, 0], expected, rtol=2e-4)
    assert (maps[:, 0, 3:] == 0).all()


def test_a_record_with_nothing_observed_has_no_score():
    observed = torch.ones(2, 1, 5)
    observed[1] = 0
    errors, _ = denoising_errors(gaussian_denoiser, batch_of(2, observed=observed), [0.7], seed=2)
    assert np.isnan(errors[1]).all()
    assert np.isfinite(errors[0]).all()


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_noises_that_are_not_pairs_are_refused(repeats):
    with pytest.raises(UsageError, match="antithetic pairs"):
        denoising_errors(gaussian_denoiser, batch_of(1), [0.7], seed=2, repeats=repeats)


def test_noise_levels_are_log_spaced_around_the_spread_of_the_data():
    levels = np.array(noise_levels(0.5))
    assert levels[[0, -1]] == pytest.approx([0.05, 1.25])
    assert np.diff(np.log(levels)) == pytest.approx(np.log(25) / 7)


CENTRES = torch.tensor([-3.0, 0.0, 3.0])
SCHEMA = Schema(
    "toy", (1, 5), (Channel("value"),), ("low", "middle", "high"), conditions=(Condition("label", "class", 3),)
)


def class_denoiser(x, sigma, conditions):
    """The exact denoiser of N(centre of the class, 0.01 I); without a class it knows the middle one only."""
    centre = CENTRES[conditions["label"]][:, None, None] if "label" in conditions else torch.zeros(1)
    return centre + (x - centre) * 0.01 / (0.01 + sigma[:, None, None] ** 2)


def test_conditions_change_the_score_as_they_promise():
    label = torch.tensor([0, 1, 2, 0])
    x = CENTRES[label][:, None, None].expand(4, 1, 5).clone()
    x[3] = 1.5  # labelled "low", yet between middle and high
    batch = Batch(x, None, {"label": label})
    total = {
        condition: conditional_errors(class_denoiser, batch, [0.5], SCHEMA, condition=condition, seed=0)[0][:, 0]
        for condition in ("null", "label", "best")
    }
    assert total["null"][0] > 1 > total["label"][0]  # the null class does not know "low"
    np.testing.assert_allclose(total["best"][:3], total["label"][:3], rtol=1e-6)
    assert total["label"][3] > 10 > total["best"][3] > 1  # no class explains it, its own least of all
