"""A remark before long work where other programs use the cores: threads that wait for each other then crawl.

`train` times its own steps and takes fewer threads (`synthgen.training.threads`). What else computes keeps the number
it is told, as the last bits of what it writes depend on it.
"""

from __future__ import annotations

import os
import time

__all__ = ["remark", "wants_remark"]

_COMPUTING = frozenset({"augment", "distill", "evaluate", "extend", "forecast", "generate", "impute", "label", "score"})
_CROWDED = 1.5
_TIMED = 5


def wants_remark(title: str) -> bool:
    """Whether this work is worth the third of a second that looking takes, and the number of threads was left open."""
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
        f"other programs use the cores: one thread alone is {together / alone:.1f} times as quick as {most} now. "
        "OMP_NUM_THREADS=1 before the command takes one."
    )


def _seconds() -> float:
    """Of two convolutions and their gradients, a few times over; no random number is drawn.

    The mean tells: now and then a thread finds its core free, and forward passes alone are too short to be caught.
    """
    import torch
    from torch.nn.functional import conv2d, silu

    x = torch.ones(32, 48, 16, 16)
    first, second = (torch.ones(shape, requires_grad=True) for shape in ((96, 48, 3, 3), (48, 96, 3, 3)))

    def step() -> None:
        conv2d(silu(conv2d(x, first, padding=1)), second, padding=1).square().mean().backward()  # type: ignore[no-untyped-call]

    step()
    started = time.perf_counter()
    for _ in range(_TIMED):
        step()
    return time.perf_counter() - started
