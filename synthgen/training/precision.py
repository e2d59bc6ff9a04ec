"""Precision and device, chosen by timing: bf16 is 1.4-5x faster on CPUs with AMX and several times slower without."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

__all__ = ["autocast", "choose_device", "choose_precision", "seconds_a_step"]

_WARM = 1
_TIMED = 3


def choose_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context in which the network runs."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def choose_precision(wanted: Literal["auto", "fp32", "bf16"], step: Callable[[str], None]) -> str:
    """`fp32` or `bf16`: as asked, or the faster in a few timed steps.

    Args:
        wanted: as configured.
        step: runs one training step in the given precision without changing anything.
    """
    if wanted != "auto":
        return wanted
    seconds = {precision: seconds_a_step(step, precision) for precision in ("fp32", "bf16")}
    return "bf16" if seconds["bf16"] * 1.05 < seconds["fp32"] else "fp32"


def seconds_a_step(step: Callable[[str], None], precision: str) -> float:
    """The time of one training step, from a few of them."""
    for _ in range(_WARM):
        step(precision)
    started = time.perf_counter()
    for _ in range(_TIMED):
        step(precision)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / _TIMED
