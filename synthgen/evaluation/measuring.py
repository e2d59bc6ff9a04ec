"""What every family of anomaly scores shares: its setting, its result, and the way through the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen.evaluation.denoising import device_of, noise_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Batch
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["Measure", "Measured", "Piece", "Setting", "by_position", "log_mean", "pieces_of"]

_TINY = 1e-12


@dataclass(frozen=True)
class Setting:
    """What a family needs to know beside the model and the records.

    Args:
        sigma_data: standard deviation of the encoded data.
        low, high: lowest and highest noise level, in units of `sigma_data`.
        levels, repeats: noise levels, and noises at each, of the families that use them.
        seed: of noises and probes.
        batch_size: rows of one network call.
    """

    sigma_data: float
    low: float
    high: float
    levels: int = 8
    repeats: int = 4
    seed: int = 0
    batch_size: int = 256

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels."""
        return noise_levels(self.sigma_data, levels=self.levels, low=self.low, high=self.high)


@dataclass(frozen=True)
class Measured:
    """What a family measured on N records."""

    values: NDArray[np.float64]
    """(N, K); NaN for a record with nothing observed. Each column is standardised by itself."""
    maps: NDArray[np.float32]
    """(N, M, *S) where it is odd, in M views."""


Measure = Callable[["AnyDenoiser", "Batch", "Mapping[str, torch.Tensor] | None", Setting], Measured]


@dataclass(frozen=True)
class Piece:
    """Some records on the denoiser's device."""

    rows: slice
    x: torch.Tensor
    """(b, C, *S)"""
    weight: torch.Tensor
    """(b, C, *S), 0 where the value is missing"""
    told: Mapping[str, torch.Tensor]


def pieces_of(
    denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, *, records: int
) -> Iterator[Piece]:
    """The records of a batch, at most so many at a time; `told` has a row for each."""
    device, step = device_of(denoiser, batch.x), max(1, records)
    for start in range(0, len(batch.x), step):
        rows = slice(start, start + step)
        x = batch.x[rows].to(device, torch.float32)
        weight = torch.ones_like(x) if batch.observed is None else batch.observed[rows].to(device, torch.float32)
        yield Piece(rows, x, weight, {name: value[rows].to(device) for name, value in (told or {}).items()})


def log_mean(squared: torch.Tensor, weight: torch.Tensor) -> NDArray[np.float64]:
    """ln of the mean over observed positions, `(b,)`; NaN where nothing is observed."""
    mean = squared.flatten(1).double().sum(dim=1) / weight.flatten(1).double().sum(dim=1)
    return np.asarray(mean.clamp_min(_TINY).log().cpu().numpy(), dtype=np.float64)


def by_position(squared: torch.Tensor, weight: torch.Tensor) -> NDArray[np.float32]:
    """Mean over observed channels, `(b, *S)`."""
    return np.asarray((squared.sum(dim=1) / weight.sum(dim=1).clamp_min(_TINY)).cpu().numpy(), dtype=np.float32)
