"""Long series cut into windows, so that no time step is shared between what is learnt from and what is held out."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from synthgen.errors import DataError
from synthgen_timeseries.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["LONG_GAP", "cut_each", "cut_one"]

DEFAULT_WINDOW = 24
LONG_GAP = 10
"""A step so many times longer than the usual one is a gap."""
_TRAIN_SHARE = 0.7
_BLOCK_WINDOWS = 10  # a block is at least this many windows long
_MOST_BLOCKS = 20


def cut_one(
    values: NDArray[np.float64],
    collection: Collection,
    options: DataConfig,
    *,
    where: str,
    unit: str = "steps",
    gaps: Sequence[int] = (),
) -> Collection:
    """One long series as windows, split in time.

    The first 70 % of the steps are for training, the rest for testing, with an embargo of one window between. Each part
    is divided into contiguous blocks, which are the groups: a window that would lie in two blocks is left out, so no
    two groups share a time step.

    Args:
        values: `(C, T)`.
        collection: channels, notes and facts; its series are replaced.
        options: `window` and `stride`.
        where: for messages.
        unit: what one step is, for the notes.
        gaps: steps that come long after the step before them. No window crosses one, unless most would have to go.

    Raises:
        DataError: too short for the window.
    """
    window = options.window or DEFAULT_WINDOW
    stride = options.stride or max(1, window // 2)
    steps = values.shape[1]
    border = int(steps * _TRAIN_SHARE)
    parts = (("train", 0, border), ("test", border + window, steps))
    if any(end - start < 2 * window for _, start, end in parts):
        raise DataError(
            f"{where}: {steps:,} steps are too few for windows of {window}",
            hint="Choose a smaller data.window, or name the id column if the table holds several series.",
        )
    windows = _windows(parts, window, stride, ())
    broken = _windows(parts, window, stride, gaps) if gaps else windows
    said = []
    if gaps and 2 * len(broken) < len(windows):
        said = [f"windows run across {len(gaps):,} gaps in time: too few would be left between them"]
    elif gaps:
        said = [f"no window runs across the {len(gaps):,} gaps in time of more than {LONG_GAP} usual steps"]
        windows = broken
    starts = [start for start, _, _ in windows]
    splits = [name for _, name, _ in windows]
    possible = (steps - window) // stride + 1
    chosen = "" if options.window else " (data.window is unset)"
    notes = [
        f"read as one long series of {steps:,} {unit}, cut into {len(starts):,} windows of {window}{chosen}, "
        f"{stride} steps apart; name an id column if it holds several series",
        f"split in time: the first 70 % for training, {splits.count('test'):,} windows after an embargo of {window} "
        f"steps for testing; {max(0, possible - len(starts)):,} windows across borders left out",
    ]
    return dataclasses.replace(
        collection,
        series=[values[:, start : start + window] for start in starts],
        label=None,
        groups=np.array([group for _, _, group in windows]),
        split=np.array(splits),
        names=[f"window at step {start}" for start in starts],
        notes=[*collection.notes, *notes, *said],
    )


def _windows(
    parts: Sequence[tuple[str, int, int]], window: int, stride: int, gaps: Sequence[int]
) -> list[tuple[int, str, int]]:
    """Start, split and block of each window."""
    found: list[tuple[int, str, int]] = []
    block = 0
    for name, start, end in parts:
        blocks = int(np.clip((end - start) // (_BLOCK_WINDOWS * window), 1, _MOST_BLOCKS))
        for first, last in pairwise(np.linspace(start, end, blocks + 1).astype(int).tolist()):
            borders = [first, *(gap for gap in gaps if first < gap < last), last]
            for left, right in pairwise(borders):
                found += [(begin, name, block) for begin in range(left, right - window + 1, stride)]
            block += 1
    return found


def cut_each(collection: Collection, options: DataConfig) -> Collection:
    """Every series as windows that inherit its label and share its group; unchanged when no window is asked for.

    Raises:
        DataError: no series is as long as the window.
    """
    window = options.window
    if window is None:
        return collection
    stride = options.stride or max(1, window // 2)
    origin: list[int] = []
    pieces: list[NDArray[np.float64]] = []
    names: list[str] = []
    for index, one in enumerate(collection.series):
        for start in range(0, one.shape[1] - window + 1, stride):
            origin.append(index)
            pieces.append(one[:, start : start + window])
            names.append(f"{collection.name(index)} from step {start}")
    if not pieces:
        raise DataError(f"no series is as long as data.window = {window}", hint="Choose a smaller data.window.")
    short = len(collection.series) - len(set(origin))
    left = f"; {short} shorter series left out" if short else ""
    rows = np.array(origin)
    groups = np.arange(len(collection.series)) if collection.groups is None else collection.groups
    return dataclasses.replace(
        collection,
        series=pieces,
        label=None if collection.label is None else [collection.label[index] for index in origin],
        groups=groups[rows],
        split=None if collection.split is None else collection.split[rows],
        attributes=collection.attributes_of(origin),
        names=names,
        identities=(),
        notes=[*collection.notes, f"cut into {len(pieces):,} windows of {window}, {stride} steps apart{left}"],
        steps=window,
    )
