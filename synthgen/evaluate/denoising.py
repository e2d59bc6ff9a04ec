"""How well the model restores a record from noise: the raw material of anomaly and membership scores.

    e[i, k] = mean over r of || D(x_i + sigma_k n_r; sigma_k, c) - x_i ||^2 / dim

A record of the kind that the model was trained on is restored well at every noise level; small sigma probes texture,
large sigma the layout. The noises `n_r` are the same for every record and come in antithetic pairs (n, -n), so that
records differ by what they are and not by the luck of their noise. Everything is batched, nothing sequential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from synthgen import seeding
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Batch, Schema
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["ScoringCondition", "antithetic_noises", "conditional_errors", "denoising_errors", "noise_levels"]

ScoringCondition = Literal["null", "label", "best"]
"""What the model is told about a record while it is scored: nothing, its label, or the class that explains it best."""


def noise_levels(sigma_data: float, *, levels: int = 8, low: float = 0.1, high: float = 2.5) -> tuple[float, ...]:
    """Log-spaced noise levels from `low` to `high` times the data's standard deviation."""
    return tuple(float(sigma) for sigma in np.geomspace(low * sigma_data, high * sigma_data, levels))


def antithetic_noises(seed: int, level: int, repeats: int, shape: Sequence[int]) -> torch.Tensor:
    """The noises of one level, `(repeats, *shape)`: `repeats / 2` draws and their negatives.

    Raises:
        UsageError: `repeats` is odd or below 2.
    """
    if repeats < 2 or repeats % 2:
        raise UsageError(f"noises come in antithetic pairs: repeats must be even and at least 2, not {repeats}")
    half = torch.from_numpy(seeding.standard_normal(seed, "anomaly", range(repeats // 2), shape, step=level))
    return torch.cat([half, -half])


@torch.no_grad()
def denoising_errors(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    *,
    seed: int,
    repeats: int = 4,
    batch_size: int = 256,
    conditions: Mapping[str, torch.Tensor] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Denoising errors of N records at K noise levels, with where they are.

    Args:
        denoiser: `D(x (B, C, *S), sigma (B,), conditions) -> (B, C, *S)`; a module on its own device or any function.
        batch: N encoded records; `batch.observed` weighs positions, `batch.conditions` is not used.
        sigmas: K noise levels.
        seed: of the noises; the same seed gives every record, in every call, the same noises.
        repeats: noises a level, even.
        batch_size: rows of one network call.
        conditions: name -> tensor with N rows; a missing name, and None, is the learned null.

    Returns:
        Errors `(N, K)`, the mean squared residual over observed positions, and maps `(N, K, *S)`, the same over
        channels only. A record without any observed position has NaN errors; a position without any has zero.
    """
    parameter = next(denoiser.parameters(), None) if isinstance(denoiser, torch.nn.Module) else None
    device = batch.x.device if parameter is None else parameter.device
    n, spatial = len(batch.x), tuple(batch.x.shape[2:])
    errors = np.empty((n, len(sigmas)))
    maps = np.empty((n, len(sigmas), *spatial), dtype=np.float32)
    noises = [antithetic_noises(seed, k, repeats, batch.x.shape[1:]).to(device) for k in range(len(sigmas))]
    step = max(1, batch_size // repeats)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        x = batch.x[rows].to(device, torch.float32)  # (b, C, *S)
        weight = torch.ones_like(x) if batch.observed is None else batch.observed[rows].to(device, torch.float32)
        told = {
            name: value[rows].to(device).repeat_interleave(repeats, dim=0) for name, value in (conditions or {}).items()
        }
        for k, sigma in enumerate(sigmas):
            noisy = (x.unsqueeze(1) + sigma * noises[k]).flatten(0, 1)  # (b * R, C, *S)
            clean = denoiser(noisy, torch.full((len(noisy),), float(sigma), device=device), told)
            squared = (clean.reshape(len(x), repeats, *x.shape[1:]) - x.unsqueeze(1)).square().mean(dim=1) * weight
            total = squared.flatten(1).double().sum(dim=1) / weight.flatten(1).double().sum(dim=1)
            errors[rows, k] = total.cpu().numpy()
            maps[rows, k] = (squared.sum(dim=1) / weight.sum(dim=1).clamp_min(1e-12)).cpu().numpy()
    return errors, maps


def conditional_errors(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    schema: Schema,
    *,
    condition: ScoringCondition,
    seed: int,
    repeats: int = 4,
    batch_size: int = 256,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """`denoising_errors` with the model told what `condition` says.

    `"best"` gives each record the class under which the geometric mean of its errors is smallest: an anomaly is what no
    class explains. It costs as many passes as there are classes. Without classes it is the same as `"null"`.
    """

    def errors_given(conditions: Mapping[str, torch.Tensor] | None) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        return denoising_errors(
            denoiser, batch, sigmas, seed=seed, repeats=repeats, batch_size=batch_size, conditions=conditions
        )

    classes = [item for item in schema.conditions if item.kind == "class"]
    if condition == "null" or not classes:
        return errors_given(None)
    if condition == "label":
        return errors_given(batch.conditions)
    errors, maps = errors_given({classes[0].name: torch.zeros(len(batch.x), dtype=torch.int64)})
    for index in range(1, classes[0].size):
        other, other_maps = errors_given({classes[0].name: torch.full((len(batch.x),), index, dtype=torch.int64)})
        better = np.log(other).mean(axis=1) < np.log(errors).mean(axis=1)
        errors[better], maps[better] = other[better], other_maps[better]
    return errors, maps
