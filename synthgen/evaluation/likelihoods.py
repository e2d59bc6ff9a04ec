"""Two scores from the density that a denoiser implies: a record's likelihood, and the noise level it seems to carry.

**likelihood** is that of `synthgen.diffusion.likelihood`, along the probability-flow ODE.

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
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen import seeding
from synthgen.diffusion.likelihood import density_and_residual, with_trace
from synthgen.evaluation.measuring import Measured, Setting, by_position, pieces_of

if TYPE_CHECKING:
    from synthgen.api import Batch
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["LIKELIHOOD_EVALUATIONS", "TIME_EVALUATIONS", "likelihood", "time"]

_LOWEST, _HIGHEST = 0.1, 20.0  # in units of sigma_data
_ODE_STEPS = 12
_TIME_LEVELS, _PROBES = 12, 2
_TEMPERED = 8.0

LIKELIHOOD_EVALUATIONS = 4 * _ODE_STEPS
TIME_EVALUATIONS = (1 + _PROBES) * _TIME_LEVELS


def likelihood(
    denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting
) -> Measured:
    """-ln p(x) for each observed value."""
    values = np.empty((len(batch.x), 1))
    maps = np.empty((len(batch.x), 1, *batch.x.shape[2:]), dtype=np.float32)
    for piece in pieces_of(denoiser, batch, told, records=setting.batch_size):
        log_density, residual = density_and_residual(
            denoiser,
            piece.x,
            piece.told,
            probes=_probes(setting.seed, piece.x.shape[1:], 1).to(piece.x),
            sigma_min=_LOWEST * setting.sigma_data,
            sigma_max=_HIGHEST * setting.sigma_data,
            sigma_data=setting.sigma_data,
            steps=_ODE_STEPS,
            weight=piece.weight,
        )
        observed = piece.weight.flatten(1).sum(dim=1)
        values[piece.rows, 0] = (-log_density / observed).double().cpu().numpy()
        maps[piece.rows, 0] = by_position(residual.square() * piece.weight, piece.weight)
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
            clean, trace = with_trace(denoiser, x, math.exp(level), piece.told, probes, weight)
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


def _probes(seed: int, shape: torch.Size, count: int) -> torch.Tensor:
    """Signs `(count, 1, *shape)`, the same for every record."""
    draws = seeding.generator(seed, "trace-probes").integers(0, 2, size=(count, *shape))
    return torch.from_numpy(2.0 * draws - 1.0).float()[:, None]
