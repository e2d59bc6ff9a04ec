from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.diffusion.sigma import (
    DENSITIES,
    GRIDS,
    PARAMETERISATIONS,
    coefficients,
    grid,
    information_grid,
    sigma_of_quantile,
    stratified_quantiles,
)
from synthgen.errors import UsageError


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_a_network_that_predicts_its_target_gives_back_the_clean_data(parameterisation, generator):
    x0, n = torch.randn(2, 100, dtype=torch.float64, generator=generator)
    for sigma in torch.tensor([0.01, 0.5, 1.0, 30.0], dtype=torch.float64):
        alpha, beta = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        target = {
            "epsilon": n,
            "v": alpha * n - beta * x0,
            "flow": n - x0,
            "x": x0,
            "edm": (sigma * x0 / 0.5 - 0.5 * n) / (sigma**2 + 0.25).sqrt(),
        }[parameterisation]
        c_skip, c_out, _ = coefficients(parameterisation, sigma, 0.5)
        torch.testing.assert_close(c_skip * (x0 + sigma * n) + c_out * target, x0)


@pytest.mark.parametrize("parameterisation", ["edm", "x"])
def test_the_network_sees_unit_variance_where_the_data_has_sigma_data(parameterisation):
    sigma = torch.tensor([0.01, 0.5, 80.0])
    _, _, c_in = coefficients(parameterisation, sigma, 0.5)
    torch.testing.assert_close(c_in.square() * (sigma.square() + 0.25), torch.ones(3))


def test_edm_error_of_a_zero_network_is_of_unit_size_under_the_edm_weight(generator):
    x0 = 0.5 * torch.randn(200_000, dtype=torch.float64, generator=generator)
    n = torch.randn(200_000, dtype=torch.float64, generator=generator)
    for sigma in torch.tensor([0.05, 1.0, 20.0], dtype=torch.float64):
        c_skip, c_out, _ = coefficients("edm", sigma, 0.5)
        error = (c_skip * (x0 + sigma * n) - x0).square().mean() / c_out.square()
        assert error.item() == pytest.approx(1, abs=0.02)


