"""Fréchet distance of Gaussians fitted to two sets of features.

    |mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^1/2)

Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frechet_distance", "frechet_of_gaussians"]

Array = NDArray[np.float64]


def frechet_distance(x: Array, y: Array) -> float:
    """Fréchet distance between Gaussians fitted to `x (n, d)` and `y (m, d)`."""
    covariances = [np.atleast_2d(np.cov(side, rowvar=False)) for side in (x, y)]
    return frechet_of_gaussians(x.mean(axis=0), covariances[0], y.mean(axis=0), covariances[1])


def frechet_of_gaussians(mean_x: Array, cov_x: Array, mean_y: Array, cov_y: Array) -> float:
    """Fréchet distance of two Gaussians from their means `(d,)` and covariances `(d, d)`."""
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_y @ root), 0, None)).sum()
    apart = ((mean_x - mean_y) ** 2).sum()
    return max(0.0, float(apart + np.trace(cov_x) + np.trace(cov_y) - 2 * cross))
