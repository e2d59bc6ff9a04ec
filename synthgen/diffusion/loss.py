"""The denoising loss: weighted squared error of D, with a learned uncertainty for each noise level.

    err_i  = mean over observed entries of (D(x_i + sigma_i n_i; sigma_i) - x_i)^2
    loss   = mean_i  w(sigma_i) err_i e^{-u(sigma_i)} + u(sigma_i)                     (Karras et al. 2024, eq. 14)

At the optimum e^u is the expected weighted error at that noise level, so every level then counts alike, whatever the
data; u is one linear layer on Fourier features of ln sigma and starts at 0, where the loss is the plain one.

    weight    w(sigma)
    edm       (sigma^2 + s^2) / (sigma s)^2          unit-variance error of an untrained EDM network
    uniform   1
    min-snr   min(SNR, 5),  SNR = (s/sigma)^2        on an error of D

Sources: Karras et al. 2022, arXiv:2206.00364; Karras et al. 2024, arXiv:2312.02696; Hang et al. 2023, "Efficient
diffusion training via min-SNR weighting strategy", arXiv:2303.09556.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.errors import UsageError
from synthgen.nn.embed import FourierFeatures

__all__ = ["DenoisingLoss", "Uncertainty", "weight_of"]

WEIGHTS = ("edm", "uniform", "min-snr")


def weight_of(name: str, sigma: Tensor, sigma_data: float) -> Tensor:
    """w(sigma) on the squared error of D, of sigma's shape.

    Raises:
        UsageError: the weight is unknown.
    """
    match name:
        case "edm":
            return (sigma.square() + sigma_data**2) / (sigma * sigma_data).square()
        case "uniform":
            return torch.ones_like(sigma)
        case "min-snr":
            return (sigma_data / sigma).square().clamp(max=5.0)
    raise UsageError(f"unknown loss weight {name!r}", hint=f"Known: {', '.join(WEIGHTS)}.")


class Uncertainty(nn.Module):
    """u(sigma): the logarithm of the expected weighted error at a noise level, learned; 0 at the start."""

    def __init__(self, features: int = 32) -> None:
        super().__init__()
        self.features = FourierFeatures(features)
        self.linear = nn.Linear(features, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, sigma: Tensor) -> Tensor:
        """u `(B,)` at sigma `(B,)`; float32 also under autocast."""
        with torch.autocast(sigma.device.type, enabled=False):
            return cast(Tensor, self.linear(self.features(sigma.float().log() / 4))).squeeze(1)


class DenoisingLoss(nn.Module):
    """Squared error of a denoiser on given noise.

    Args:
        weight: `edm`, `uniform` or `min-snr`.
        uncertainty: learn the weight of each noise level; its parameters belong to the optimiser.
        sigma_data: standard deviation of the data.
    """

    def __init__(self, weight: str = "edm", uncertainty: bool = True, sigma_data: float = 0.5) -> None:
        super().__init__()
        weight_of(weight, torch.ones(1), sigma_data)
        self.weight = weight
        self.sigma_data = sigma_data
        self.uncertainty = Uncertainty() if uncertainty else None

    def forward(
        self,
        denoiser: AnyDenoiser,
        x: Tensor,
        sigma: Tensor,
        noise: Tensor,
        observed: Tensor | None,
        conditions: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """The loss, and each sample's weighted error without u, detached, `(B,)`.

        Args:
            denoiser: what is trained.
            x: clean data `(B, C, *spatial)`.
            sigma: noise levels `(B,)`.
            noise: standard normal, x's shape.
            observed: weights of x's shape, 0 where the value is missing, which then costs nothing; None: all observed.
            conditions: name -> tensor, after dropout.
        """
        levels = sigma.reshape(-1, *[1] * (x.ndim - 1))
        error = (denoiser(x + levels * noise, sigma, conditions) - x).square().flatten(1)
        if observed is None:
            mean = error.mean(dim=1)
        else:
            counts = observed.to(error.dtype).flatten(1)
            mean = (error * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1e-6)
        weighted = weight_of(self.weight, sigma, self.sigma_data) * mean  # (B,)
        if self.uncertainty is None:
            return weighted.mean(), weighted.detach()
        u = self.uncertainty(sigma)
        return (weighted * torch.exp(-u) + u).mean(), weighted.detach()
