"""A Gaussian mixture, whose denoiser, score and noisy density are known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixture:
    """sum_k w_k N(mean_k, std_k^2 I). Its posterior mean is a responsibility-weighted sum of the components'."""

    means: Tensor  # (K, D)
    stds: Tensor  # (K,)
    weights: Tensor  # (K,)

    def log_parts(self, x: Tensor, sigma: Tensor) -> Tensor:
        """ln w_k N(x; mean_k, (std_k^2 + sigma^2) I), (B, K)."""
        variance = self.stds.square() + sigma[:, None].square()
        distance = (x.flatten(1)[:, None] - self.means).square().sum(dim=2)
        dimensions = self.means.shape[1]
        return self.weights.log() - distance / (2 * variance) - dimensions / 2 * (2 * torch.pi * variance).log()

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.log_parts(x, sigma).logsumexp(dim=1)

    def __call__(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor] | None = None) -> Tensor:
        responsibility = self.log_parts(x, sigma).softmax(dim=1)
        gain = self.stds.square() / (self.stds.square() + sigma[:, None].square())  # (B, K)
        posterior = self.means + gain[..., None] * (x.flatten(1)[:, None] - self.means)
        return (responsibility[..., None] * posterior).sum(dim=1).view_as(x)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[which] + self.stds[which, None] * noise


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    """Three components in the plane, data shape (2, 1)."""
    return Mixture(
        means=torch.tensor([[-0.6, -0.3], [0.5, -0.4], [0.2, 0.7]], dtype=torch.float64),
        stds=torch.tensor([0.08, 0.15, 0.2], dtype=torch.float64),
        weights=torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64),
    )


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
