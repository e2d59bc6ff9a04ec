from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from synthgen.diffusion.consistency import consistency_loss, nearer, nearness

S = 0.5


def consistency(x, sigma):
    """For N(0, s^2) the ODE's paths are x sqrt(s^2 + sigma^2)^-1 = const, so f(x) = x s / sqrt(s^2 + sigma^2)."""
    return x * (S / (S**2 + sigma**2).sqrt()).reshape(-1, *[1] * (x.ndim - 1))


def test_the_two_levels_approach_each_other_by_halves():
    assert [nearness(p, 4) for p in (0.0, 0.2, 0.3, 0.6, 0.9, 1.0)] == [1, 1, 0.5, 0.25, 0.125, 0.125]
    sigma = torch.tensor([0.01, 0.5, 3.0, 40.0])
    assert (nearer(sigma, 1.0) == 0).all()
    gaps = [sigma - nearer(sigma, q) for q in (0.5, 0.1, 0.01, 0.001)]
    assert all((a >= b).all() for a, b in pairwise(gaps))
    torch.testing.assert_close(gaps[-1] / sigma, 0.001 * (1 + 8 / (1 + sigma.exp())), rtol=1e-3, atol=0)


@pytest.mark.parametrize("sigma", [0.1, 0.6, 4.0])
@pytest.mark.parametrize("q", [1.0, 0.05, 0.005])
def test_the_best_slope_on_gaussian_data_is_the_regression_on_the_lower_level(sigma, q, generator):
    """With f^- at r given as g_r x, the best linear f at sigma is g_r (s^2 + r sigma)/(s^2 + sigma^2) x."""
    n = 60_000
    x, noise = torch.randn(2, n, 1, 1, dtype=torch.float64, generator=generator)
    x, levels = S * x, torch.full((n,), sigma, dtype=torch.float64)
    r = nearer(levels[:1], q).item()
    at_r = S / (S**2 + r**2) ** 0.5
    exact = (at_r if r else 1.0) * (S**2 + r * sigma) / (S**2 + sigma**2)

    def slope_of_loss(g):
        g = torch.tensor(g, dtype=torch.float64, requires_grad=True)

        def denoiser(x, level, conditions):
            return torch.where((level == sigma).reshape(-1, 1, 1), g * x, at_r * x)

        value = consistency_loss(denoiser, x, levels, noise, None, {}, q=q, seed=0)
        (gradient,) = torch.autograd.grad(value, g)
        return gradient.item()

    assert slope_of_loss(exact * 0.97) < 0 < slope_of_loss(exact * 1.03)


def test_that_regression_approaches_the_consistency_function():
    """Following the recursion from sigma down to 0 in ever smaller steps ends at s / sqrt(s^2 + sigma^2)."""
    errors = []
    for q in (0.2, 0.02, 0.002):
        sigma, product = torch.tensor(4.0, dtype=torch.float64), 1.0
        while sigma > 1e-4:
            r = nearer(sigma, q)
            product *= ((S**2 + r * sigma) / (S**2 + sigma**2)).item()
            sigma = r
        errors.append(abs(product - S / (S**2 + 16) ** 0.5))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_no_gradient_flows_into_the_target_and_missing_values_cost_nothing(generator):
    x, noise = torch.randn(2, 8, 1, 4, dtype=torch.float64, generator=generator)
    levels = torch.full((8,), 1.0, dtype=torch.float64)
    target_scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    observed = torch.ones_like(x)
    observed[..., 2:] = 0

    def denoiser(x, level, conditions):
        return torch.where(
            (level == 1.0).reshape(-1, 1, 1), consistency(x, level), target_scale * consistency(x, level)
        )

    def loss(noise):
        return consistency_loss(denoiser, x, levels, noise, observed, {}, q=0.01, seed=0)

    hidden = noise.clone()
    hidden[..., 2:] = 7.0
    torch.testing.assert_close(loss(noise).detach(), loss(hidden).detach())
    (gradient,) = torch.autograd.grad(loss(noise), target_scale)
    assert gradient == 0


def test_dropout_is_the_same_in_both_evaluations(generator):
    x, noise = torch.randn(2, 8, 1, 4, generator=generator)
    masks = []

    def denoiser(x, level, conditions):
        masks.append(torch.rand(3))
        return x

    before = torch.get_rng_state()
    consistency_loss(denoiser, x, torch.ones(8), noise, None, {}, q=0.01, seed=5)
    assert torch.equal(*masks)
    assert torch.equal(torch.get_rng_state(), before)