def test_lognormal_quantiles_are_those_of_the_normal_law():
    u = torch.tensor([0.022750131948179195, 0.15865525393145705, 0.5, 0.8413447460685429])
    sigma = sigma_of_quantile("lognormal", u, mean=-0.8, std=1.4)
    torch.testing.assert_close(sigma.log(), -0.8 + 1.4 * torch.tensor([-2.0, -1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_logit_normal_is_logit_normal_in_flow_time():
    u = stratified_quantiles(20_000, torch.Generator().manual_seed(0))
    sigma = sigma_of_quantile("logit-normal", u, mean=0.3, std=0.9).double()
    t = sigma / (1 + sigma)
    logit = torch.log(t / (1 - t))
    assert logit.mean().item() == pytest.approx(0.3, abs=1e-3)
    assert logit.std().item() == pytest.approx(0.9, abs=2e-3)


@pytest.mark.parametrize(
    ("density", "time"),
    [
        ("loguniform", lambda sigma: sigma.log()),
        ("cosine", lambda sigma: torch.atan(sigma)),
        (
            "sigmoid",  # Jabri et al. 2023: alpha^2 = (S(3) - S(6t - 3)) / (S(3) - S(-3))
            lambda sigma: torch.logit(
                torch.sigmoid(torch.tensor(3.0).double())
                - torch.tanh(torch.tensor(1.5).double()) / (1 + sigma.double() ** 2)
            ),
        ),
        ("linear", lambda sigma: -0.1 / 19.9 + ((0.1 / 19.9) ** 2 + 2 / 19.9 * torch.log1p(sigma**2)).sqrt()),
    ],
)
def test_bounded_densities_are_uniform_in_their_own_time(density, time):
    u = torch.linspace(0, 1, 101, dtype=torch.float64)
    t = time(sigma_of_quantile(density, u, sigma_min=0.02, sigma_max=30).double())
    torch.testing.assert_close((t - t[0]) / (t[-1] - t[0]), u, atol=1e-5, rtol=0)


@pytest.mark.parametrize("density", DENSITIES)
@given(u=st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_quantiles_are_finite_positive_and_monotone(density, u):
    sigma = sigma_of_quantile(density, torch.tensor(sorted(u), dtype=torch.float64))
    assert torch.isfinite(sigma).all()
    assert (sigma > 0).all()
    assert (sigma.diff() >= 0).all()


@given(n=st.integers(1, 300), seed=st.integers(0, 1000))
def test_stratified_quantiles_put_one_in_each_stratum(n, seed):
    u = stratified_quantiles(n, torch.Generator().manual_seed(seed))
    assert sorted((u * n).floor().long().tolist()) == list(range(n))


@pytest.mark.parametrize("name", GRIDS)
@given(steps=st.integers(1, 60), low=st.floats(1e-3, 0.1), high=st.floats(1.0, 100.0))
def test_grids_descend_from_sigma_max_to_sigma_min_and_then_to_zero(name, steps, low, high):
    sigmas = grid(name, steps, low, high)
    assert sigmas.shape == (steps + 1,)
    assert sigmas[0].item() == pytest.approx(high, rel=1e-5)
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()
    if steps > 1:
        assert sigmas[-2].item() == pytest.approx(low, rel=1e-5)


def test_the_edm_grid_is_equation_5_of_karras():
    i = torch.arange(18, dtype=torch.float64)
    expected = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    torch.testing.assert_close(grid("edm", 18, 0.002, 80)[:-1].double(), expected, rtol=1e-5, atol=0)


def test_the_linear_schedule_is_the_limit_of_ddpm_s_betas():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = (1 - betas).cumprod(0)
    ddpm = ((1 - alpha_bar) / alpha_bar).sqrt()
    sigmas = grid("linear", 1000, ddpm[0].item(), ddpm[-1].item())[:-1].flip(0).double()
    torch.testing.assert_close(sigmas[50:].log(), ddpm[50:].log(), atol=0.05, rtol=0)


def test_equal_information_is_the_log_grid_where_every_level_carries_as_much():
    levels = torch.logspace(-2, 1, 16, dtype=torch.float64)
    ours = information_grid(levels, 0.3 * levels**2, steps=9, sigma_min=0.01, sigma_max=10)
    torch.testing.assert_close(ours, grid("log", 9, 0.01, 10), rtol=2e-3, atol=0)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 30])
def test_the_information_grid_keeps_the_ends_and_spaces_gaussian_information_evenly(steps):
    """For N(0, s^2) data, I(sigma) = ln(1 + s^2/sigma^2)/2."""
    measured = torch.logspace(-2, 1, 60, dtype=torch.float64)
    error = 0.25 * measured**2 / (0.25 + measured**2)
    sigmas = information_grid(measured, error, steps=steps, sigma_min=0.01, sigma_max=10).double()
    assert sigmas.shape == (steps + 1,)
    assert (sigmas.diff() < 0).all()
    assert sigmas[0].item() == pytest.approx(10, rel=1e-4)
    assert sigmas[-1] == 0
    if steps > 2:
        inner = sigmas[:-1]
        assert inner[-1].item() == pytest.approx(0.01, rel=1e-3)
        share = 0.7 * torch.log1p(0.25 / inner**2) / torch.log1p(torch.tensor(0.25 / 1e-4)) - 0.3 * inner.log() / 6.9078
        torch.testing.assert_close(
            share.diff(), torch.full((steps - 1,), 1.0 / (steps - 1)).double(), atol=4e-3, rtol=0
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda: grid("logg", 5, 0.1, 1),
        lambda: grid("log", 0, 0.1, 1),
        lambda: grid("log", 5, 1.0, 0.1),
        lambda: sigma_of_quantile("normal", torch.zeros(1)),
        lambda: coefficients("eps", torch.ones(1), 0.5),
    ],
)
def test_unknown_names_and_impossible_numbers_are_refused(call):
    with pytest.raises(UsageError):
        call()


def test_sigma_of_half_is_one_for_a_symmetric_cosine_range():
    sigma = sigma_of_quantile("cosine", torch.tensor([0.5]), sigma_min=1 / 40, sigma_max=40)
    assert sigma.item() == pytest.approx(math.tan(math.pi / 4), rel=1e-5)
