"""How well the model restores a record from noise: the raw material of anomaly and membership scores.

    e[i, k] = mean over r of || D(x_i + sigma_k n_r; sigma_k, c) - x_i ||^2 / dim

A record of the kind that the model was trained on is restored well at every noise level; small sigma probes texture,
large sigma the layout. The noises `n_r` are the same for every record and come in antithetic pairs (n, -n), so that
records differ by what they are and not by the luck of their noise; and they are orthogonal to one another over all
levels (Yu et al. 2016, arXiv:1610.09072), so that few of them look in as many directions as there can be. Everything is
batched, nothing sequential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    "Restoration",
    "ScoringCondition",
    "antithetic_noises",
    "class_errors",
    "conditional_errors",
    "denoising_errors",
    "device_of",
    "likeliest_class",
    "noise_levels",
    "orthogonal_noises",
    "restore",
    "told",
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


def orthogonal_noises(seed: int, levels: int, repeats: int, shape: Sequence[int]) -> torch.Tensor:
    """The noises of all levels, `(levels, repeats, *shape)`: antithetic pairs, orthogonal but for the pairs.

    Each is normally distributed by itself: its direction is uniform, its length that of a normal draw. Of records with
    fewer values than there are pairs, only so many in a row are orthogonal as there are values.

    Raises:
        UsageError: as `antithetic_noises`.
    """
    drawn = torch.stack([antithetic_noises(seed, k, repeats, shape)[: repeats // 2] for k in range(levels)])
    rows = drawn.flatten(0, 1).flatten(1).double().numpy()  # (levels * repeats / 2, D)
    turned = np.empty_like(rows)
    for start in range(0, len(rows), rows.shape[1]):
        basis, triangle = np.linalg.qr(rows[start : start + rows.shape[1]].T)
        turned[start : start + rows.shape[1]] = (basis * np.sign(np.diag(triangle))).T
    turned *= np.linalg.norm(rows, axis=1, keepdims=True)
    half = torch.from_numpy(turned.astype(np.float32)).reshape(drawn.shape)
    return torch.cat([half, -half], dim=1)


@dataclass(frozen=True)
class Restoration:
    """How N records were restored at K noise levels."""

    errors: NDArray[np.float64]
    """(N, K) mean squared residual over observed positions; NaN for a record without any."""
    maps: NDArray[np.float32]
    """(N, K, *S) mean over channels; 0 at a position without any observed value."""
    channels: NDArray[np.float32]
    """(N, K, C) mean over positions; 0 for a channel without any observed value."""
    cells: NDArray[np.float32] | None = None
    """(N, K, C, *S) squared residuals, 0 where nothing is observed; where asked for."""


@torch.no_grad()
def restore(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    *,
    seed: int,
    repeats: int = 4,
    batch_size: int = 256,
    conditions: Mapping[str, torch.Tensor] | None = None,
    cells: bool = False,
) -> Restoration:
    """Denoising errors of N records at K noise levels, with where they are; levels and noises share the network calls.

    Args:
        denoiser: `D(x (B, C, *S), sigma (B,), conditions) -> (B, C, *S)`; a module on its own device or any function.
        batch: N encoded records; `batch.observed` weighs positions, `batch.conditions` is not used.
        sigmas: K noise levels.
        seed: of the noises; the same seed gives every record, in every call, the same noises.
        repeats: noises a level, even; `len(sigmas) * repeats` evaluations a record.
        batch_size: rows of one network call.
        conditions: name -> tensor with N rows; a missing name, and None, is the learned null.
        cells: keep the residual of every value.
    """
    device = device_of(denoiser, batch.x)
    n, channels, spatial = len(batch.x), batch.x.shape[1], tuple(batch.x.shape[2:])
    levels = len(sigmas)
    errors = np.empty((n, levels))
    maps = np.empty((n, levels, *spatial), dtype=np.float32)
    by_channel = np.empty((n, levels, channels), dtype=np.float32)
    kept = np.empty((n, levels, channels, *spatial), dtype=np.float32) if cells else None
    noises = orthogonal_noises(seed, levels, repeats, batch.x.shape[1:]).to(device)
    scale = torch.tensor([float(sigma) for sigma in sigmas], device=device)  # (K,)
    scaled = scale.reshape(-1, *[1] * (noises.ndim - 1)) * noises  # (K, R, C, *S)
    together = max(1, min(levels, batch_size // repeats))  # levels that one call holds of a record
    step = max(1, batch_size // (repeats * together))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        x = batch.x[rows].to(device, torch.float32)  # (b, C, *S)
        weight = torch.ones_like(x) if batch.observed is None else batch.observed[rows].to(device, torch.float32)
        for first in range(0, levels, together):
            some = slice(first, min(first + together, levels))
            k = some.stop - some.start
            noisy = (x[:, None, None] + scaled[some]).flatten(0, 2)  # (b * k * R, C, *S)
            sigma = scale[some].repeat_interleave(repeats).repeat(len(x))
            told = {
                name: value[rows].to(device).repeat_interleave(k * repeats, dim=0)
                for name, value in (conditions or {}).items()
            }
            clean = denoiser(noisy, sigma, told).reshape(len(x), k, repeats, *x.shape[1:])
            squared = (clean - x[:, None, None]).square().mean(dim=2) * weight[:, None]  # (b, k, C, *S)
            if kept is not None:
                kept[rows, some] = squared.cpu().numpy()
            flat, counted = squared.flatten(3), weight[:, None].flatten(3)
            errors[rows, some] = (flat.double().sum((2, 3)) / counted.double().sum((2, 3))).cpu().numpy()
            maps[rows, some] = (squared.sum(dim=2) / weight[:, None].sum(dim=2).clamp_min(1e-12)).cpu().numpy()
            by_channel[rows, some] = (flat.sum(dim=3) / counted.sum(dim=3).clamp_min(1e-12)).cpu().numpy()
    return Restoration(errors, maps, by_channel, kept)


def device_of(denoiser: AnyDenoiser, x: torch.Tensor) -> torch.device:
    """Where a denoiser that is a module lives; that of x for any other function."""
    parameter = next(denoiser.parameters(), None) if isinstance(denoiser, torch.nn.Module) else None
    return x.device if parameter is None else parameter.device


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
    """Errors `(N, K)` and maps `(N, K, *S)` of `restore`, which has the arguments."""
    found = restore(denoiser, batch, sigmas, seed=seed, repeats=repeats, batch_size=batch_size, conditions=conditions)
    return found.errors, found.maps


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
    """`denoising_errors` with the model told what `condition` says, see `told`."""
    conditions = told(denoiser, batch, sigmas, schema, condition=condition, seed=seed, batch_size=batch_size)
    return denoising_errors(
        denoiser, batch, sigmas, seed=seed, repeats=repeats, batch_size=batch_size, conditions=conditions
    )


def told(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    schema: Schema,
    *,
    condition: ScoringCondition,
    seed: int,
    batch_size: int = 256,
    beside: Mapping[str, torch.Tensor] | None = None,
) -> Mapping[str, torch.Tensor] | None:
    """What the model is told about each record; `beside` is told in any case.

    `"best"` finds, for each record, the class that explains it best (`likeliest_class`): an anomaly is then what no
    class explains. Without classes it is the same as `"null"`.
    """
    classes = [item for item in schema.conditions if item.kind == "class" and item.name == "label"]
    if classes and condition == "label":
        return {**batch.conditions, **(beside or {})}
    if classes and condition == "best":
        best = likeliest_class(denoiser, batch, sigmas, classes[0], seed=seed, batch_size=batch_size, beside=beside)
        return {classes[0].name: best, **(beside or {})}
    return beside


def class_errors(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    classes: Condition,
    *,
    seed: int,
    batch_size: int = 256,
    beside: Mapping[str, torch.Tensor] | None = None,
) -> NDArray[np.float64]:
    """Mean log error of each record under each class, `(N, classes)`: the smaller, the better the class explains it.

    Three of the noise levels and one antithetic pair tell classes apart well enough (a diffusion classifier; Li et
    al. 2023, "Your diffusion model is secretly a zero-shot classifier"): six evaluations a class.
    """
    some = [sigmas[len(sigmas) // 4], sigmas[len(sigmas) // 2], sigmas[3 * len(sigmas) // 4]]
    error = np.empty((len(batch.x), classes.size))
    for index in range(classes.size):
        given = {classes.name: torch.full((len(batch.x),), index, dtype=torch.int64), **(beside or {})}
        errors, _ = denoising_errors(
            denoiser, batch, some, seed=seed, repeats=2, batch_size=batch_size, conditions=given
        )
        error[:, index] = np.log(np.maximum(errors, 1e-12)).mean(axis=1)
    return error


def likeliest_class(
    denoiser: AnyDenoiser,
    batch: Batch,
    sigmas: Sequence[float],
    classes: Condition,
    *,
    seed: int,
    batch_size: int = 256,
    beside: Mapping[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """The class with the smallest of `class_errors`, int64 `(N,)`."""
    errors = class_errors(denoiser, batch, sigmas, classes, seed=seed, batch_size=batch_size, beside=beside)
    return torch.from_numpy(np.where(np.isnan(errors), np.inf, errors).argmin(axis=1))
