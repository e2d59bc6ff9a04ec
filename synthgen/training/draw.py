"""Where batches come from, a batch with all its random numbers, and the loss of one part as a single module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from synthgen.api import Batch
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.loss import DenoisingLoss

__all__ = ["Draw", "Objective", "TrainingData"]


class TrainingData(Protocol):
    """What a trainer draws its batches from."""

    def __len__(self) -> int: ...

    def step(self, samples_seen: int, batch_size: int, progress: float) -> Batch:
        """The batch of the step that comes after `samples_seen` records, at this share of training."""
        ...


@dataclass(frozen=True)
class Draw:
    """A batch with everything random about it, on the CPU."""

    x: Tensor
    sigma: Tensor
    noise: Tensor
    observed: Tensor | None
    conditions: Mapping[str, Tensor]

    def parts(self, count: int) -> Iterator[Draw]:
        """At most `count` parts of as equal a size as possible."""
        for rows in torch.arange(len(self.x)).tensor_split(min(count, len(self.x))):
            yield self.rows(rows)

    def rows(self, rows: slice | Tensor) -> Draw:
        """Some of the batch."""
        return Draw(
            self.x[rows],
            self.sigma[rows],
            self.noise[rows],
            None if self.observed is None else self.observed[rows],
            {name: values[rows] for name, values in self.conditions.items()},
        )


class Objective(nn.Module):
    """Everything that is trained, as one module: what several processes keep in step."""

    def __init__(self, denoiser: Denoiser, loss: DenoisingLoss) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.loss = loss

    def forward(self, part: Draw, device: torch.device) -> tuple[Tensor, Tensor]:
        """See `DenoisingLoss.forward`."""
        loss: tuple[Tensor, Tensor] = self.loss(
            self.denoiser,
            part.x.to(device),
            part.sigma.to(device),
            part.noise.to(device),
            None if part.observed is None else part.observed.to(device),
            {name: values.to(device) for name, values in part.conditions.items()},
        )
        return loss
