"""Watching a run: held-out loss on fixed noise, the turn at which copying begins, steps that are not finite.

The held-out loss is the EDM-weighted denoising error on records that are never trained on, with the same noise and the
same noise levels each time, so that two values differ by the weights alone. It leaves the training loss, and turns up,
where a model begins to remember its training set (arXiv:2505.16959).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from synthgen.api import Batch
from synthgen.config import NoiseConfig
from synthgen.diffusion.adaptive import AdaptiveDensity
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.diffusion.sigma import grid, sigma_of_quantile, stratified_quantiles
from synthgen.diffusion.weights import LossWeight
from synthgen.distributed import Ranks
from synthgen.seeding import derive_seed
from synthgen.training.encoded import EncodedData

__all__ = ["HeldOut", "HeldOutLoss", "Turn", "adaptive_density", "density_of", "draw_sigma", "noise_profile"]

_BANDS = 4


def density_of(config: NoiseConfig) -> Callable[[Tensor], Tensor]:
    """The training density, as the map from quantiles to noise levels."""
    # The density reaches a little beyond the range that sampling uses.
    return partial(
        sigma_of_quantile,
        config.density,
        mean=config.mean,
        std=config.std,
        sigma_min=config.sigma_min,
        sigma_max=config.sigma_max or 80.0,
    )


def adaptive_density(noise: NoiseConfig) -> AdaptiveDensity:
    """The density that follows the information, before it has seen anything."""
    return AdaptiveDensity(density_of(noise), sigma_min=noise.sigma_min, sigma_max=noise.sigma_max or 80.0)


def draw_sigma(
    config: NoiseConfig,
    count: int,
    generator: torch.Generator,
    *,
    top: float = 1.0,
    density: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Noise levels for a batch, `(count,)`, from the training density.

    Args:
        config: the density.
        count: how many.
        generator: source of the draws.
        top: share of the density that is used, from its highest noise levels down.
        density: instead of the configured one.
    """
    if config.stratified:
        quantiles = stratified_quantiles(count, generator)
    else:
        quantiles = torch.rand(count, generator=generator).clamp(1e-6, 1 - 1e-6)
    quantiles = 1 - top * (1 - quantiles) if top < 1 else quantiles
    return (density or density_of(config))(quantiles)


@dataclass(frozen=True)
class HeldOutLoss:
    """The held-out loss in total, by noise level and by class.

    Args:
        total: over all records and noise levels.
        bands: in each quarter of the noise levels, from low to high.
        classes: by class name; each class has the same mixture of noise levels. Empty without labels.
    """

    total: float
    bands: tuple[float, ...]
    classes: Mapping[str, float]


class HeldOut:
    """Measures the held-out loss.

    Args:
        batch: the records watched.
        noise: the training density.
        seed: of the fixed noise.
        repeats: noise draws a record, so that a small set still gives a steady figure.
        labels: names of the classes in the condition `label`.
    """

    def __init__(
        self, batch: Batch, noise: NoiseConfig, *, seed: int, repeats: int, labels: Sequence[str] = ()
    ) -> None:
        generator = torch.Generator().manual_seed(derive_seed(seed, "held-out"))
        rows = torch.arange(len(batch.x)).repeat(repeats)
        self._x = batch.x[rows]
        self._observed = None if batch.observed is None else batch.observed[rows]
        self._conditions = {name: values[rows] for name, values in batch.conditions.items()}
        self._labels = tuple(labels)
        classes = self._conditions.get("label") if self._labels else None
        self._classes = torch.zeros(len(rows), dtype=torch.int64) if classes is None else classes
        self._sigma = draw_sigma(noise, len(rows), generator).sort().values[_spread(self._classes, generator)]
        self._noise = torch.randn(self._x.shape, generator=generator)
        self._loss = DenoisingLoss(LossWeight("edm", noise.sigma_data), uncertainty=False)

    @torch.no_grad()
    def measure(self, denoiser: Denoiser, device: torch.device, ranks: Ranks | None = None) -> HeldOutLoss:
        """The loss with the weights as they are, without dropout.

        Args:
            denoiser: whole in every process.
            device: where it is.
            ranks: processes that share the work; each learns the whole result.
        """
        ranks = Ranks() if ranks is None else ranks
        was_training = denoiser.training
        denoiser.eval()
        errors = []
        for rows in torch.split(torch.arange(len(self._x))[ranks.rows(len(self._x))], 256):
            _, error = self._loss(
                denoiser,
                self._x[rows].to(device),
                self._sigma[rows].to(device),
                self._noise[rows].to(device),
                None if self._observed is None else self._observed[rows].to(device),
                {name: values[rows].to(device) for name, values in self._conditions.items()},
            )
            errors.append(error.cpu())
        denoiser.train(was_training)
        error = ranks.joined(torch.cat(errors), len(self._x))
        by_noise = error[self._sigma.argsort()]
        return HeldOutLoss(
            float(error.mean()),
            tuple(float(band.mean()) for band in by_noise.chunk(_BANDS)),
            {
                name: float(error[self._classes == index].mean())
                for index, name in enumerate(self._labels)
                if bool((self._classes == index).any())
            },
        )


