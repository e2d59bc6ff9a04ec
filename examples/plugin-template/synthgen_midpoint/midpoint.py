"""The explicit midpoint rule for dx/dsigma = (x - D)/sigma, with the midpoint taken in ln sigma."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from synthgen.diffusion.samplers import Sampler

__all__ = ["MIDPOINT"]


def _solve(
    denoiser: Callable[..., Tensor],
    x: Tensor,  # (B, C, *spatial): standard normal noise times sigmas[0]
    sigmas: Tensor,  # (steps + 1,), descending to 0
    *,
    conditions: Mapping[str, Tensor],
    noise: object = None,
    order: int = 2,
) -> Tensor:
    def slope(at: Tensor, sigma: float) -> Tensor:
        return (at - denoiser(at, at.new_full((len(at),), sigma), conditions)) / sigma

    for sigma, lower in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        first = slope(x, sigma)
        if lower == 0:  # the last step ends at D itself
            return x - sigma * first
        middle = (sigma * lower) ** 0.5
        x = x + (lower - sigma) * slope(x + (middle - sigma) * first, middle)
    return x


MIDPOINT = Sampler(_solve, steps=lambda evaluations: max(1, (evaluations + 1) // 2))
"""Two network evaluations a step, one in the last."""
