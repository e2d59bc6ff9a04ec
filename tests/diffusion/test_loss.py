from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from synthgen.diffusion import DenoisingLoss
from synthgen.diffusion.loss import Uncertainty
from synthgen.errors import UsageError


class Offset(nn.Module):
    """A denoiser whose error is known: it answers x_0 + offset."""

    def __init__(self, x0, offset):
        super().__init__()
        self.x0, self.offset = x0, offset

    def forward(self, x, sigma, conditions):
        return self.x0 + self.offset


@pytest.fixture
def x0():
    return torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ("edm", lambda s: (s * s + 0.25) / (0.5 * s) ** 2),
        ("uniform", lambda s: 1.0),
        ("min-snr", lambda s: min(5.0, 0.25 / s**2)),
    ],
)
def test_weights_are_those_of_the_table(weight, expected, x0):
    sigma = torch.tensor([0.05, 0.3, 1.0, 8.0])
    loss = DenoisingLoss(weight, uncertainty=False, sigma_data=0.5)
    value, each = loss(Offset(x0, 0.1), x0, sigma, torch.randn_like(x0), None, {})
    theirs = torch.tensor([0.01 * expected(s) for s in sigma.tolist()])
    torch.testing.assert_close(each, theirs)
    torch.testing.assert_close(value, theirs.mean())


def test_the_denoiser_sees_data_plus_sigma_times_noise(x0):
    sigma, noise = torch.tensor([0.1, 1.0, 2.0, 3.0]), torch.randn(4, 3, 5)
    seen = {}

    def denoiser(x, sigma, conditions):
        seen.update(x=x, sigma=sigma, conditions=conditions)
        return x

    DenoisingLoss(uncertainty=False)(denoiser, x0, sigma, noise, None, {"label": torch.arange(4)})
    torch.testing.assert_close(seen["x"], x0 + sigma[:, None, None] * noise)
    assert seen["conditions"]["label"].tolist() == [0, 1, 2, 3]


def test_missing_entries_cost_nothing_and_the_mean_is_over_the_observed(x0):
    observed = torch.ones_like(x0)
    observed[0, :, 2:] = 0  # 6 of 15 observed
    observed[1] = 0
    offset = torch.full_like(x0, 0.2)
    offset[observed == 0] = 1e6
    loss = DenoisingLoss("uniform", uncertainty=False)
    _, each = loss(Offset(x0, offset), x0, torch.ones(4), torch.zeros_like(x0), observed, {})
    torch.testing.assert_close(each, torch.tensor([0.04, 0.0, 0.04, 0.04]))


def test_untrained_uncertainty_leaves_the_loss_as_it_is(x0):
    sigma = torch.tensor([0.1, 0.5, 1.0, 10.0])
    arguments = (Offset(x0, 0.3), x0, sigma, torch.randn_like(x0), None, {})
    plain, each = DenoisingLoss(uncertainty=False)(*arguments)
    learned, same = DenoisingLoss()(*arguments)
    torch.testing.assert_close(plain, learned)
    torch.testing.assert_close(each, same)
    assert not each.requires_grad


def test_uncertainty_learns_the_log_of_the_expected_weighted_error():
    """The minimum of err e^{-u} + u is u = ln err, here with an error that falls and rises with ln sigma."""
    torch.manual_seed(0)
    uncertainty = Uncertainty()
    optimiser = torch.optim.Adam(uncertainty.parameters(), lr=0.02)
    sigma = torch.logspace(-2, 1, 256)
    error = torch.exp(torch.sin(sigma.log()))
    for _ in range(1500):
        u = uncertainty(sigma)
        loss = (error * torch.exp(-u) + u).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(uncertainty(sigma), error.log(), atol=0.1, rtol=0)


def test_the_expected_loss_of_the_exact_denoiser_is_the_posterior_variance(mixture, generator):
    """For one Gaussian N(m, s^2): E(D - x_0)^2 = s^2 sigma^2 / (s^2 + sigma^2) an entry."""
    single = type(mixture)(mixture.means[:1], torch.tensor([0.5], dtype=torch.float64), torch.ones(1).double())
    x = single.sample(20_000, generator)[..., None]
    sigma = torch.full((20_000,), 0.7, dtype=torch.float64)
    noise = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    value, _ = DenoisingLoss("edm", uncertainty=False)(single, x, sigma, noise, None, {})
    posterior = 0.25 * 0.49 / (0.25 + 0.49)
    assert value.item() == pytest.approx(posterior * (0.49 + 0.25) / (0.7 * 0.5) ** 2, rel=4 / math.sqrt(20_000))


def test_an_unknown_weight_is_refused_when_the_loss_is_made():
    with pytest.raises(UsageError, match="weight"):
        DenoisingLoss("p2")
