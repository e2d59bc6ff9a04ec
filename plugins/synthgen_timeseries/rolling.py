"""Series of any length through a model that knows windows: each window is told what is known and what came before.

Gaps are filled from left to right: a window that overlaps the one before by half takes its values as known. A series is
continued in blocks of at most half a window after as much of the past as fits beside them. So windows agree in their
overlap, value for value, and what is drawn for a series follows from the seed and its id alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen.api import Records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Filler

__all__ = ["continued", "draw_ids", "fill_gaps"]

_JOBS = 256  # windows in one call


def draw_ids(series: Sequence[int], samples: int) -> list[tuple[int, int, int]]:
    """`(series, sample, id)` of every draw, series by series; an id follows from both numbers alone."""
    return [(index, sample, (sample << 32) | index) for index in series for sample in range(samples)]


def fill_gaps(
    filler: Filler, series: Sequence[NDArray[np.float64]], label: NDArray[np.int64], *, samples: int
) -> list[NDArray[np.float64]]:
    """Every series' missing values drawn, `(S, C, T_i)` each.

    Args:
        filler: the model.
        series: `(C, T_i)` each; NaN is missing.
        label: `(N,)`, -1 unknown.
        samples: draws of each series, S.
    """
    steps = filler.schema.shape[1]
    made = [np.repeat(one[None], samples, axis=0) for one in series]
    starts = [_starts(one.shape[1], steps) for one in series]
    for block in range(max((len(each) for each in starts), default=0)):
        wanted = [
            index
            for index, each in enumerate(starts)
            if block < len(each) and np.isnan(series[index][:, each[block] : each[block] + steps]).any()
        ]
        jobs = draw_ids(wanted, samples)
        for first in range(0, len(jobs), _JOBS):
            part = jobs[first : first + _JOBS]
            cut = [made[i][s][:, starts[i][block] : starts[i][block] + steps] for i, s, _ in part]
            drawn = _solve(
                filler, cut, label[[i for i, _, _ in part]], ids=[number for *_, number in part], block=block
            )
            for window, new in zip(cut, drawn, strict=True):
                window[:] = np.where(np.isnan(window), new, window)  # a view into `made`
    return made


def continued(
    filler: Filler, past: NDArray[np.float64], label: NDArray[np.int64], *, ids: Sequence[int], block: int
) -> Iterator[NDArray[np.float64]]:
    """What comes after the past, `(N, C, block)` again and again without end; memory stays that of one window.

    Args:
        filler: the model.
        past: `(N, C, T)`; NaN is missing; with T = 0 the first piece is a whole window, drawn from nothing.
        label: `(N,)`, -1 unknown.
        ids: `(N,)` of the draws.
        block: steps a piece, below the window.
    """
    steps = filler.schema.shape[1]
    number = 0
    while True:
        count = block if past.shape[2] else steps
        past = past[:, :, -(steps - count) :] if count < steps else past[:, :, :0]
        window = np.full((*past.shape[:2], steps), np.nan)  # before the past begins nothing is known
        window[:, :, steps - count - past.shape[2] : steps - count] = past
        parts = [
            _solve(filler, list(window[rows]), label[rows], ids=[ids[row] for row in rows], block=number)
            for rows in np.array_split(np.arange(len(window)), -(-len(window) // _JOBS))
        ]
        new = np.stack([one for part in parts for one in part])[:, :, -count:]
        yield new
        past = np.concatenate([past, new], axis=2)
        number += 1


def _starts(length: int, steps: int) -> list[int]:
    """Where windows begin: half a window apart, the last one at the end."""
    if length <= steps:
        return [0]
    stride = max(1, steps // 2)
    return [*range(0, length - steps, stride), length - steps]


def _solve(
    filler: Filler,
    windows: Sequence[NDArray[np.float64]],
    label: NDArray[np.int64],
    *,
    ids: Sequence[int],
    block: int,
) -> list[NDArray[np.float64]]:
    """The windows, `(C, n)` each, n not above the model's length, with NaN replaced by draws."""
    channels, steps = filler.schema.shape
    ends = any(condition.name == "length" for condition in filler.schema.conditions)
    values = np.zeros((len(windows), channels, steps), dtype=np.float32)
    known = np.zeros(values.shape, dtype=bool)
    length = np.full(len(windows), steps, dtype=np.int32)
    for row, window in enumerate(windows):
        n = window.shape[1]
        present = ~np.isnan(window)
        values[row, :, :n] = np.where(present, window, 0.0)
        known[row, :, :n] = present
        length[row] = n if ends else steps
    records = Records({"values": values, "observed": known, "length": length}, label if filler.schema.labels else None)
    batch = filler.codec.encode(records)
    beyond = np.arange(steps) >= length[:, None]
    mask = torch.from_numpy(known | beyond[:, None])  # the end of a series is known
    x = filler(batch.x, mask, batch.conditions, ids=ids, block=block)
    made = filler.codec.decode(x, batch.conditions)["values"]
    return [np.asarray(made[row, :, : window.shape[1]], dtype=np.float64) for row, window in enumerate(windows)]
