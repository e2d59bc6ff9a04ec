"""Precision and device, chosen by timing: bf16 is 1.4-5x faster on CPUs with AMX and several times slower without.

Weights are always float32; the network runs in bf16 or fp16 under autocast. fp16 ends at 65,504 and has no small
gradients, so its loss is scaled up before the backward pass and the gradients down after it; a step that overflows is
left out and the scale halved (Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740). bf16 needs none
of this, so fp16 is never chosen unasked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from synthgen.errors import ConfigError

__all__ = ["autocast", "choose_device", "choose_precision", "loss_scaler", "seconds_a_step"]

_TIMED = 3
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device() -> torch.device:
    """The GPU where there is one, of several the current one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context in which the network runs."""
    if precision in _TYPES:
        return torch.autocast(device.type, dtype=_TYPES[precision])
    return nullcontext()


def loss_scaler(device: torch.device) -> torch.amp.GradScaler:
    """What scales the loss in fp16; its scale starts at 65,536, halves at an overflow and doubles after 2,000 steps."""
    return torch.amp.GradScaler(device.type)


def choose_precision(wanted: str, step: Callable[[str], None]) -> str:
    """`fp32`, `bf16` or `fp16`: as asked, or the faster of fp32 and bf16 in a few timed steps.

    Args:
        wanted: as configured: `auto` or one of the three.
        step: runs one training step in the given precision without changing anything.

    Raises:
        ConfigError: fp16 was asked for, and this device cannot train in it.
    """
    if wanted == "fp16":
        try:
            step(wanted)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"this device cannot train in fp16: {first}", hint="Set train.precision to bf16, fp32 or auto."
            ) from error
    if wanted != "auto":
        return wanted
    fp32, bf16 = seconds_a_step(step, "fp32", "bf16")
    return "bf16" if bf16 * 1.05 < fp32 else "fp32"


def seconds_a_step(step: Callable[[str], None], *precisions: str) -> list[float]:
    """The time of one training step in each precision.

    The quickest of a few, taken in turn: whatever else the machine does then slows all of them alike.
    """
    for precision in precisions:
        step(precision)
    return [min(times) for times in zip(*(_round(step, precisions) for _ in range(_TIMED)), strict=True)]


def _round(step: Callable[[str], None], precisions: Sequence[str]) -> list[float]:
    times = []
    for precision in precisions:
        started = time.perf_counter()
        step(precision)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return times
