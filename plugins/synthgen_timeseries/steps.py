"""Channels that were measured in steps: prices in cents, an instrument of so many bits.

A network draws what lies between the steps, and whoever looks twice sees that no value ever comes again. Where few
different values make up a channel, and come again within a series, drawn values become the nearest of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records

__all__ = ["StepsFound", "nearest"]

_MOST = 2048
"""Different values, above which a channel counts as continuous."""

_AGAIN = 0.02
"""Share of the values of a series that must come again in it; those of the commonest value do not count, because a
continuous channel can be stuck at 0."""


@dataclass
class StepsFound:
    """Watches training records as they pass.

    Args:
        channels: number of them.
    """

    channels: int
    _values: list[NDArray[np.float32] | None] = field(init=False)

    def __post_init__(self) -> None:
        self._values = [np.zeros(0, dtype=np.float32) for _ in range(self.channels)]

    def add(self, records: Records) -> None:
        """See a batch; a channel with too many values is watched no longer."""
        values, observed = records["values"], records["observed"]
        for index, known in enumerate(self._values):
            if known is not None:
                found = np.union1d(known, values[:, index][observed[:, index]].astype(np.float32))
                self._values[index] = found if len(found) <= _MOST else None

    def levels(self, sample: Records) -> list[NDArray[np.float32]]:
        """The values of each channel, ascending; none where it is continuous.

        Args:
            sample: some of the records, by which is judged whether values come again.
        """
        continuous = np.zeros(0, dtype=np.float32)
        return [
            known if known is not None and len(known) > 1 and _comes_again(sample, index) else continuous
            for index, known in enumerate(self._values)
        ]


def nearest(values: NDArray[np.float64], levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """The nearest level of each value; beyond them all, the usual step between two goes on."""
    if not len(levels):
        return values
    known = levels.astype(np.float64)
    above = np.clip(np.searchsorted(known, values), 1, len(known) - 1)
    low, high = known[above - 1], known[above]
    step = float(np.median(np.diff(known)))
    end = np.clip(values, known[0], known[-1])
    beyond = step * np.rint((values - end) / step)
    return np.asarray(np.where(end - low <= high - end, low, high) + beyond)


def _comes_again(sample: Records, index: int) -> bool:
    values = np.where(sample["observed"][:, index], sample["values"][:, index], np.nan)
    known = values[~np.isnan(values)]
    if not known.size:
        return False
    found, counts = np.unique(known, return_counts=True)
    ordered = np.sort(values, axis=1)  # NaN, which equals nothing, comes last
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != found[counts.argmax()])
    return bool(again.sum() >= _AGAIN * known.size)
