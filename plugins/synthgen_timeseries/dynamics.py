"""How series move: autocorrelation, power spectrum and cross-correlation of a set of series, and distances of these.

All take complete series `(N, C, L)`. Each series is taken about its own mean where its level is not the question, so
that a set whose series differ in level (prices, say) does not hide that nothing moves as it should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Series = NDArray[np.floating[Any]]

__all__ = [
    "autocorrelation",
    "autocorrelation_distance",
    "cross_correlation",
    "cross_correlation_distance",
    "power_spectrum",
    "spectrum_distance",
]

_MOST_LAGS = 64
_CROSS_LAGS = 8
_FAINT = 1e-8  # of the variance; below it a spectrum is rounding


def autocorrelation(x: Series) -> NDArray[np.float64]:
    """`(C, lags)` from lag 0 to half of the series, at most 64: pooled over series, each about its own mean.

    A channel that never moves has autocorrelation 0 from lag 1 on.
    """
    moved = _about_own_mean(x)
    count, steps = len(moved), moved.shape[2]
    lags = np.arange(min(max(steps // 2, 1), _MOST_LAGS, steps - 1) + 1)
    power = np.abs(np.fft.rfft(moved, 2 * steps, axis=2)) ** 2  # padded, so that nothing wraps around
    products = np.fft.irfft(power.sum(axis=0), 2 * steps, axis=1)[:, lags] / (count * (steps - lags))
    return np.asarray(products / np.maximum(products[:, :1], 1e-300))


def autocorrelation_distance(real: Series, synthetic: Series) -> float:
    """Mean absolute difference of the autocorrelations, over channels and lags from 1."""
    difference = np.abs(autocorrelation(real) - autocorrelation(synthetic))[:, 1:]
    return float(difference.mean()) if difference.size else 0.0


def power_spectrum(x: Series, *, faint: float = 0.0) -> NDArray[np.float64]:
    """`(C, L // 2)`: typical power at 1, 2, ... cycles a series, each series about its own mean, Hann window.

    The mean over series is geometric, so that it does not hang on the few series with most power.

    Args:
        x: the series.
        faint: power that is added, so that a series at rest has a logarithm.
    """
    steps = x.shape[2]
    tapered = _about_own_mean(x) * (np.hanning(steps + 2)[1:-1] if steps > 2 else 1.0)
    power = np.abs(np.fft.rfft(tapered, axis=2))[:, :, 1:] ** 2
    return np.asarray(np.exp(np.log(power + max(faint, 1e-300)).mean(axis=0)))


def spectrum_distance(real: Series, synthetic: Series) -> float:
    """Log-spectral distance in decibels: root mean square over frequencies of 10 log10 of the ratio, mean of channels.

    Faint noise that a picture does not show raises the high frequencies, and with them this distance. What lies 80
    decibels below the variance of the real channel counts as nothing.
    """
    if real.shape[2] < 2:
        return 0.0
    apart = []
    for channel in range(real.shape[1]):
        ours, theirs = synthetic[:, [channel]], real[:, [channel]]
        faint = max(_FAINT * real.shape[2] * float(_about_own_mean(theirs).var()), 1e-300)
        decibels = 10 * np.log10(power_spectrum(ours, faint=faint) / power_spectrum(theirs, faint=faint))
        apart.append(np.sqrt((decibels**2).mean()))
    return float(np.mean(apart))


def cross_correlation(x: Series) -> NDArray[np.float64]:
    """`(lags, C, C)`: of channel i at t with channel j at t + lag, over all series and steps, lag from 0."""
    centred = np.asarray(x, dtype=np.float64) - x.mean(axis=(0, 2), keepdims=True, dtype=np.float64)
    z = centred / np.maximum(centred.std(axis=(0, 2), keepdims=True), 1e-12)
    steps = z.shape[2]
    found = []
    for lag in range(min(_CROSS_LAGS, max(steps // 4, 0)) + 1):
        early, late = _rows(z[:, :, : steps - lag]), _rows(z[:, :, lag:])
        found.append(early @ late.T / early.shape[1])
    return np.stack(found)


def cross_correlation_distance(real: Series, synthetic: Series) -> float:
    """Mean absolute difference of the correlations of different channels, over ordered pairs and lags from 0 to 8."""
    difference = np.abs(cross_correlation(real) - cross_correlation(synthetic))
    pairs = ~np.eye(difference.shape[1], dtype=bool)
    return float(difference[:, pairs].mean()) if pairs.any() else 0.0


def _about_own_mean(x: Series) -> NDArray[np.float64]:
    values = np.asarray(x, dtype=np.float64)
    return np.asarray(values - values.mean(axis=2, keepdims=True))


def _rows(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(C, N L)`."""
    return np.asarray(z.transpose(1, 0, 2).reshape(z.shape[1], -1))
