"""Which calibration records count as one: overlapping windows and records of one group are not independent.

Conformal p-values need calibration records that are exchangeable with the record to be judged. Windows that share time
steps are not, nor are the records of one patient or machine. So records are put into blocks, each of weight 1:

    p(s) = (1 + sum over blocks b of the share of b's scores >= s) / (blocks + 1)

which treats a block as one draw (Dunn et al. 2022, "Distribution-free prediction sets for two-layer hierarchical
models", CDF pooling; for a block of one it is the ordinary p-value).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["blocks_of", "describe_blocks", "shift_between"]

_ENOUGH_GROUPS = 20
_MOST_APART = 0.75  # windows that begin further apart share too little to tell it from chance


def blocks_of(x: NDArray[np.floating], groups: NDArray[Any] | None) -> NDArray[np.int64]:
    """The block of each record, `(n,)`, counted from 0.

    Whole groups are blocks where there are at least 20 of them. With fewer, the records of a group are windows of one
    long series: windows that share steps with the first window of a block join it, so blocks are as long as a window.

    Args:
        x: encoded records `(n, C, *S)` in the order of the source.
        groups: `(n,)`, or None when each record is its own group.
    """
    n = len(x)
    if groups is None:
        return np.arange(n)
    _, group = np.unique(groups, return_inverse=True)
    group = np.asarray(group.reshape(-1), dtype=np.int64)
    if group.max(initial=-1) + 1 >= _ENOUGH_GROUPS or x.ndim != 3:
        return group
    blocks, first = np.empty(n, dtype=np.int64), -1
    for i in range(n):
        joins = first >= 0 and group[first] == group[i] and shift_between(x[first], x[i]) is not None
        if not joins:
            first = i
        blocks[i] = first
    return np.unique(blocks, return_inverse=True)[1].reshape(-1).astype(np.int64)


def shift_between(earlier: NDArray[np.floating], later: NDArray[np.floating]) -> int | None:
    """How many steps later one window `(C, L)` begins than another that shares a quarter with it or more; else None."""
    steps = earlier.shape[1]
    starts = np.flatnonzero((earlier == later[:, :1]).all(axis=0))  # where the later window may begin
    starts = starts[starts <= _MOST_APART * steps]  # a step or two may be alike by chance
    return next(
        (int(start) for start in starts[::-1] if np.array_equal(earlier[:, start:], later[:, : steps - start])), None
    )


def describe_blocks(records: int, blocks: int) -> str:
    """A sentence for the user; empty when every record is its own block."""
    if blocks == records:
        return ""
    return (
        f"The {records:,} calibration records form {blocks:,} blocks (windows that share time steps, or records of one "
        "group), and each block counts once: p-values have steps of about 1/"
        f"{blocks + 1}."
    )
