from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from synthgen.diffusion import AdaptiveDensity, sigma_of_quantile
from synthgen.diffusion.adaptive import information_profile
from synthgen.errors import UsageError

LOW, HIGH = 0.01, 10.0
PRIOR = partial(sigma_of_quantile, "lognormal", mean=-0.8, std=1.4)
U = torch.linspace(0, 1, 2001, dtype=torch.float64)


def gaussian_error(sigma, s=0.5):
    """The posterior variance of N(0, s^2) data: the mmse."""
    return s**2 * sigma**2 / (s**2 + sigma**2)


def learnt(updates, error=gaussian_error):
    density = AdaptiveDensity(PRIOR, sigma_min=LOW, sigma_max=HIGH)
    generator = torch.Generator().manual_seed(0)
    for _ in range(updates):
        sigma = density(torch.rand(64, dtype=torch.float64, generator=generator))
        density.update(sigma, error(sigma))
    return density


def test_untaught_it_is_the_prior_within_its_range():
    sigma = AdaptiveDensity(PRIOR, sigma_min=LOW, sigma_max=HIGH)(U)
    inside = (U > 0.02) & (U < 0.97)
    torch.testing.assert_close(sigma[inside].log(), PRIOR(U)[inside].log(), atol=0.12, rtol=0)
    assert sigma.min() >= LOW * 0.999
    assert sigma.max() <= HIGH * 1.001


def test_quantiles_are_monotone_and_the_masses_sum_to_one():
    density = learnt(300)
    assert (density(U).diff() >= 0).all()
    assert density.mass().sum().item() == pytest.approx(1)


def test_gaussian_data_draws_by_the_exact_information_rate():
    """For N(0, s^2), I = ln(1 + s^2/sigma^2)/2: the profile's share of a range is the share of I that falls there."""
    density = learnt(1500)
    edges = torch.linspace(math.log(LOW), math.log(HIGH), 33, dtype=torch.float64)
    information = 0.5 * torch.log1p(0.25 * torch.exp(-2 * edges))
    exact = (information[:-1] - information[1:]) / (information[0] - information[-1])
    prior = AdaptiveDensity(PRIOR, sigma_min=LOW, sigma_max=HIGH).mass()
    torch.testing.assert_close(density.mass(), 0.3 * prior + 0.7 * exact, atol=0.002, rtol=0)


def test_the_profile_follows_an_error_that_sits_in_one_place():
    centres = torch.linspace(-3, 2, 51, dtype=torch.float64)
    bump = torch.exp(-(((centres - 0.5) / 0.3) ** 2)) * torch.exp(2 * centres)
    profile = information_profile(centres, bump)
    assert centres[profile.argmax()].item() == pytest.approx(0.5, abs=0.11)
    assert profile.sum().item() == pytest.approx(1)


def test_it_moves_away_from_the_prior_little_by_little():
    prior = learnt(0).mass()
    distances = [(learnt(n).mass() - prior).abs().sum().item() for n in (5, 100, 500)]
    assert distances[0] < 0.05
    assert distances == sorted(distances)


def test_its_state_carries_everything():
    density = learnt(40)
    copy = AdaptiveDensity(PRIOR, sigma_min=LOW, sigma_max=HIGH)
    copy.load_state_dict({name: value.clone() for name, value in density.state_dict().items()})
    assert torch.equal(copy(U), density(U))
    more = torch.tensor([0.3, 2.0]), torch.tensor([0.1, 0.2])
    density.update(*more)
    assert not torch.equal(copy(U), density(U))
    copy.update(*more)
    assert torch.equal(copy(U), density(U))


def test_an_empty_range_is_refused():
    with pytest.raises(UsageError, match="sigma_min"):
        AdaptiveDensity(PRIOR, sigma_min=1.0, sigma_max=1.0)
