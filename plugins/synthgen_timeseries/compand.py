"""Room for calm series beside lively ones: where a channel needs it, asinh instead of a straight line.

When some classes rest while others swing (an accelerometer: standing, running), a linear scale leaves the calm ones a
few hundredths of a standard deviation, less than a network's error, and they come out visibly rough. `asinh(z / s)` is
linear up to the softness s and logarithmic beyond, so it spreads what is near the centre and keeps the order of all.

Beyond s its inverse makes a relative error of an absolute one: with s at twice the calm series' size, the peaks of the
lively ones came out up to four times too high (BasicMotions, gyroscope). At fifteen times they do not, and the calm
ones are still better off than on a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Companding", "channel_bend"]

_CALM = 0.3  # root mean square about the centre, in deviations, below which a series is calm
_CALM_SHARE = 0.1  # of the series that must be calm
_LEVELS = 0.5  # deviation of the series' own means above which calm only means: near the centre by chance
_SOFT = 15.0  # softness, in sizes of a calm series
_SOFTEST = 0.3


@dataclass(frozen=True)
class Companding:
    """For each channel: x = (f((v - centre) / spread) - shift) / scale, f(z) = asinh(z / soft), or z where soft is 0.

    All are float64 `(C,)`.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    soft: NDArray[np.float64]
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def forward(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(N, C, L)` values to mean 0 and deviation 1."""
        z = (values - self.centre[:, None]) / self.spread[:, None]
        soft = np.where(self.soft > 0, self.soft, 1.0)[:, None]
        bent = np.where(self.soft[:, None] > 0, np.arcsinh(z / soft), z)
        return np.asarray((bent - self.shift[:, None]) / self.scale[:, None])

    def backward(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of `forward`."""
        bent = x * self.scale[:, None] + self.shift[:, None]
        soft = np.where(self.soft > 0, self.soft, 1.0)[:, None]
        z = np.where(self.soft[:, None] > 0, soft * np.sinh(np.clip(bent, -30, 30)), bent)
        return np.asarray(z * self.spread[:, None] + self.centre[:, None])


def channel_bend(values: NDArray[np.float64], mean: float, std: float) -> tuple[float, float, float, float, float]:
    """Decide for one channel: centre, spread, soft, shift, scale, from `(N, L)` with NaN where nothing is known.

    Without a reason the scale stays linear.
    """
    linear = (mean, std, 0.0, 0.0, 1.0)
    known = ~np.isnan(values)
    rows = known.any(axis=1)
    if rows.sum() < 1 / _CALM_SHARE:
        return linear
    centre = float(np.median(values[known]))
    z = (values[rows] - centre) / std
    size = np.sqrt(np.nanmean(z**2, axis=1))
    calm = float(np.quantile(size, _CALM_SHARE))
    if calm > _CALM or float(np.nanmean(z, axis=1).std()) > _LEVELS:
        return linear
    soft = max(_SOFT * calm, _SOFTEST)
    bent = np.arcsinh(z[~np.isnan(z)] / soft)
    return (centre, std, soft, float(bent.mean()), float(bent.std()) or 1.0)
