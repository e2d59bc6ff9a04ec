"""The explicit midpoint rule for dx/dsigma = (x - D)/sigma, with the midpoint taken in ln sigma."""

from __future__ import annotations

from torch import Tensor

from synthgen.diffusion.samplers import Sampler, Task

__all__ = ["MIDPOINT"]


def _solve(task: Task) -> Tensor:
    x = task.x  # (B, C, *spatial): standard normal noise times the first noise level
    for sigma, lower in task.steps():
        first = (x - task.clean(x, sigma)) / sigma  # one network evaluation
        if lower == 0:  # the last step ends at D itself
            return x - sigma * first
        middle = (sigma * lower) ** 0.5
        halfway = x + (middle - sigma) * first
        x = x + (lower - sigma) * (halfway - task.clean(halfway, middle)) / middle
    return x


MIDPOINT = Sampler(_solve, steps=lambda evaluations, settings: max(1, (evaluations + 1) // 2))
"""Two network evaluations a step, one in the last."""
