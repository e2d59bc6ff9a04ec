"""Averages of any width after training, from a few stored snapshots of two or more power-function averages.

A snapshot taken at time t_i with exponent gamma_i is an average of the weights with the profile

    p_i(t) = (gamma_i + 1) t^gamma_i / t_i^(gamma_i + 1)   on [0, t_i],   0 after

A wanted average (gamma, T) is the combination sum x_i snapshot_i whose profile sum x_i p_i(t) comes nearest to its own
in the least-squares sense, which needs inner products of profiles only:

    A x = b,   A_ij = <p_i, p_j>,   b_i = <p_i, p>
    <p_i, p_j> = (gamma_i + 1)(gamma_j + 1) m^(gamma_i + gamma_j + 1)
                 / ((gamma_i + gamma_j + 1) t_i^(gamma_i + 1) t_j^(gamma_j + 1)),   m = min(t_i, t_j)

Source: Karras et al. 2024, arXiv:2312.02696, section 3.2 (the integral is elementary).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.nn.ema import exponent_of_width

__all__ = ["Profile", "combination", "combined"]

Profile = tuple[float, float]
"""Relative width of an average, and the records seen when it was taken."""


def combination(stored: Sequence[Profile], wanted: Profile) -> NDArray[np.float64]:
    """The weights x of the stored averages, `(n,)`, that come nearest to the wanted one.

    Args:
        stored: profile of each snapshot.
        wanted: profile to be made.
    """
    gamma = np.array([exponent_of_width(width) for width, _ in stored])
    # Ratios of times, so that powers of large numbers of records do not overflow.
    time = np.array([seen for _, seen in stored]) / wanted[1]
    gram = _inner(gamma[:, None], time[:, None], gamma[None, :], time[None, :])
    right = _inner(gamma, time, np.array(exponent_of_width(wanted[0])), np.array(1.0))
    size = np.sqrt(np.diag(gram))
    solved = np.linalg.lstsq(gram / np.outer(size, size), right / size, rcond=1e-12)[0]
    return np.asarray(solved / size)


def combined(states: Sequence[Mapping[str, Tensor]], weights: NDArray[np.float64]) -> dict[str, Tensor]:
    """The weighted sum of states, name by name, float32."""
    return {
        name: torch.stack([state[name].double() * weight for state, weight in zip(states, weights, strict=True)])
        .sum(dim=0)
        .float()
        for name in states[0]
    }


def _inner(
    gamma_i: NDArray[np.float64], t_i: NDArray[np.float64], gamma_j: NDArray[np.float64], t_j: NDArray[np.float64]
) -> NDArray[np.float64]:
    least = np.minimum(t_i, t_j)
    product = (gamma_i + 1) * (gamma_j + 1) / (gamma_i + gamma_j + 1)
    powers = (least / t_i) ** gamma_i * (least / t_j) ** gamma_j * least / (t_i * t_j)
    return np.asarray(product * powers)
