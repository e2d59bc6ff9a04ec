"""The denoiser: a network behind its preconditioning.

    D(x; sigma, c) = c_skip(sigma) x + c_out(sigma) F(c_in(sigma) x; ln(sigma)/4, c)      (Karras et al. 2022, eq. 7)
    score(x; sigma) = grad ln p_sigma(x) = (D(x; sigma) - x) / sigma^2                    (Tweedie)

Anything that is called as `D(x, sigma, conditions)` and returns the expected clean x is a denoiser to the samplers:
guidance and the like wrap one and are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from synthgen.diffusion.details import DETAILS, details
from synthgen.diffusion.levels import LEVELS, by_channel, settled
from synthgen.diffusion.sigma import coefficients

__all__ = ["AnyDenoiser", "Denoiser", "score"]


class AnyDenoiser(Protocol):
    """What samplers call: x `(B, C, *spatial)`, sigma `(B,)` > 0, conditions by name -> estimate of the clean x."""

    def __call__(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate, of x's shape."""
        ...


class Denoiser(nn.Module):
    """Estimates the clean x from a noisy one, E[x_0 | x_0 + sigma n = x].

    Args:
        network: F, called as `network(x, noise, conditions)` with x `(B, C, *spatial)` and noise = ln(sigma)/4 `(B,)`.
        parameterisation: what the network predicts, see `synthgen.diffusion.sigma`.
        sigma_data: standard deviation of the data.
        groups: channels of each group that may have a noise level of its own, see `synthgen.diffusion.levels`; empty:
            one level for all.
        octaves: of fine detail that the network reads beside x, see `synthgen.diffusion.details`.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        parameterisation: str = "edm",
        sigma_data: float = 0.5,
        groups: Sequence[int] = (),
        octaves: int = 0,
    ) -> None:
        super().__init__()
        coefficients(parameterisation, torch.ones(1), sigma_data)  # refuses an unknown name now rather than in training
        self.network = network
        self.parameterisation = parameterisation
        self.sigma_data = sigma_data
        self.groups = tuple(groups)
        self.octaves = octaves

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x, float32 of x's shape; the preconditioning stays float32 under autocast.

        Args:
            x: noisy input `(B, C, *spatial)`.
            sigma: noise levels `(B,)`, > 0.
            conditions: name -> tensor; a missing name is the null condition for all. With groups, `noise levels`
                `(B, G)` holds the level of each.
        """
        x, sigma = x.float(), sigma.float()
        levels = sigma.reshape(-1, *[1] * (x.ndim - 1))  # (B, 1, ...)
        if self.groups and LEVELS in conditions:
            each = settled(conditions[LEVELS].float(), sigma)  # (B, G)
            levels, sigma = by_channel(each, self.groups, x.ndim), each.amax(dim=1)
            equal = (each == each[:, :1]).all(dim=1, keepdim=True)
            conditions = {**conditions, LEVELS: torch.where(equal, torch.nan, each.log() / 4)}
        if self.octaves:
            conditions = {**conditions, DETAILS: details(x, levels, self.octaves)}
        c_skip, c_out, c_in = coefficients(self.parameterisation, levels, self.sigma_data)
        prediction = cast(Tensor, self.network(c_in * x, sigma.log() / 4, conditions))
        return c_skip * x + c_out * prediction.float()


def score(denoiser: AnyDenoiser, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
    """The gradient of ln p_sigma at x, `(B, C, *spatial)`, by Tweedie's formula.

    Args:
        denoiser: any denoiser.
        x: noisy input `(B, C, *spatial)`.
        sigma: noise levels `(B,)`, > 0.
        conditions: name -> tensor.
    """
    return (denoiser(x, sigma, conditions) - x) / sigma.reshape(-1, *[1] * (x.ndim - 1)).square()
