"""A remark before long work where other programs use the cores: threads that wait for each other then crawl.

`train` times its own steps and takes fewer threads (`synthgen.training.threads`). What else computes keeps the number
it is told, as the last bits of what it writes depend on it.
"""

from __future__ import annotations

import os
import time

__all__ = ["remark", "wants_remark"]

_COMPUTING = frozenset({"augment", "distill", "evaluate", "extend", "forecast", "generate", "impute", "label", "score"})
_CROWDED = 2.0
_TIMED = 3


def wants_remark(title: str) -> bool:
    """Whether this work is worth the tenth of a second that looking takes, and the number of threads was left open."""
    return title in _COMPUTING and not os.environ.get("OMP_NUM_THREADS")


def remark() -> str | None:
    """A sentence where one thread alone is much quicker than all now, else None."""
    import torch

    most = torch.get_num_threads()
    if most == 1 or torch.cuda.is_available():
        return None
    together = _seconds()
    torch.set_num_threads(1)
    alone = _seconds()
    torch.set_num_threads(most)
    if together < _CROWDED * alone:
        return None
    return (
        f"other programs use the cores: one thread alone is {together / alone:.0f} times as quick as {most} now. "
        "OMP_NUM_THREADS=1 before the command takes one."
    )


def _seconds() -> float:
    """Of a few convolutions, the quickest of a few times; no random number is drawn."""
    import torch

    x, weight = torch.ones(16, 48, 16, 16), torch.ones(48, 48, 3, 3)
    times = []
    for _ in range(_TIMED + 1):
        started = time.perf_counter()
        for _ in range(4):
            torch.nn.functional.conv2d(x, weight, padding=1)
        times.append(time.perf_counter() - started)
    return min(times[1:])
