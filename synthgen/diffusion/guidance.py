"""Classifier-free guidance as a denoiser that wraps a denoiser, and the null conditions that it lives on.

    D_w(x; sigma, c) = D(x; sigma, null) + w (D(x; sigma, c) - D(x; sigma, null))

w = 1 is no guidance, w = 0 ignores the condition, w > 1 trades diversity for typical examples. Acting only for noise
levels inside an interval keeps diversity at high noise and saves evaluations. A network can answer for the null
condition because training drops each condition now and then.

Sources: Ho & Salimans 2022, "Classifier-free diffusion guidance", arXiv:2207.12598; Kynkäänniemi et al. 2024, "Applying
guidance in a limited interval improves sample and distribution quality in diffusion models", arXiv:2404.07724.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from synthgen.api import Condition
from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["Guided", "drop", "null"]


def null(conditions: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same conditions with every row replaced by the null: -1 for classes, NaN for vectors."""
    return {
        name: torch.full_like(value, math.nan if value.is_floating_point() else -1)
        for name, value in conditions.items()
    }


def drop(conditions: Mapping[str, Tensor], specs: Iterable[Condition], generator: torch.Generator) -> dict[str, Tensor]:
    """The conditions with each row of each turned to null with the probability `Condition.dropout`, independently.

    Args:
        conditions: name -> `(B,)` classes or `(B, size)` vectors; names that no spec knows pass unchanged.
        specs: the schema's conditions.
        generator: source of the draws.
    """
    rate = {spec.name: spec.dropout for spec in specs}
    dropped = {}
    for name, value in conditions.items():
        draws = torch.rand(len(value), generator=generator, device=generator.device).to(value.device)
        lost = (draws < rate.get(name, 0.0)).reshape(-1, *[1] * (value.ndim - 1))
        dropped[name] = torch.where(lost, math.nan if value.is_floating_point() else -1, value)
    return dropped


class Guided(nn.Module):
    """Guides a denoiser towards its conditions; samplers use it like any other denoiser.

    Args:
        denoiser: trained with condition dropout.
        weight: w above; 1 is no guidance.
        interval: `(low, high)`: guidance acts only where low <= sigma <= high; None: everywhere. Outside it the null
            half is not evaluated.
    """

    def __init__(self, denoiser: AnyDenoiser, weight: float, interval: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.weight = weight
        self.interval = (0.0, math.inf) if interval is None else interval

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The guided estimate of the clean x, `(B, C, *spatial)`; both halves in one call of the denoiser."""
        low, high = self.interval
        inside = ((sigma >= low) & (sigma <= high)).nonzero().flatten()  # (G,) rows that are guided
        if self.weight == 1 or not conditions or len(inside) == 0:
            return self.denoiser(x, sigma, conditions)
        without = null({name: value[inside] for name, value in conditions.items()})
        both = self.denoiser(
            torch.cat([x, x[inside]]),
            torch.cat([sigma, sigma[inside]]),
            {name: torch.cat([value, without[name]]) for name, value in conditions.items()},
        )
        conditional, unconditional = both[: len(x)], both[len(x) :]
        guided = unconditional + self.weight * (conditional[inside] - unconditional)
        return conditional.index_copy(0, inside, guided)
