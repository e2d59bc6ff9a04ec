"""Two scores from the density that a denoiser implies: a record's likelihood, and the noise level it seems to carry.

**likelihood** follows the probability-flow ODE dx/dsigma = (x - D)/sigma from a small to a large sigma, where p is
N(0, (sigma^2 + s^2) I), and adds up the divergence of its field (Song et al. 2021, arXiv:2011.13456, eq. 39). With
z = x / sqrt(sigma^2 + s^2), s = sigma_data, what is left to integrate vanishes for Gaussian data:

    dz / d ln sigma = (s^2 x / (sigma^2 + s^2) - D) / sqrt(sigma^2 + s^2)

**time**: p_sigma solves the heat equation, so with J the Jacobian of D and d the number of values

    d ln p_sigma(x) / d ln sigma = tr J - d + || D(x; sigma) - x ||^2 / sigma^2

Its integral over the levels is the log likelihood of sigma, and with a uniform prior on ln sigma it gives the posterior
mean of ln sigma: diffusion time estimation (Livernoche et al. 2024, arXiv:2305.18593) by the generator itself. The
likelihood counts as that of 8 independent values whatever d is: with hundreds, each record sits on a single level.

Traces are estimated with fixed Rademacher probes v, v^T J v (Hutchinson 1990); a backward pass counts as an evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen import seeding
from synthgen.evaluation.measuring import Measured, Piece, Setting, by_position, pieces_of

if TYPE_CHECKING:
    from synthgen.api import Batch
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["LIKELIHOOD_EVALUATIONS", "TIME_EVALUATIONS", "likelihood", "time"]

_Field = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_LOWEST, _HIGHEST = 0.1, 20.0  # in units of sigma_data
_ODE_STEPS = 12
_TIME_LEVELS, _PROBES = 12, 2
_TEMPERED = 8.0

LIKELIHOOD_EVALUATIONS = 4 * _ODE_STEPS
TIME_EVALUATIONS = (1 + _PROBES) * _TIME_LEVELS


def likelihood(
    denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting
) -> Measured:
    """-ln p(x) for each observed value, by Heun's method in ln sigma for z = x / sqrt(sigma^2 + sigma_data^2)."""
    low, high = _LOWEST * setting.sigma_data, _HIGHEST * setting.sigma_data
    grid = np.linspace(math.log(low), math.log(high), _ODE_STEPS + 1)
    values = np.empty((len(batch.x), 1))
    maps = np.empty((len(batch.x), 1, *batch.x.shape[2:]), dtype=np.float32)
    for piece in pieces_of(denoiser, batch, told, records=setting.batch_size):
        x, weight = piece.x, piece.weight
        probe = _probes(setting.seed, x.shape[1:], 1).to(x)
        dims = weight.flatten(1).sum(dim=1)

        def field(z: torch.Tensor, level: float, piece: Piece = piece, probe: torch.Tensor = probe) -> _Field:
            """dz / d ln sigma, its divergence, and x - D."""
            variance = math.exp(2 * level) + setting.sigma_data**2
            state, skip = math.sqrt(variance) * z, setting.sigma_data**2 / variance
            clean, trace = _with_trace(denoiser, state, math.exp(level), piece.told, probe, piece.weight)
            observed = piece.weight.flatten(1).sum(dim=1)
            return (skip * state - clean) / math.sqrt(variance), skip * observed - trace, state - clean

        start = low**2 + setting.sigma_data**2
        z, change = x / math.sqrt(start), torch.zeros(len(x), device=x.device, dtype=torch.float64)
        for k, (now, after) in enumerate(pairwise(grid)):
            slope, spreading, residual = field(z, now)
            if k == 0:
                maps[piece.rows, 0] = by_position(residual.square() * weight, weight)
            ahead, spreading_ahead, _ = field(z + (after - now) * slope, after)
            z = z + (after - now) * (slope + ahead) / 2
            change += (after - now) * (spreading + spreading_ahead).double() / 2
        squared = (z.square() * weight).flatten(1).sum(dim=1).double()
        log_density = -0.5 * (squared + dims.double() * math.log(2 * math.pi * start)) + change
        values[piece.rows, 0] = (-log_density / dims.double()).cpu().numpy()
    return Measured(values, maps)


def time(denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting) -> Measured:
    """Posterior mean of ln sigma on a grid, from the slopes of ln p_sigma(x)."""
    low, high = setting.low * setting.sigma_data, setting.high * setting.sigma_data
    grid = np.linspace(math.log(low), math.log(high), _TIME_LEVELS)
    values = np.empty((len(batch.x), 1))
    maps = np.empty((len(batch.x), 1, *batch.x.shape[2:]), dtype=np.float32)
    for piece in pieces_of(denoiser, batch, told, records=setting.batch_size):
        rows, x, weight = piece.rows, piece.x, piece.weight
        probes = _probes(setting.seed, x.shape[1:], _PROBES).to(x)
        dims = weight.flatten(1).sum(dim=1).double().cpu().numpy()
        slopes = np.empty((len(x), _TIME_LEVELS))
        total = torch.zeros_like(x)
        for k, level in enumerate(grid):
            clean, trace = _with_trace(denoiser, x, math.exp(level), piece.told, probes, weight)
            squared = (clean - x).square() * weight / math.exp(2 * level)
            slopes[:, k] = trace.double().cpu().numpy() - dims + squared.flatten(1).double().sum(dim=1).cpu().numpy()
            total += squared / _TIME_LEVELS
        climbs = (slopes[:, 1:] + slopes[:, :-1]) / 2 * np.diff(grid)
        logs = np.concatenate([np.zeros((len(x), 1)), np.cumsum(climbs, axis=1)], axis=1)  # ln p_sigma(x) + constant
        logs *= _TEMPERED / np.where(dims > 0, dims, np.nan)[:, None]
        belief = np.exp(logs - logs.max(axis=1, keepdims=True))
        belief[:, [0, -1]] /= 2  # trapezoidal rule
        values[rows, 0] = (belief @ grid) / belief.sum(axis=1)
        maps[rows, 0] = by_position(total, weight)
    return Measured(values, maps)


def _with_trace(
    denoiser: AnyDenoiser,
    x: torch.Tensor,
    sigma: float,
    given: Mapping[str, torch.Tensor],
    probes: torch.Tensor,
    weight: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """D(x; sigma), and the trace of its Jacobian over observed positions, `(b,)`, by the probes `(P, C, *S)`."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        clean = denoiser(leaf, leaf.new_full((len(leaf),), sigma), given)
        trace = torch.zeros(len(x), device=x.device)
        for number, probe in enumerate(probes):
            v = probe * weight
            (product,) = torch.autograd.grad((clean * v).sum(), leaf, retain_graph=number + 1 < len(probes))
            trace += (product * v).flatten(1).sum(dim=1) / len(probes)
    return clean.detach(), trace.detach()


def _probes(seed: int, shape: torch.Size, count: int) -> torch.Tensor:
    draws = seeding.generator(seed, "trace-probes").integers(0, 2, size=(count, *shape))
    return torch.from_numpy(2.0 * draws - 1.0).float()
