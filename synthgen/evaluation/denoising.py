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

    from synthgen.api import Batch, Condition, Schema
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = [
    "ScoringCondition",
    "antithetic_noises",
    "conditional_errors",
    "denoising_errors",
    "likeliest_class",
    "noise_levels",
]

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

    `"best"` first finds, for each record, the class that explains it best (`likeliest_class`) and then measures the
    errors given that class: an anomaly is what no class explains. Without classes it is the same as `"null"`.
    """
    classes = [item for item in schema.conditions if item.kind == "class"]
    told: Mapping[str, torch.Tensor] | None = None
    if classes and condition == "label":
        told = batch.conditions
    elif classes and condition == "best":
        told = {classes[0].name: likeliest_class(denoiser, batch, sigmas, classes[0], seed=seed, batch_size=batch_size)}
    return denoising_errors(denoiser, batch, sigmas, seed=seed, repeats=repeats, batch_size=batch_size, conditions=told)


def likeliest_class(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    classes: Condition,
    *,
    seed: int,
    batch_size: int = 256,
) -> torch.Tensor:
    """The class under which the geometric mean of a record's errors is smallest, int64 `(N,)`.

    Three of the noise levels and one antithetic pair tell classes apart well enough (a diffusion classifier; Li et
    al. 2023, "Your diffusion model is secretly a zero-shot classifier"): six evaluations a class.
    """
    some = [sigmas[len(sigmas) // 4], sigmas[len(sigmas) // 2], sigmas[3 * len(sigmas) // 4]]
    error = np.empty((classes.size, len(batch.x)))
    for index in range(classes.size):
        told = {classes.name: torch.full((len(batch.x),), index, dtype=torch.int64)}
        errors, _ = denoising_errors(
            denoiser, batch, some, seed=seed, repeats=2, batch_size=batch_size, conditions=told
        )
        error[index] = np.log(np.maximum(errors, 1e-12)).mean(axis=1)
    return torch.from_numpy(error.argmin(axis=0))
