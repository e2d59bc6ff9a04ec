"""Fine detail beside x, in units of the noise: what a network needs to see where the noise is small.

    a_0 = x,   a_(j+1) = a_j smoothed by (1, 2, 1)/4 over neighbours 2^j apart,   b_j = a_j - a_(j+1)
    details_j = asinh(b_j / (g_j sigma)),   g_j the deviation of b_j where x is white noise of deviation 1

At a small noise level x is almost all signal, of size 1 to the network, and the noise it is to find is a thousandth of
that: below what bf16 resolves (2^-8), and in any precision far from the unit variance in which networks learn. The
bands of an undecimated wavelet transform hold noise of known size in every octave and little of a smooth signal; in
units of that size the network reads noise of deviation 1 at every level, and asinh bounds what is signal. No statistics
of the data enter.

Sources: the transform: Holschneider et al. 1989, "A real-time algorithm for signal analysis with the help of the
wavelet transform" (a trous); estimating noise from it: Starck & Murtagh 1998, "Automatic noise estimation from the
multiresolution support".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from synthgen.api import Condition

__all__ = ["DETAILS", "bands", "details", "details_condition"]

DETAILS = "details"
"""Name of the condition under which a network reads them."""

_HALF = 128
"""Of the impulse that the gains are taken from: 2^7 - 1 neighbours on either side, seven octaves."""


def details_condition(shape: Sequence[int], octaves: int) -> Condition:
    """What the network reads beside x: a condition aligned with it that is never dropped."""
    return Condition(DETAILS, "dense", shape[0] * octaves, dropout=0.0)


def bands(x: Tensor, octaves: int) -> list[Tensor]:
    """The finest octaves of x `(B, C, *spatial)`, each of its shape; what is beyond the edges repeats the edge."""
    found, rest = [], x
    for octave in range(octaves):
        smooth = rest
        for axis in range(2, x.ndim):
            smooth = _smoothed(smooth, axis, 2**octave)
        found.append(rest - smooth)
        rest = smooth
    return found


def details(x: Tensor, sigma: Tensor, octaves: int) -> Tensor:
    """The bands in units of the noise, `(B, octaves C, *spatial)`, finest first.

    Args:
        x: noisy records `(B, C, *spatial)`.
        sigma: noise level of each record or channel, broadcastable to x.
        octaves: how many.
    """
    gains = _gains(octaves, x.ndim - 2)
    return torch.cat([(band / (gain * sigma)).asinh() for band, gain in zip(bands(x, octaves), gains, strict=True)], 1)


def _smoothed(x: Tensor, axis: int, apart: int) -> Tensor:
    """x `(..., size, ...)` by (1, 2, 1)/4 over neighbours so far apart along an axis; of its shape."""
    size = x.shape[axis]
    shape = (*x.shape[:axis], apart, *x.shape[axis + 1 :])
    before, after = (x.narrow(axis, end, 1).expand(shape) for end in (0, size - 1))
    wide = torch.cat([before, x, after], dim=axis)
    return (wide.narrow(axis, 0, size) + 2 * x + wide.narrow(axis, 2 * apart, size)) / 4


@cache
def _gains(octaves: int, axes: int) -> tuple[float, ...]:
    """The deviation of each band of white noise of deviation 1, along so many axes: norms of the filters."""
    before = torch.zeros(1, 1, 2 * _HALF + 1, dtype=torch.float64)
    before[..., _HALF] = 1.0
    rows = []
    for octave in range(octaves):
        after = _smoothed(before, 2, 2**octave)
        rows.append((before.flatten(), after.flatten()))
        before = after
    # over several axes the filter is (u x u x ...) - (v x v x ...), whose squared norm follows from inner products
    return tuple(float(((u @ u) ** axes - 2 * (u @ v) ** axes + (v @ v) ** axes).sqrt()) for u, v in rows)
