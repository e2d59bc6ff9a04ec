"""The sampler against the one case with a closed form: for data N(0, s^2), x(sigma) grows as sqrt(s^2 + sigma^2)."""

from __future__ import annotations

import torch

from synthgen import registry
from synthgen.testing import check_sampler

S = 0.5


def gaussian(x, sigma, conditions):
    """The exact denoiser of N(0, S^2)."""
    variance = (sigma**2).reshape(-1, *[1] * (x.ndim - 1))
    return x * S**2 / (S**2 + variance)


def error(steps):
    sampler = registry.load("samplers", "midpoint")
    sigmas = torch.cat([torch.logspace(1, -3, steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    x = torch.full((1, 1, 4), 10.0, dtype=torch.float64)
    exact = x * S / (S**2 + 100) ** 0.5
    return float((sampler.solve(gaussian, x, sigmas, conditions={}) - exact).abs().max() / exact.abs().max())


def test_the_end_is_the_exact_solution_of_a_gaussian():
    assert error(64) < 2e-3


def test_halving_the_steps_quarters_the_error():
    assert 3 < error(16) / error(32) < 5


def test_it_keeps_the_promises_of_a_sampler():
    check_sampler("midpoint")
