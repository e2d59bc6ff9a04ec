"""The log-density of data under a denoiser, by the change of variables along the probability-flow ODE.

In t = ln sigma the ODE is dx/dt = x - D(x; sigma). For z = x / sqrt(sigma^2 + s^2), s the deviation of the data, what
is left to integrate vanishes where the data is Gaussian, so that few steps suffice:

    dz/dt = (s^2 x / (sigma^2 + s^2) - D) / sqrt(sigma^2 + s^2)        divergence  d s^2 / (sigma^2 + s^2) - tr J
    ln p_min(x) = ln N(z_T; 0, I) - d/2 ln(sigma_min^2 + s^2) + int_{ln sigma_min}^{ln sigma_max} divergence dt

with J = dD/dx and z_T where the ODE, started in x, arrives. p_min is the density of the data with noise sigma_min
added, which data without noise need not have. The trace is estimated with probes v of unit covariance (Hutchinson):
E v^T J v = tr J, each one vector-Jacobian product. Both integrals are solved by the trapezoidal rule (Heun).

Sources: Song et al. 2021, arXiv:2011.13456, appendix D.2; Grathwohl et al. 2019, arXiv:1810.01367 (the trace).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.sigma import grid

__all__ = ["bits_per_dimension", "density_and_residual", "log_likelihood", "rademacher", "with_trace"]


def log_likelihood(
    denoiser: AnyDenoiser,
    x: Tensor,
    conditions: Mapping[str, Tensor],
    *,
    probes: Tensor,
    sigma_min: float,
    sigma_max: float,
    sigma_data: float = 0.5,
    steps: int = 64,
    weight: Tensor | None = None,
) -> Tensor:
    """ln p(x | conditions) in nats, `(B,)`.

    Args:
        denoiser: any denoiser that can be differentiated with respect to x.
        x: encoded records `(B, C, *spatial)`.
        conditions: name -> tensor with B rows; a missing name is the null condition.
        probes: v, `(K, B, C, *spatial)`; their mean is taken, with the same probes at every step. See `rademacher`.
        sigma_min, sigma_max: range of the ODE.
        sigma_data: s, the standard deviation of the data.
        steps: of the solver, each two evaluations with K products.
        weight: `(B, C, *spatial)`, 1 where a value is observed and 0 where not; None: everything is. The density is
            that of the observed values, as far as the others hardly move them.
    """
    density, _ = density_and_residual(
        denoiser,
        x,
        conditions,
        probes=probes,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        sigma_data=sigma_data,
        steps=steps,
        weight=weight,
    )
    return density


def density_and_residual(
    denoiser: AnyDenoiser,
    x: Tensor,
    conditions: Mapping[str, Tensor],
    *,
    probes: Tensor,
    sigma_min: float,
    sigma_max: float,
    sigma_data: float,
    steps: int,
    weight: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`log_likelihood`, which has the arguments, and x - D(x; sigma_min), `(B, C, *spatial)`, which it needs anyway."""
    levels = grid("log", steps + 1, sigma_min, sigma_max)[:-1].flip(0).tolist()
    observed = torch.ones_like(x) if weight is None else weight
    dimension = observed.flatten(1).sum(dim=1).double()

    def slopes(z: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """dz/dt, its divergence, and x - D."""
        variance = sigma**2 + sigma_data**2
        state, skip = math.sqrt(variance) * z, sigma_data**2 / variance
        clean, trace = with_trace(denoiser, state, sigma, conditions, probes, observed)
        return (skip * state - clean) / math.sqrt(variance), skip * dimension - trace, state - clean

    start = sigma_min**2 + sigma_data**2
    z, gained, residual = x / math.sqrt(start), torch.zeros_like(dimension), torch.zeros_like(x)
    for k, (sigma, higher) in enumerate(pairwise(levels)):
        h = math.log(higher / sigma)
        drift, growth, here = slopes(z, sigma)
        residual = here if k == 0 else residual
        further, later, _ = slopes(z + h * drift, higher)
        z = z + h / 2 * (drift + further)
        gained = gained + h / 2 * (growth + later)
    squared = (z.square() * observed).flatten(1).sum(dim=1).double()
    density = gained - (squared + dimension * math.log(2 * math.pi * start)) / 2
    return density.to(torch.promote_types(x.dtype, torch.float32)), residual


def rademacher(probes: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Probes of independent signs, `(probes, *like.shape)`: of all with unit covariance, the least variance."""
    signs = torch.randint(0, 2, (probes, *like.shape), generator=generator, device=generator.device)
    return (2 * signs - 1).to(like.device, like.dtype)


def bits_per_dimension(log_density: Tensor, dimension: int) -> Tensor:
    """Negative log-density in bits for each dimension of the encoded record."""
    return -log_density / (dimension * math.log(2))


def with_trace(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigma: float,
    conditions: Mapping[str, Tensor],
    probes: Tensor,
    weight: Tensor,
) -> tuple[Tensor, Tensor]:
    """D(x; sigma), and the estimate of tr J over observed positions, `(B,)`.

    Args:
        denoiser: differentiable.
        x: `(B, C, *spatial)`.
        sigma: of all.
        conditions: name -> tensor with B rows.
        probes: v, `(K, B, C, *spatial)`, or `(K, 1, C, *spatial)` for the same in each record.
        weight: `(B, C, *spatial)`, 1 where observed.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        told = {name: value.clone() for name, value in conditions.items()}
        clean = denoiser(x, x.detach().new_full((len(x),), sigma), told)
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for number, probe in enumerate(probes):
            v = (probe * weight).to(clean.dtype)
            (product,) = torch.autograd.grad(clean, x, v.clone(), retain_graph=number + 1 < len(probes))
            total = total + (product * v).flatten(1).sum(dim=1)
    return clean.detach(), total.detach() / len(probes)
