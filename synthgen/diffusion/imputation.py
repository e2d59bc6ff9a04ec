"""Imputation and inpainting: denoisers that know part of the record, so that samplers fill in the rest.

Known are the entries y = A x_0 where a mask is 1. Three ways to use them:

**Replacement.** The estimate of a known entry is what is known: D' = y there, D elsewhere. A sampler then carries known
entries along as y plus its own noise, so the network sees what it was trained on. Unknown entries learn of the known
ones only through D, and lag behind in a single descent; steps taken several times (sampler `repaint`) let them agree
(Lugmayr et al. 2022, arXiv:2201.09865; first used by Song et al. 2021, arXiv:2011.13456, appendix I.2).

**Reconstruction guidance.** The posterior mean given x *and* y is D plus a step along the gradient of ln p(y | x):

    D' = D + sigma^2 J^T A^T (e^2 I + A V A^T)^{-1} (y - A D),      J = dD/dx,  e the measurement noise
    V = sigma^2 J        moment matching (Rozet et al. 2024, arXiv:2405.13712): the covariance of x_0 given x, by
                         Tweedie; the system is solved by a few conjugate gradients. Exact for Gaussian data.
    V = r^2 I            with r^2 = sigma^2 s^2/(sigma^2 + s^2): no system to solve (Song et al. 2023, "PiGDM"; the
                         guidance of Ho et al. 2022, arXiv:2204.03458, and Chung et al. 2023, arXiv:2209.14687)

**Levels.** Whole groups of channels are known, and the network was trained with a noise level for each group: it is
told that theirs is 0, and its answer is E[x_0 | x, y] without any more work (`synthgen.diffusion.levels`).

Start any of them from noise with the known values added: `sigma_max n + mask y`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.levels import CLEAN, LEVELS, by_channel

__all__ = ["KNOWN", "GroupsGiven", "Kept", "Reconstructed", "Replaced"]

KNOWN = "known channels"
"""Condition that `GroupsGiven` reads: clean values `(B, C, *spatial)`, NaN throughout the groups that are not known."""


class Replaced(nn.Module):
    """A denoiser whose estimate of known entries is what is known.

    Args:
        denoiser: any denoiser.
        known: values `(B, C, *spatial)`; what is not known is not read.
        mask: True (or 1) where known, known's shape.
    """

    def __init__(self, denoiser: AnyDenoiser, known: Tensor, mask: Tensor) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.known = known
        self.mask = mask.bool()

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x, `(B, C, *spatial)`."""
        return torch.where(self.mask, self.known.to(x.dtype), self.denoiser(x, sigma, conditions))


class GroupsGiven(nn.Module):
    """A denoiser that is told some groups clean, where the condition `KNOWN` holds them; else the denoiser as it is.

    What is known travels as a condition, row by row, so guidance may repeat rows or leave it out.

    Args:
        denoiser: trained with groups of channels.
        groups: channels of each.
    """

    def __init__(self, denoiser: AnyDenoiser, groups: Sequence[int]) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.groups = tuple(groups)

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x, `(B, C, *spatial)`; known groups as they are known."""
        rest = {name: value for name, value in conditions.items() if name != KNOWN}
        if KNOWN not in conditions:
            return self.denoiser(x, sigma, rest)
        known = conditions[KNOWN].to(x.dtype)
        clean = torch.stack(
            [~part.flatten(1).isnan().any(dim=1) for part in torch.split(known, list(self.groups), dim=1)], dim=1
        )
        levels = torch.where(clean, CLEAN, torch.nan).to(sigma.dtype)  # (B, G)
        held = by_channel(clean, self.groups, x.ndim)
        estimate = self.denoiser(torch.where(held, known, x), sigma, {**rest, LEVELS: levels})
        return torch.where(held, known, estimate)


class Kept(nn.Module):
    """A denoiser whose estimate of what the condition `KNOWN` holds is that; outside guidance, which would push it."""

    def __init__(self, denoiser: AnyDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x, `(B, C, *spatial)`."""
        estimate = self.denoiser(x, sigma, conditions)
        if KNOWN not in conditions:
            return estimate
        known = conditions[KNOWN].to(estimate.dtype)
        return torch.where(known.isnan(), estimate, known)


class Reconstructed(nn.Module):
    """A denoiser whose estimate is drawn towards known entries by the gradient of their likelihood.

    Args:
        denoiser: any denoiser that can be differentiated with respect to x.
        known: values `(B, C, *spatial)`; what is not known is not read.
        mask: True (or 1) where known, known's shape.
        noise: e, the standard deviation of the error in the known values, > 0.
        iterations: of conjugate gradients for V = sigma^2 J, each one vector-Jacobian product; 0: V = r^2 I.
        sigma_data: s, the standard deviation of the data, for V = r^2 I.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        known: Tensor,
        mask: Tensor,
        *,
        noise: float = 0.01,
        iterations: int = 3,
        sigma_data: float = 0.5,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.mask = mask.to(known.dtype)
        self.known = torch.where(mask.bool(), known, 0.0)
        self.noise = noise
        self.iterations = iterations
        self.sigma_data = sigma_data

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x given x and what is known, `(B, C, *spatial)`."""
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            levels = sigma.detach().clone()
            clean = self.denoiser(x, levels, {name: value.clone() for name, value in conditions.items()})
            variance = levels.square().reshape(-1, *[1] * (x.ndim - 1))
            mask = self.mask.clone().to(clean.dtype)

            def spread(vector: Tensor) -> Tensor:
                """sigma^2 J^T A^T vector."""
                (product,) = torch.autograd.grad(clean, x, mask * vector, retain_graph=True)
                return variance * product

            missing = mask * (self.known.to(clean.dtype) - clean.detach())
            if self.iterations == 0:
                isotropic = variance * self.sigma_data**2 / (variance + self.sigma_data**2)
                solution = missing / (self.noise**2 + isotropic)
            else:
                solution = _conjugate_gradients(
                    lambda v: self.noise**2 * v + mask * spread(v), missing, iterations=self.iterations
                )
            return clean.detach() + spread(solution)


def _conjugate_gradients(system: Callable[[Tensor], Tensor], right: Tensor, *, iterations: int) -> Tensor:
    """An approximate solution of `system(v) = right`, each record for itself."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).flatten(1).sum(dim=1).reshape(-1, *[1] * (a.ndim - 1))

    solution, residual, direction = torch.zeros_like(right), right, right
    length = dot(residual, residual)
    for _ in range(iterations):
        image = system(direction)
        curvature = dot(direction, image)
        step = torch.where(curvature > 0, length / curvature.clamp_min(1e-30), 0.0)
        solution = solution + step * direction
        residual = residual - step * image
        shorter = dot(residual, residual)
        direction = residual + shorter / length.clamp_min(1e-30) * direction
        length = shorter
    return solution
