"""Against the one case with an exact answer: the conditional of a Gaussian, mean and covariance."""

from __future__ import annotations

import pytest
import torch

from synthgen.api import Condition
from synthgen.diffusion import (
    ANCESTRAL,
    MULTISTEP,
    REPAINT,
    Denoiser,
    Reconstructed,
    Replaced,
    Settings,
    grid,
)
from synthgen.nn import UNet

LOW, HIGH, ROWS = 0.02, 10.0, 4000
COVARIANCE = torch.tensor(
    [[0.30, 0.20, 0.10, 0.0], [0.20, 0.25, 0.15, 0.05], [0.10, 0.15, 0.40, 0.2], [0.0, 0.05, 0.2, 0.3]],
    dtype=torch.float64,
)
MASK = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
KNOWN = torch.tensor([0.8, 0.0, 0.0, -0.6], dtype=torch.float64)
SEEN, HIDDEN = [0, 3], [1, 2]


def gaussian(x, sigma, conditions):
    """E[x_0 | x] = C (C + sigma^2)^{-1} x for N(0, C), row by row."""
    total = COVARIANCE + sigma.double()[:, None, None].square() * torch.eye(4, dtype=torch.float64)
    return (COVARIANCE @ torch.linalg.solve(total, x.flatten(1)[..., None])).view_as(x)


def conditional():
    """Mean and covariance of the hidden entries given the seen ones."""
    inverse = torch.linalg.inv(COVARIANCE[SEEN][:, SEEN])
    cross = COVARIANCE[HIDDEN][:, SEEN]
    return cross @ inverse @ KNOWN[SEEN], COVARIANCE[HIDDEN][:, HIDDEN] - cross @ inverse @ cross.T


def filled(sampler, denoiser, steps, **settings):
    stream = torch.Generator().manual_seed(0)
    known = KNOWN.expand(ROWS, 1, 4)
    x = HIGH * torch.randn(ROWS, 1, 4, dtype=torch.float64, generator=stream) + MASK * known
    return sampler.solve(
        denoiser,
        x,
        grid("log", steps, LOW, HIGH),
        conditions={},
        noise=lambda k: torch.randn(ROWS, 1, 4, dtype=torch.float64, generator=stream),
        settings=Settings(**settings),
    ).flatten(1)


def known_rows():
    return KNOWN.expand(ROWS, 1, 4), MASK.expand(ROWS, 1, 4)


def test_the_guided_estimate_is_the_exact_posterior_mean(generator):
    """E[x_0 | x, y]: x and y are two independent noisy looks at x_0."""
    x = torch.randn(6, 1, 4, dtype=torch.float64, generator=generator)
    sigma = torch.tensor([0.05, 0.2, 0.5, 1.0, 3.0, 9.0], dtype=torch.float64)
    e = 0.1
    known, mask = KNOWN.expand(6, 1, 4), MASK.expand(6, 1, 4)
    ours = Reconstructed(gaussian, known, mask, noise=e, iterations=2)(x, sigma, {})
    for row in range(6):
        precision = torch.linalg.inv(COVARIANCE) + torch.eye(4).double() / sigma[row] ** 2 + torch.diag(MASK) / e**2
        exact = torch.linalg.solve(precision, x[row, 0] / sigma[row] ** 2 + MASK * KNOWN / e**2)
        torch.testing.assert_close(ours[row, 0], exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("sampler", "steps"), [(MULTISTEP, 40), (ANCESTRAL, 100)])
def test_guided_imputation_draws_from_the_exact_conditional(sampler, steps):
    mean, covariance = conditional()
    x = filled(sampler, Reconstructed(gaussian, *known_rows(), noise=0.01, iterations=2), steps)
    torch.testing.assert_close(x[:, SEEN].mean(dim=0), KNOWN[SEEN], atol=0.01, rtol=0)
    torch.testing.assert_close(x[:, HIDDEN].mean(dim=0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(x[:, HIDDEN].T), covariance, atol=0.02, rtol=0)


def test_replacement_with_repeated_steps_comes_close_to_the_exact_conditional():
    mean, covariance = conditional()
    x = filled(REPAINT, Replaced(gaussian, *known_rows()), 80, repeats=10)
    torch.testing.assert_close(x[:, SEEN], KNOWN[SEEN].expand(ROWS, 2))
    torch.testing.assert_close(x[:, HIDDEN].mean(dim=0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(x[:, HIDDEN].T), covariance, atol=0.02, rtol=0)


def test_repeated_steps_are_what_makes_replacement_right():
    """A single descent leaves hidden entries behind the known ones: too wide, too near the prior."""
    mean, covariance = conditional()
    errors = []
    for repeats in (1, 10):
        x = filled(REPAINT, Replaced(gaussian, *known_rows()), 40, repeats=repeats)
        errors.append(
            (torch.cov(x[:, HIDDEN].T) - covariance).abs().max() + (x[:, HIDDEN].mean(dim=0) - mean).abs().max()
        )
    assert errors[1] < errors[0] / 2


def test_the_isotropic_guess_pulls_towards_what_is_known(generator):
    x = torch.randn(50, 1, 4, dtype=torch.float64, generator=generator)
    sigma = torch.full((50,), 0.5, dtype=torch.float64)
    known, mask = KNOWN.expand(50, 1, 4), MASK.expand(50, 1, 4)

    def miss(estimate):
        return (mask * (estimate - known)).square().sum().item()

    plain = gaussian(x, sigma, {})
    assert miss(Reconstructed(gaussian, known, mask, iterations=0)(x, sigma, {})) < 0.6 * miss(plain)


def test_nothing_known_changes_nothing(generator):
    x = torch.randn(5, 1, 4, dtype=torch.float64, generator=generator)
    sigma, none = torch.ones(5, dtype=torch.float64), torch.zeros(5, 1, 4, dtype=torch.float64)
    unread = torch.full_like(x, torch.nan)
    for wrapped in (Replaced(gaussian, unread, none), Reconstructed(gaussian, unread, none)):
        torch.testing.assert_close(wrapped(x, sigma, {}), gaussian(x, sigma, {}))


def test_a_network_is_guided_in_inference_mode():
    torch.manual_seed(0)
    network = UNet((1, 8), (Condition("label", "class", 2),), width=8, blocks=1)
    for parameter in network.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    denoiser = Denoiser(network).eval().requires_grad_(False)
    with torch.inference_mode():
        known, mask = torch.full((3, 1, 8), 0.4), torch.zeros(3, 1, 8)
        mask[..., :4] = 1
        x, sigma = torch.randn(3, 1, 8), torch.full((3,), 0.3)
        told = {"label": torch.tensor([0, 1, -1])}
        plain = denoiser(x, sigma, told)
        guided = Reconstructed(denoiser, known, mask)(x, sigma, told)
    assert (mask * (guided - known)).norm() < 0.5 * (mask * (plain - known)).norm()
