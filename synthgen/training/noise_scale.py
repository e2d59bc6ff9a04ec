"""The gradient noise scale: how many records a step should see before their noise no longer hides the gradient.

With G the true gradient and Sigma the covariance of one record's gradient,

    B_simple = tr(Sigma) / |G|^2

Batches much smaller than B_simple waste steps, much larger ones waste records. From k parts of b records each, with
gradients g_i and mean g,

    S   = (mean |g_i|^2 - |g|^2) / (1/b - 1/(k b))        is an unbiased estimate of tr(Sigma)
    G2  = (k b |g|^2 - b mean |g_i|^2) / (k b - b)        of |G|^2

Both are averaged over measurements before they are divided; later ones count more, since the scale grows in training.

Source: McCandlish et al. 2018, "An empirical model of large-batch training", arXiv:1812.06162, appendix A.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["NoiseScale"]

_MEMORY = 0.7  # weight of the past at each measurement
_FEWEST = 4
_LARGER = 4.0  # a larger batch is worth a word when the noise scale is this many times the batch


@dataclass
class NoiseScale:
    """The running estimate; all fields belong into a checkpoint.

    Args:
        covariance, squared_gradient: running estimates of tr(Sigma) and |G|^2.
        weight: of what they hold; 1 in the long run.
        measurements: how many were taken in.
    """

    covariance: float = 0.0
    squared_gradient: float = 0.0
    weight: float = 0.0
    measurements: int = 0

    def add(self, groups: Sequence[tuple[Sequence[float], float]], part: int) -> None:
        """Take in one measurement, all at the same weights.

        Args:
            groups: for each batch, `|g_i|^2` of its parts and `|g|^2` of their mean.
            part: records in a part.
        """
        covariance = squared = 0.0
        for parts, whole in groups:
            k = len(parts)
            small = sum(parts) / k
            covariance += (small - whole) / (1 / part - 1 / (k * part)) / len(groups)
            squared += (k * whole - small) / (k - 1) / len(groups)
        if not (math.isfinite(covariance) and math.isfinite(squared)):
            return
        self.covariance = _MEMORY * self.covariance + (1 - _MEMORY) * covariance
        self.squared_gradient = _MEMORY * self.squared_gradient + (1 - _MEMORY) * squared
        self.weight = _MEMORY * self.weight + 1 - _MEMORY
        self.measurements += 1

    @property
    def records(self) -> float | None:
        """B_simple in records; None before there are enough measurements, infinity where no gradient stands out."""
        if self.measurements < _FEWEST or self.covariance <= 0:
            return None
        return self.covariance / self.squared_gradient if self.squared_gradient > 0 else math.inf

    @property
    def measured(self) -> float | None:
        """The same as a number that JSON has, or None."""
        scale = self.records
        return scale if scale is not None and math.isfinite(scale) else None

    def sentence(self, batch_size: int) -> str | None:
        """What it means for the batch that was used; None when it is not known."""
        scale = self.records
        if scale is None:
            return None
        if math.isinf(scale):
            about = "the gradient noise scale is too large to measure here"
        else:
            about = f"the gradient noise scale is about {float(f'{scale:.2g}'):,.0f} records"
        if scale < _LARGER * batch_size:
            return f"{about}: a batch larger than {batch_size} would not help"
        return (
            f"{about} and the batch {batch_size}: a larger batch with a higher learning rate would need fewer steps, "
            "for about as many records, which pays where a larger step takes little longer (a GPU)"
        )
