from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from synthgen.diffusion import DenoisingLoss, LossWeight
from synthgen.diffusion.loss import Uncertainty


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


def test_each_error_counts_by_the_weight_of_its_noise_level(x0):
    sigma = torch.tensor([0.05, 0.3, 1.0, 8.0])
    loss = DenoisingLoss(LossWeight("min-snr", 0.5, snr_gamma=3.0), uncertainty=False)
    value, each = loss(Offset(x0, 0.1), x0, sigma, torch.randn_like(x0), None, {})
    theirs = torch.tensor([0.01 * min(3.0, 0.25 / s**2) for s in sigma.tolist()])
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
    loss = DenoisingLoss(LossWeight("uniform"), uncertainty=False)
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


def test_each_class_learns_the_log_of_its_own_error():
    torch.manual_seed(0)
    uncertainty = Uncertainty(classes=2)
    optimiser = torch.optim.Adam(uncertainty.parameters(), lr=0.02)
    sigma = torch.logspace(-2, 1, 256).repeat(3)
    label = torch.tensor([0, 1, -1]).repeat_interleave(256)
    error = torch.exp(torch.sin(sigma.log())) * torch.tensor([1.0, 0.01, 0.3]).repeat_interleave(256)
    assert (uncertainty(sigma, label) == 0).all()
    for _ in range(3000):
        u = uncertainty(sigma, label)
        loss = (error * torch.exp(-u) + u).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(uncertainty(sigma, label), error.log(), atol=0.15, rtol=0)


def test_the_uncertainty_of_groups_knows_the_class_too():
    uncertainty = Uncertainty(groups=2, classes=3)
    levels = torch.rand(5, 2) + 0.1
    label = torch.tensor([0, 1, 2, -1, 0])
    assert uncertainty(levels, label).shape == (5, 2)
    torch.nn.init.normal_(uncertainty.by_class.weight)
    assert (uncertainty(levels, label) != uncertainty(levels, label.roll(1)))[1:].all()


def test_the_expected_loss_of_the_exact_denoiser_is_the_posterior_variance(mixture, generator):
    """For one Gaussian N(m, s^2): E(D - x_0)^2 = s^2 sigma^2 / (s^2 + sigma^2) an entry."""
    single = type(mixture)(mixture.means[:1], torch.tensor([0.5], dtype=torch.float64), torch.ones(1).double())
    x = single.sample(20_000, generator)[..., None]
    sigma = torch.full((20_000,), 0.7, dtype=torch.float64)
    noise = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    value, _ = DenoisingLoss(LossWeight("edm"), uncertainty=False)(single, x, sigma, noise, None, {})
    posterior = 0.25 * 0.49 / (0.25 + 0.49)
    assert value.item() == pytest.approx(posterior * (0.49 + 0.25) / (0.7 * 0.5) ** 2, rel=4 / math.sqrt(20_000))


def _best(loss, x0, sigma, noise, conditions):
    """The estimates, one a record, that minimise a loss quadratic in them: one Newton step from zero."""
    estimate = torch.zeros_like(x0, requires_grad=True)

    def value(estimate):
        return loss(lambda x, sigma, conditions: estimate, x0, sigma, noise, None, conditions)[0]

    gradient = torch.autograd.functional.jacobian(value, estimate).flatten()
    hessian = torch.autograd.functional.hessian(value, estimate).reshape(len(gradient), -1)
    return -torch.linalg.solve(hessian, gradient).view_as(x0)


def test_the_frequency_term_weighs_a_pure_wave_by_its_frequency():
    x0 = torch.zeros(3, 1, 16)
    time = torch.arange(16)
    waves = torch.stack([torch.cos(2 * torch.pi * k * time / 16) for k in (1, 2, 4)])[:, None]
    plain, with_term = (DenoisingLoss(LossWeight("uniform"), uncertainty=False, frequency=f) for f in (0.0, 1.0))

    def extra(row):
        arguments = (lambda x, *_: waves[row : row + 1], x0[:1], torch.ones(1), x0[:1], None, {})
        return (with_term(*arguments)[0] - plain(*arguments)[0]).item()

    assert extra(1) / extra(0) == pytest.approx(2, rel=1e-5)
    assert extra(2) / extra(0) == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 8), (2, 6, 5)])
def test_the_frequency_term_leaves_white_error_s_mean_as_it_is(shape, generator):
    """|f| has mean 1, so an error without structure costs the same in both domains."""
    error = torch.randn(4000, *shape, generator=generator)
    zero = torch.zeros_like(error)
    loss = DenoisingLoss(LossWeight("uniform"), uncertainty=False, frequency=1.0)
    value, _ = loss(lambda x, *_: error, zero, torch.ones(4000), zero, None, {})
    assert value.item() == pytest.approx(2.0, rel=0.03)


def test_the_frequency_term_does_not_move_the_posterior_mean(generator):
    """Two equally likely clean records behind one input: the best answer stays their mean."""
    pair = torch.randn(2, 1, 6, dtype=torch.float64, generator=generator)
    loss = DenoisingLoss(LossWeight("uniform"), uncertainty=False, frequency=3.0)
    zero = torch.zeros_like(pair)

    def value(answer):
        return loss(lambda x, *_: answer.expand_as(x), pair, torch.ones(2), zero, None, {})[0]

    slope = torch.autograd.functional.jacobian(value, pair.mean(dim=0, keepdim=True))
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-6, rtol=0)


def test_the_contrastive_term_has_the_stated_minimiser(generator):
    x0, noise = torch.randn(2, 2, 1, 3, dtype=torch.float64, generator=generator)
    sigma = torch.tensor([0.5, 2.0], dtype=torch.float64)
    loss = DenoisingLoss(LossWeight("uniform"), uncertainty=False, contrastive=0.2)
    best = _best(loss, x0, sigma, noise, {"label": torch.tensor([0, 1])})
    levels = sigma[:, None, None]
    velocity = (noise - x0).flip(0)  # of the other record
    t = levels / (1 + levels)
    elsewhere = (x0 + levels * noise) / (1 + levels) - t * velocity
    torch.testing.assert_close(best, (x0 - 0.2 * elsewhere) / 0.8)


@pytest.mark.parametrize("labels", [[1, 1], [0, -1], None])
def test_without_another_class_there_is_nothing_to_contrast(labels, generator):
    x0, noise = torch.randn(2, 2, 1, 3, dtype=torch.float64, generator=generator)
    conditions = {} if labels is None else {"label": torch.tensor(labels)}
    arguments = (Offset(x0, 0.3), x0, torch.ones(2).double(), noise, None, conditions)
    plain, contrastive = (
        DenoisingLoss(LossWeight("edm"), uncertainty=False, contrastive=c)(*arguments)[0] for c in (0.0, 0.3)
    )
    torch.testing.assert_close(plain, contrastive)
