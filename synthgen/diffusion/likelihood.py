"""The log-density of data under a denoiser, by the change of variables along the probability-flow ODE.

In t = ln sigma the ODE is dx/dt = x - D(x; sigma), whose divergence is d - tr J, J = dD/dx, so that

    ln p_min(x) = ln p_max(x_T) + int_{ln sigma_min}^{ln sigma_max}  d - tr J(x_t)  dt
    p_max = N(0, (sigma_max^2 + s^2) I)

with x_T where the ODE, started in x, arrives. p_min is the density of the data with noise sigma_min added, which data
without noise need not have. The trace is estimated with probes v of unit covariance (Hutchinson): E v^T J v = tr J,
each one vector-Jacobian product. Both integrals are solved by the trapezoidal rule (Heun).

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

__all__ = ["bits_per_dimension", "log_likelihood", "rademacher"]


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
    """
    levels = grid("log", steps + 1, sigma_min, sigma_max)[:-1].flip(0).tolist()
    dimension = x[0].numel()
    gained = x.new_zeros(len(x))

    def slopes(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        clean, trace = _with_trace(denoiser, x, sigma, conditions, probes)
        return x - clean, dimension - trace

    for sigma, higher in pairwise(levels):
        h = math.log(higher / sigma)
        drift, growth = slopes(x, sigma)
        further, later = slopes(x + h * drift, higher)
        x = x + h / 2 * (drift + further)
        gained = gained + h / 2 * (growth + later)
    variance = sigma_max**2 + sigma_data**2
    at_rest = -x.flatten(1).square().sum(dim=1) / (2 * variance) - dimension / 2 * math.log(2 * math.pi * variance)
    return at_rest + gained


def rademacher(probes: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Probes of independent signs, `(probes, *like.shape)`: of all with unit covariance, the least variance."""
    signs = torch.randint(0, 2, (probes, *like.shape), generator=generator, device=generator.device)
    return (2 * signs - 1).to(like.device, like.dtype)


def bits_per_dimension(log_density: Tensor, dimension: int) -> Tensor:
    """Negative log-density in bits for each dimension of the encoded record."""
    return -log_density / (dimension * math.log(2))


def _with_trace(
    denoiser: AnyDenoiser, x: Tensor, sigma: float, conditions: Mapping[str, Tensor], probes: Tensor
) -> tuple[Tensor, Tensor]:
    """D(x) and the estimate of tr J, `(B,)`."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        told = {name: value.clone() for name, value in conditions.items()}
        clean = denoiser(x, x.detach().new_full((len(x),), sigma), told)
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for probe in probes:
            (product,) = torch.autograd.grad(clean, x, probe.clone().to(clean.dtype), retain_graph=True)
            total = total + (product * probe).flatten(1).sum(dim=1)
    return clean.detach(), total / len(probes)
