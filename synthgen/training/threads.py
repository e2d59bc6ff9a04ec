"""How many CPU threads a training step takes, chosen by timing where nobody said.

A step is split among threads that wait for each other some hundred times. One thread alone on its core and one that
shares its core with another program are as slow as the slower one, and whoever waits keeps its own core busy: beside
one other program, two threads can take fifty times as long as one. The same holds where a container may use fewer cores
than it sees.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import torch

from synthgen.config import TrainConfig

__all__ = ["settle_threads"]

_WORTH = 1.5
"""How many times quicker a step must be with half the threads: less can be chance, and a load that passes."""

_TIMED = 3  # steps, as long as they take no more than
_SECONDS = 1.0

_lowered: tuple[int, int] | None = None
"""From how many threads to how many the last training of this process went down."""


def settle_threads(train: TrainConfig, trial: Callable[[str], None]) -> str | None:
    """Set torch's threads as configured; else halve them as long as a training step gets much quicker by it.

    `OMP_NUM_THREADS` in the environment counts as a wish, and on a GPU nothing is timed.

    Args:
        train: its `threads`, and the precision to time in.
        trial: runs one training step in a precision without changing anything.

    Returns:
        A sentence when threads were taken away, else None.
    """
    global _lowered
    if train.threads is not None:
        torch.set_num_threads(train.threads)
        return None
    if torch.cuda.is_available() or os.environ.get("OMP_NUM_THREADS"):
        return None
    step = partial(trial, "fp32" if train.precision == "auto" else train.precision)
    most = torch.get_num_threads()
    if _lowered is not None and most == _lowered[1]:
        most = _lowered[0]
        torch.set_num_threads(most)
    if most == 1:
        return None
    step()  # the first is slow by itself
    chosen, seconds = most, _seconds(step)
    slowest = seconds
    while chosen > 1:
        torch.set_num_threads(chosen // 2)
        fewer = _seconds(step)
        if fewer * _WORTH > seconds:
            break
        chosen, seconds = chosen // 2, fewer
    torch.set_num_threads(chosen)
    _lowered = None if chosen == most else (most, chosen)
    if _lowered is None:
        return None
    return (
        f"{chosen} instead of {most} CPU threads: a step takes {seconds:.2g} s instead of {slowest:.2g} s, as on cores "
        f"that other programs keep busy; --set train.threads={most} takes all"
    )


def _seconds(step: Callable[[], None]) -> float:
    """Of one step: the quickest of a few."""
    times: list[float] = []
    while len(times) < _TIMED and sum(times) < _SECONDS:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times)
