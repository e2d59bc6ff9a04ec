"""Reconstruction from partial noise: a record is noised part of the way and brought back step by step.

    x_hat = ODE(x + sigma n, from sigma to 0)            e = mean || x_hat - x ||^2

What the model has never seen does not survive the way back. Three starting levels, an antithetic pair of noises each,
five DDIM steps from each: 30 evaluations. With simplex noise, whose patches are larger than a pixel, the way back
also removes anomalies that are smooth (Wyatt et al. 2022, "AnoDDPM: anomaly detection with denoising diffusion
probabilistic models using simplex noise").
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen.evaluation.denoising import antithetic_noises
from synthgen.evaluation.measuring import Measure, Measured, Setting, by_position, log_mean, pieces_of
from synthgen.evaluation.simplex import simplex_noise

if TYPE_CHECKING:
    from synthgen.api import Batch
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["RECONSTRUCTION_EVALUATIONS", "reconstruction"]

_STARTS, _START_LEVELS, _STEPS = 3, (0.5, 2.0), 5  # levels in units of sigma_data

RECONSTRUCTION_EVALUATIONS = 2 * _STARTS * _STEPS


def reconstruction(*, simplex: bool) -> Measure:
    """The measurement with Gaussian or with simplex noise."""

    @torch.no_grad()
    def measure(
        denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting
    ) -> Measured:
        starts = [setting.sigma_data * level for level in np.geomspace(*_START_LEVELS, _STARTS)]
        shape = tuple(batch.x.shape[1:])
        values = np.empty((len(batch.x), _STARTS))
        maps = np.empty((len(batch.x), _STARTS, *shape[1:]), dtype=np.float32)
        for piece in pieces_of(denoiser, batch, told, records=setting.batch_size // 2):
            rows, x, weight = piece.rows, piece.x, piece.weight
            both = {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in piece.told.items()}
            for k, start in enumerate(starts):
                if simplex:
                    field = torch.from_numpy(simplex_noise(setting.seed, shape, index=k))
                    noise = torch.stack([field, -field]).to(x)
                else:
                    noise = antithetic_noises(setting.seed, k, 2, shape).to(x)
                state = (x[None] + start * noise[:, None]).flatten(0, 1)  # (2 b, C, *S)
                sigmas = [*np.geomspace(start, 0.1 * start, _STEPS), 0.0]
                for sigma, lower in pairwise(sigmas):
                    clean = denoiser(state, state.new_full((len(state),), float(sigma)), both)
                    state = clean + float(lower / sigma) * (state - clean)
                squared = (state.reshape(2, *x.shape) - x).square().mean(dim=0) * weight  # (b, C, *S)
                values[rows, k] = log_mean(squared, weight)
                maps[rows, k] = by_position(squared, weight)
        return Measured(values, maps)

    return measure
