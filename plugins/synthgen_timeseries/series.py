"""Arithmetic on records that several parts share: inside or padding, filling gaps, standardising channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from synthgen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["ChannelScale", "gaps", "inside", "interpolated"]


def inside(length: NDArray[np.int32], steps: int) -> NDArray[np.bool_]:
    """Which steps belong to the series, `(N, L)`."""
    return np.asarray(np.arange(steps) < np.asarray(length)[:, None])


def gaps(records: Records) -> NDArray[np.bool_]:
    """Which values inside the series are missing, `(N, C, L)`."""
    within = inside(records["length"], records["values"].shape[2])
    return np.asarray(within[:, None, :] & ~records["observed"])


def interpolated(records: Records) -> NDArray[np.float64]:
    """The values `(N, C, L)` with gaps filled linearly in time, the ends by the nearest value.

    What lies after `length`, and a channel without any value in its record, is NaN.
    """
    length, observed = records["length"], records["observed"]
    values = np.where(observed, records["values"], np.nan).astype(np.float64)
    for record, channel in np.argwhere(gaps(records).any(axis=2)):
        known = np.flatnonzero(observed[record, channel])
        if known.size:
            row = values[record, channel, : length[record]]
            row[:] = np.interp(np.arange(row.size), known, row[known])
    return values


@dataclass(frozen=True)
class ChannelScale:
    """Mean, standard deviation and range of each channel over observed values, `(C,)` each."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fit(cls, batches: Iterable[Records]) -> Self:
        """From records in pieces, by the pairwise update of Chan, Golub and LeVeque (1983).

        Raises:
            DataError: there are no records, or a channel has no value in any of them.
        """
        count = mean = squares = low = high = np.zeros(0)
        begun = False
        for batch in batches:
            known, values = batch["observed"], batch["values"].astype(np.float64)
            here = known.sum(axis=(0, 2)).astype(np.float64)
            mine = np.where(known, values, 0.0).sum(axis=(0, 2)) / np.maximum(here, 1.0)
            spread = np.where(known, (values - mine[:, None]) ** 2, 0.0).sum(axis=(0, 2))
            bottom = np.where(known, values, np.inf).min(axis=(0, 2), initial=np.inf)
            top = np.where(known, values, -np.inf).max(axis=(0, 2), initial=-np.inf)
            if not begun:
                begun = True
                count, mean, squares, low, high = here, mine, spread, bottom, top
                continue
            total = np.maximum(count + here, 1.0)
            step = mine - mean
            mean, squares = mean + step * here / total, squares + spread + step**2 * count * here / total
            count, low, high = count + here, np.minimum(low, bottom), np.maximum(high, top)
        if not begun or (count == 0).any():
            raise DataError("a channel has no observed value in the training records")
        std = np.sqrt(squares / count)
        # Rounding leaves a constant channel with a spread of a few units in the last place of its mean.
        flat = std <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
        return cls(np.where(high == low, low, mean), np.where(flat | (high == low), 1.0, std), low, high)

    @classmethod
    def of_schema(cls, schema: Schema) -> Self:
        """The scale that the reader noted in the schema."""
        pairs = np.asarray(schema.extra["scale"], dtype=np.float64)
        low = np.array([-np.inf if channel.low is None else channel.low for channel in schema.channels])
        high = np.array([np.inf if channel.high is None else channel.high for channel in schema.channels])
        return cls(pairs[:, 0], np.where(pairs[:, 1] > 0, pairs[:, 1], 1.0), low, high)

    def standardise(self, records: Records, steps: int | None = None) -> NDArray[np.float64]:
        """Gaps filled, `(value - mean) / std`, 0 after the end, `(N, C, steps)`.

        Raises:
            DataError: other channels than in training, or a series longer than `steps`.
        """
        found = records["values"].shape
        if found[1] != len(self.mean):
            raise DataError(f"the series have {found[1]} channels, expected {len(self.mean)}")
        wanted = found[2] if steps is None else steps
        if len(records) and int(records["length"].max()) > wanted:
            raise DataError(
                f"a series of {int(records['length'].max())} steps is longer than the {wanted} that the model knows",
                hint="Cut the series with data.window, or train on series of this length.",
            )
        scaled = np.nan_to_num((interpolated(records) - self.mean[:, None]) / self.std[:, None], nan=0.0)
        if found[2] >= wanted:
            return scaled[:, :, :wanted]
        return np.pad(scaled, ((0, 0), (0, 0), (0, wanted - found[2])))
