"""Signs of trouble in single steps: how unusual a gradient's norm is, as a z-score of its logarithm.

    z = (ln |g| - m) / s        m, s: running mean and standard deviation of ln |g| over about a hundred steps

Norms fall over orders of magnitude in training, and their logarithm is near normal. Clipping keeps one spike harmless;
many of them say that the learning rate is too high, or that some records are not like the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["GradientWatch"]

_MEMORY = 0.98
_AFTER = 100
_SPIKE = 8.0
_SMALLEST_SPREAD = 0.1


@dataclass
class GradientWatch:
    """Running statistics of the gradient norm; all fields belong into a checkpoint.

    Args:
        mean, variance: of ln |g|.
        steps: taken in.
        spikes: steps whose z-score was above 8.
        largest: the largest z-score, after the first hundred steps.
    """

    mean: float = 0.0
    variance: float = 0.0
    steps: int = 0
    spikes: int = 0
    largest: float = 0.0

    def z(self, norm: float) -> float:
        """Take in a finite norm; its z-score against the steps before it, 0 in the first hundred steps."""
        value = math.log(max(norm, 1e-30))
        deviation = value - self.mean
        score = deviation / max(math.sqrt(self.variance), _SMALLEST_SPREAD) if self.steps >= _AFTER else 0.0
        if score > _SPIKE:
            self.spikes += 1
        self.largest = max(self.largest, score)
        keep = min(_MEMORY, self.steps / (self.steps + 1))
        self.mean += (1 - keep) * deviation
        self.variance = keep * (self.variance + (1 - keep) * deviation**2)
        self.steps += 1
        return score

    def is_spike(self, score: float) -> bool:
        """Whether a z-score is worth a word."""
        return score > _SPIKE