def _spread(classes: Tensor, generator: torch.Generator) -> Tensor:
    """A rank for each row, `(N,)`, such that the ranks of every class spread evenly over all of them."""
    place = torch.zeros(len(classes), dtype=torch.float64)
    for index in torch.bincount(classes + 1).nonzero().flatten() - 1:  # -1: no class
        rows = (classes == index).nonzero().flatten()
        jitter = torch.rand(len(rows), dtype=torch.float64, generator=generator)
        place[rows] = (torch.randperm(len(rows), generator=generator) + jitter) / len(rows)
    return place.argsort().argsort()


_PROFILE_LEVELS, _PROFILE_RECORDS = 16, 16


@torch.no_grad()
def noise_profile(
    denoiser: Denoiser, data: EncodedData, noise: NoiseConfig, device: torch.device
) -> dict[str, list[float]]:
    """The mean squared error of D on held-out records at evenly spaced ln sigma: `{"sigma": [...], "error": [...]}`."""
    batch = data.sample(_PROFILE_RECORDS)
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(batch.x.shape, generator=generator)
    loss = DenoisingLoss(LossWeight("uniform"), uncertainty=False)
    levels = grid("log", _PROFILE_LEVELS, noise.sigma_min, noise.sigma_max or 80.0)[:-1].flip(0)
    told = {name: values.to(device) for name, values in batch.conditions.items()}
    observed = None if batch.observed is None else batch.observed.to(device)
    denoiser.eval()
    errors = []
    for sigma in levels:
        each = sigma.expand(len(draws)).to(device)
        _, error = loss(denoiser, batch.x.to(device), each, draws.to(device), observed, told)
        errors.append(float(error.mean()))
    return {"sigma": [round(float(sigma), 6) for sigma in levels], "error": errors}


class Turn:
    """Says when the held-out loss has turned up: no new lowest value for a share of training, and clearly above it.

    Args:
        patience: share of the training budget without a new lowest value.
        rise: how far above the lowest value counts as up.
    """

    def __init__(self, *, patience: float = 0.25, rise: float = 0.03) -> None:
        self.patience = patience
        self.rise = rise
        self.lowest = math.inf
        self.lowest_at = 0.0

    def lower(self, loss: float, progress: float) -> bool:
        """Take a value in; whether it is the lowest so far."""
        if loss < self.lowest:
            self.lowest, self.lowest_at = loss, progress
            return True
        return False

    def turned_up(self, loss: float, progress: float) -> bool:
        """Whether training should end here."""
        return progress - self.lowest_at >= self.patience and self.is_up(loss)

    def is_up(self, loss: float) -> bool:
        """Whether a value lies clearly above the lowest."""
        return loss > self.lowest * (1 + self.rise)
