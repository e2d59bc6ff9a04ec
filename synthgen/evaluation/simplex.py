"""Simplex noise: smooth noise whose correlation length is chosen, for anomalies that are larger than a pixel.

The line or plane is tiled by segments or triangles; each corner has a pseudo-random gradient g, and

    n(x) = sum over the corners of the cell that holds x of max(0, r^2 - |d|^2)^4 (g . d),   d = x - corner

with r^2 = 1 (line) or 1/2 (plane). Octaves of doubling frequency are added with falling amplitude:

    N(x) = sum_o persistence^o n(2^o frequency x),  then standardised to mean 0 and variance 1 over the record

Sources: Perlin 2001, "Noise hardware"; Wyatt et al. 2022, "AnoDDPM" (simplex noise for anomaly maps).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen import seeding
from synthgen.errors import UsageError

__all__ = ["simplex_noise"]

_SKEW, _UNSKEW = (3**0.5 - 1) / 2, (3 - 3**0.5) / 6
_TABLE = 256


def simplex_noise(
    seed: int, shape: Sequence[int], *, index: int = 0, octaves: int = 4, persistence: float = 0.8, waves: float = 2.0
) -> NDArray[np.float32]:
    """One noise field `(C, L)` or `(C, H, W)`, each channel for itself, mean 0 and variance 1 over positions.

    Args:
        seed: of the gradients.
        shape: channels first, one or two axes of positions.
        index: another field for each index.
        octaves: how many frequencies, each twice the one before; those finer than two positions are left out.
        persistence: amplitude of an octave relative to the one before.
        waves: of the first octave along the longer axis.

    Raises:
        UsageError: the shape has neither one nor two axes of positions.
    """
    if len(shape) not in (2, 3):
        raise UsageError(f"simplex noise is for records of shape (C, L) or (C, H, W), not {tuple(shape)}")
    channels, spatial = shape[0], tuple(shape[1:])
    longest = max(spatial)
    axes = np.meshgrid(*(np.arange(size) / longest for size in spatial), indexing="ij")
    points = np.stack(axes, axis=-1).reshape(-1, len(spatial))  # (P, axes), in [0, 1)
    fields = np.empty((channels, points.shape[0]))
    for channel in range(channels):
        draws = seeding.generator(seed, "simplex", sample_id=index, step=channel)
        total = np.zeros(points.shape[0])
        for octave in range(octaves):
            frequency = waves * 2**octave
            if octave and frequency > longest / 2:
                break
            offset = draws.uniform(0, 1000, size=len(spatial))
            total += persistence**octave * _field(points * frequency + offset, draws)
        spread = total.std()
        fields[channel] = (total - total.mean()) / (spread if spread > 0 else 1.0)
    return fields.reshape(channels, *spatial).astype(np.float32)


def _field(points: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Noise `(P,)` at points `(P, 1)` or `(P, 2)`."""
    order = draws.permutation(_TABLE)
    if points.shape[1] == 1:
        slopes = draws.choice([-1.0, 1.0], _TABLE) * draws.uniform(0.5, 1.0, _TABLE)
        cell = np.floor(points[:, 0]).astype(np.int64)
        corners = (cell, cell + 1)
        steps = [points[:, 0] - corner for corner in corners]
        slope = [slopes[order[corner % _TABLE]] for corner in corners]
        return np.asarray(sum((1 - d**2) ** 4 * g * d for d, g in zip(steps, slope, strict=True)))
    angles = draws.uniform(0, 2 * np.pi, _TABLE)
    gradients = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cell = np.floor(points + points.sum(axis=1, keepdims=True) * _SKEW).astype(np.int64)  # skewed to squares
    first = points - (cell - cell.sum(axis=1, keepdims=True) * _UNSKEW)
    right = first[:, :1] > first[:, 1:]
    middle = np.concatenate([right, ~right], axis=1).astype(np.int64)
    total = np.zeros(len(points))
    for move in (np.zeros_like(middle), middle, np.ones_like(middle)):
        d = first - move + move.sum(axis=1, keepdims=True) * _UNSKEW
        corner = cell + move
        g = gradients[order[(corner[:, 0] + order[corner[:, 1] % _TABLE]) % _TABLE]]
        total += np.maximum(0.5 - np.square(d).sum(axis=1), 0) ** 4 * (g * d).sum(axis=1)
    return total
