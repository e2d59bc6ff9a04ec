"""A network around the exact denoiser of Gaussian channels: what their covariance says need not be learnt.

At each position (a step, a pixel) the C channels have mean m and covariance Sigma over all training records. With
x = x_0 + sigma n,

    E[x_0 | x] of a Gaussian    m + Sigma (Sigma + sigma^2)^-1 (x - m)                            (Wiener)
    its error's covariance      R = sigma^2 Sigma (Sigma + sigma^2)^-1
    D(x; sigma)                 = m + Sigma (Sigma + sigma^2)^-1 (x - m) + R^(1/2) F(u, x)
    u                           = (Sigma + sigma^2)^(-1/2) (x - m)

so the network F reads and writes numbers of unit covariance. For Sigma = sigma_data^2 I and m = 0 this is the
preconditioning of Karras et al. 2022 (eq. 7). It matters where directions of the channels differ much in size: prices
that move together and differ by a thousandth of their range, two channels that are always equal. All square roots are
symmetric, so u and F stay aligned with x. Steps are left to the network: with the covariance of whole windows, levels
and spreads of Stocks came out worse than without any (`benchmarks/README.md`).

The wrapper stands in for a network behind any preconditioning: it gives F' with D = c_skip x + c_out F'.

Sources: Wiener 1949; that the Gaussian part is most of a denoiser at high noise: Wang & Vastola 2024, arXiv:2412.09726.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from synthgen.api import Condition
from synthgen.diffusion.sigma import coefficients

__all__ = ["GaussianBase", "plain_condition"]

_PLAIN = "plain values"


def plain_condition(shape: Sequence[int]) -> Condition:
    """What tells the network x as it is, beside u: a condition aligned with x that is never dropped."""
    return Condition(_PLAIN, "dense", shape[0], dropout=0.0)


class GaussianBase(nn.Module):
    """A network that answers for the rest.

    Args:
        network: F, with `plain_condition` among its conditions; its output starts at zero.
        channels: C.
        parameterisation, sigma_data: of the preconditioning in front.
    """

    mean: Tensor
    basis: Tensor
    variance: Tensor

    def __init__(self, network: nn.Module, channels: int, *, parameterisation: str, sigma_data: float) -> None:
        super().__init__()
        self.network = network
        self.parameterisation = parameterisation
        self.sigma_data = sigma_data
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("basis", torch.eye(channels))  # principal directions in columns
        self.register_buffer("variance", torch.full((channels, 1), sigma_data**2))

    @torch.no_grad()
    def fit(self, x: Tensor, *, least: float) -> None:
        """Take mean and covariance of the channels from training records.

        Args:
            x: as the model sees them, `(N, C, *spatial)`.
            least: smallest deviation of any direction, so that none is shut.
        """
        flat = x.transpose(0, 1).flatten(1).double()  # (C, N values)
        mean = flat.mean(dim=1, keepdim=True)
        variance, basis = torch.linalg.eigh((flat - mean) @ (flat - mean).T / flat.shape[1])
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.variance.copy_(variance.clamp_min(least**2)[:, None])

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape, float32.

        Args:
            x: scaled noisy input `(B, C, *spatial)`.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        with torch.autocast(x.device.type, enabled=False):
            sigma = torch.exp(4 * noise.float())[:, None, None]  # (B, 1, 1)
            c_skip, c_out, c_in = coefficients(self.parameterisation, sigma, self.sigma_data)
            noisy = x.float().flatten(2) / c_in  # (B, C, positions)
            along = self.basis.T @ (noisy - self.mean)
            spread = self.variance + sigma.square()  # (B, C, 1)
            white = self.basis @ (along / spread.sqrt())
        output = self.network(white.view_as(x), noise, {**conditions, _PLAIN: x})
        with torch.autocast(x.device.type, enabled=False):
            rest = self.basis.T @ output.float().flatten(2) * (sigma * (self.variance / spread).sqrt())
            estimate = self.mean + self.basis @ (along * (self.variance / spread) + rest)
            found = (estimate - c_skip * noisy) / c_out
        return cast(Tensor, found.view_as(x))
