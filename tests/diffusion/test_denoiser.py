from __future__ import annotations

import pytest
import torch
from torch import nn

from synthgen.api import Condition
from synthgen.diffusion import Denoiser, score
from synthgen.diffusion.sigma import PARAMETERISATIONS
from synthgen.errors import UsageError
from synthgen.nn import UNet


class Recorder(nn.Module):
    """A network that keeps what it was given."""

    def forward(self, x, noise, conditions):
        self.x, self.noise, self.conditions = x, noise, conditions
        return torch.zeros_like(x)


def test_the_network_is_told_a_quarter_of_the_log_noise_level_and_scaled_data():
    network = Recorder()
    denoiser = Denoiser(network, sigma_data=0.5)
    x, sigma = torch.randn(3, 2, 7), torch.tensor([0.1, 1.0, 10.0])
    denoiser(x, sigma, {"label": torch.tensor([0, 1, -1])})
    torch.testing.assert_close(network.noise, sigma.log() / 4)
    torch.testing.assert_close(network.x, x / (sigma.square() + 0.25).sqrt()[:, None, None])
    assert network.conditions["label"].tolist() == [0, 1, -1]


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_every_parameterisation_answers_in_float32_under_autocast(parameterisation):
    denoiser = Denoiser(UNet((2, 9), (Condition("label", "class", 3),), width=16), parameterisation=parameterisation)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        d = denoiser(torch.randn(4, 2, 9), torch.tensor([0.01, 0.1, 1.0, 50.0]), {"label": torch.arange(4) - 1})
    assert d.dtype == torch.float32
    assert d.shape == (4, 2, 9)
    assert torch.isfinite(d).all()


def test_the_preconditioning_keeps_float32_precision_under_autocast():
    x, sigma = torch.randn(4, 1, 50), torch.full((4,), 1e-3)
    denoiser = Denoiser(Recorder())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        d = denoiser(x, sigma, {})
    torch.testing.assert_close(d, x * (0.25 / (0.25 + 1e-6)), rtol=1e-6, atol=0)


def test_the_score_is_the_gradient_of_the_log_density(mixture, generator):
    x = mixture.sample(50, generator)[..., None].requires_grad_()
    sigma = torch.linspace(0.05, 3, 50, dtype=torch.float64)
    (expected,) = torch.autograd.grad(mixture.log_density(x, sigma).sum(), x)
    torch.testing.assert_close(score(mixture, x, sigma, {}), expected)


def test_an_unknown_parameterisation_is_refused_when_the_denoiser_is_made():
    with pytest.raises(UsageError, match="parameterisation"):
        Denoiser(Recorder(), parameterisation="noise")
