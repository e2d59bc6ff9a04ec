"""How the values of a channel become numbers of mean 0 and deviation about 1, and back: one way for each channel.

    auto       standard, or asinh where calm series lie beside lively ones, see `compand`
    standard   (v - mean) / deviation
    minmax     the range to -sqrt 3 .. sqrt 3, where an even distribution has deviation 1
    robust     (v - median) / (interquartile range / 1.349), so that outliers do not set the scale
    quantile   the rank among training values as a quantile of the normal distribution (van der Waerden 1952)
    log        sign(v) ln(1 + |v| / s), standardised, for values of very different size

All are fitted on observed training values, are monotone, and go on beyond the range seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from synthgen_timeseries.compand import Companding, channel_bend
from synthgen_timeseries.series import ChannelScale, inside, interpolated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records

__all__ = ["Scaling"]

_BENT, _LOG, _QUANTILE = 0, 1, 2
_KNOTS = 256
_NORMAL_QUARTILES = 1.3489795  # interquartile range of N(0, 1)


@dataclass(frozen=True)
class Scaling:
    """The fitted ways of C channels.

    Args:
        way: int64 `(C,)`: bent (linear or asinh), logarithm, or quantile.
        bend: of channels that are bent; of a logarithm `soft` is s, then shift and scale.
        knots: `(C, 2, K)` values and their normal quantiles; NaN where they are not used.
    """

    way: NDArray[np.int64]
    bend: Companding
    knots: NDArray[np.float64]

    @classmethod
    def fit(cls, names: Sequence[str], sample: Records, scale: ChannelScale) -> Self:
        """From a sample of training records and the scale of all of them.

        Args:
            names: values of `data.scaling`, one a channel.
            sample: records with these channels.
            scale: mean, deviation and range of each channel.
        """
        values = interpolated(sample)
        values[~np.broadcast_to(inside(sample["length"], values.shape[2])[:, None], values.shape)] = np.nan
        rows, ways = [], []
        knots = np.full((len(names), 2, _KNOTS), np.nan)
        for index, name in enumerate(names):
            seen = sample["values"][:, index][sample["observed"][:, index]].astype(np.float64)
            linear = (float(scale.mean[index]), float(scale.std[index]), 0.0, 0.0, 1.0)
            ways.append({"log": _LOG, "quantile": _QUANTILE}.get(name, _BENT))
            match name:
                case "auto":
                    rows.append(channel_bend(values[:, index], linear[0], linear[1]))
                case "minmax" if scale.high[index] > scale.low[index]:
                    low, high = float(scale.low[index]), float(scale.high[index])
                    rows.append(((low + high) / 2, (high - low) / (2 * np.sqrt(3)), 0.0, 0.0, 1.0))
                case "robust" if seen.size:
                    rows.append(_robust(seen, linear[1]))
                case "log" if seen.size:
                    rows.append(_logarithm(seen))
                case "quantile" if np.unique(seen).size > 1:
                    knots[index] = _quantiles(seen)
                    rows.append(linear)
                case _:
                    ways[-1] = _BENT
                    rows.append(linear)
        bend = Companding(*np.array(rows, dtype=np.float64).reshape(-1, 5).T)
        return cls(np.array(ways, dtype=np.int64), bend, knots)

    def forward(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(N, C, L)` values to mean 0 and deviation about 1."""
        scaled = self.bend.forward(values)
        for index in np.flatnonzero(self.way):
            channel = values[:, index]
            if self.way[index] == _LOG:
                z = np.sign(channel) * np.log1p(np.abs(channel) / self.bend.soft[index])
                scaled[:, index] = (z - self.bend.shift[index]) / self.bend.scale[index]
            else:
                scaled[:, index] = _line(channel, *self.knots[index])
        return scaled

    def backward(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of `forward`."""
        values = self.bend.backward(x)
        for index in np.flatnonzero(self.way):
            if self.way[index] == _LOG:
                z = np.clip(x[:, index] * self.bend.scale[index] + self.bend.shift[index], -300, 300)
                values[:, index] = np.sign(z) * self.bend.soft[index] * np.expm1(np.abs(z))
            else:
                values[:, index] = _line(x[:, index], self.knots[index, 1], self.knots[index, 0])
        return values


def _robust(seen: NDArray[np.float64], std: float) -> tuple[float, float, float, float, float]:
    low, middle, high = np.quantile(seen, [0.25, 0.5, 0.75])
    spread = float(high - low) / _NORMAL_QUARTILES
    return float(middle), spread if spread > 1e-6 * std else std, 0.0, 0.0, 1.0


def _logarithm(seen: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    size = np.abs(seen[seen != 0])
    soft = float(np.quantile(size, 0.05)) if size.size else 1.0
    z = np.sign(seen) * np.log1p(np.abs(seen) / soft)
    return 0.0, 1.0, soft, float(z.mean()), float(z.std()) or 1.0


def _quantiles(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most 256 knots, values ascending: each value's middle rank as a normal quantile; padded with the last."""
    from scipy.special import ndtri

    found, counts = np.unique(seen, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    if len(found) > _KNOTS:
        kept = np.unique(np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], _KNOTS)))
        found, ranks = found[kept], ranks[kept]
    pad = (0, _KNOTS - len(found))
    return np.stack([np.pad(found, pad, mode="edge"), np.pad(ndtri(ranks), pad, mode="edge")])


def _line(values: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Straight lines between knots, and on beyond them with the slope of the whole."""
    last = int(np.argmax(x))  # what follows is padding
    x, y = x[: last + 1], y[: last + 1]
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    beyond = np.minimum(values - x[0], 0.0) + np.maximum(values - x[-1], 0.0)
    return np.asarray(np.interp(values, x, y) + slope * beyond)
