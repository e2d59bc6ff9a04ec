"""The built-in Gaussian: exact for channels that are Gaussian, and the usual preconditioning where nothing is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.gaussian import GaussianBase, plain_condition
from synthgen.nn.unet import UNet

SHAPE, SIGMA_DATA = (2, 5), 0.5


def network() -> UNet:
    torch.manual_seed(0)
    return UNet(SHAPE, (plain_condition(SHAPE),), width=16, blocks=1)


def correlated(count: int) -> Tensor:
    """Records whose channels differ by a thousandth, around a mean that is not zero."""
    generator = torch.Generator().manual_seed(1)
    level = torch.randn(count, 1, 5, generator=generator)
    return 0.3 + level + 1e-3 * torch.randn(count, *SHAPE, generator=generator)


@pytest.mark.parametrize("parameterisation", ["edm", "epsilon", "v", "flow", "x"])
@pytest.mark.parametrize("sigma", [1e-3, 0.05, 1.0, 30.0])
def test_before_training_it_is_the_exact_denoiser_of_a_gaussian(sigma: float, parameterisation: str) -> None:
    x = correlated(4_000)
    base = GaussianBase(network(), SHAPE[0], parameterisation=parameterisation, sigma_data=SIGMA_DATA)
    base.fit(x, least=1e-5)
    denoiser = Denoiser(base, parameterisation=parameterisation, sigma_data=SIGMA_DATA).eval()
    noisy = x[:50] + sigma * torch.randn(50, *SHAPE, generator=torch.Generator().manual_seed(2))
    flat = x.transpose(1, 2).flatten(0, 1).double()  # (positions, channels)
    mean, covariance = flat.mean(0), torch.cov(flat.T, correction=0)
    gain = torch.linalg.solve(covariance + sigma**2 * torch.eye(2), covariance)
    wanted = (mean + (noisy.transpose(1, 2).double() - mean) @ gain).transpose(1, 2)
    with torch.no_grad():
        found = denoiser(noisy, torch.full((50,), sigma), {})
    torch.testing.assert_close(found.double(), wanted, atol=2e-4 * min(1, 10 * sigma), rtol=1e-3)


def test_where_nothing_was_fitted_it_is_the_usual_preconditioning() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor, noise: Tensor, conditions: object) -> Tensor:
            return x.sin()

    x, sigma = torch.randn(4, *SHAPE), torch.tensor([1e-3, 0.1, 1.0, 20.0])
    inner = Constant()
    plain = Denoiser(inner, sigma_data=SIGMA_DATA)(x, sigma, {})
    base = GaussianBase(inner, SHAPE[0], parameterisation="edm", sigma_data=SIGMA_DATA)
    wrapped = Denoiser(base, sigma_data=SIGMA_DATA)(x, sigma, {})
    torch.testing.assert_close(wrapped, plain, atol=1e-4, rtol=1e-4)


def test_records_without_covariance_leave_every_direction_open() -> None:
    base = GaussianBase(network(), SHAPE[0], parameterisation="edm", sigma_data=SIGMA_DATA)
    base.fit(torch.ones(3, *SHAPE), least=1e-2)
    assert float(base.variance.min()) == pytest.approx(1e-4)
