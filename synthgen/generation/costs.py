"""What a data set of n records costs on W workers: seconds, bytes, floating-point operations, money.

    seconds(n, W) = start + ceil(S / W) * n/S * r + S m + c,        S = shards,  r = seconds a record on one worker

A worker makes whole shards, so the last round may be uneven; `start` is what a process needs before its first record, m
what one shard costs the process that finishes the data set (its marker read, its row in the manifest) and c the rest of
finishing. These three are estimates, not measurements of the machine at hand. Nothing else is taken to be shared
between workers, so the model has no further term: `docs/scaling.md` says what it was compared with and where it ends.

With failures at a rate of one in `life` seconds of a worker's work, a shard of t seconds is made again until it is
whole: (e^(t / life) - 1) * life seconds in expectation (Daly 2006, "A higher order estimate of the optimum checkpoint
interval", eq. 7 without restart cost).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from synthgen.generation.plan import Plan
from synthgen.generation.worker import make_records
from synthgen.io.run import Run

__all__ = ["Cost", "Figures", "cost", "measure"]

_TRIAL = 32
# Measured by benchmarks/generation_scaling.py (4.4 s, 0.15 ms, 6 ms), the last two rounded up for slower disks; on a
# busy machine a process took up to 15 s to start.
_START_SECONDS = 4.0  # Python, torch and the run
_SECONDS_A_SHARD = 0.0003  # of the process that finishes
_FINISHING_SECONDS = 0.1


@dataclass(frozen=True)
class Figures:
    """What one worker was measured at.

    Args:
        seconds: a record.
        bytes: a record, before compression.
        flops: a record, in matrix products and convolutions.
    """

    seconds: float
    bytes: float
    flops: float


@dataclass(frozen=True)
class Cost:
    """What a data set would take.

    Args:
        seconds: of wall time.
        worker_seconds: that all workers are held, the idle end of the last round included.
        bytes: before compression.
        flops: in all.
        price: in the currency of the price asked with; None without one.
    """

    seconds: float
    worker_seconds: float
    bytes: int
    flops: float
    price: float | None


def measure(run: Run, plan: Plan) -> Figures:
    """Make a few of the plan's records and time them."""
    trial = range(min(plan.n, plan.sampling.batch_size, _TRIAL))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        make_records(run, plan, trial)  # warm
    started = time.perf_counter()
    records = make_records(run, plan, trial)
    seconds = time.perf_counter() - started
    size = sum(column.nbytes for column in records.columns.values())
    return Figures(seconds / len(trial), size / len(trial), counted.get_total_flops() / len(trial))


def cost(
    figures: Figures,
    n: int,
    *,
    shards: int,
    workers: int = 1,
    life: float = math.inf,
    price_per_hour: float | None = None,
) -> Cost:
    """The cost of n records.

    Args:
        figures: of one worker.
        n: records.
        shards: that they are cut into.
        workers: at once.
        life: mean seconds of work between two failures of a worker.
        price_per_hour: of one worker.
    """
    busy = min(workers, shards)
    shard = n / shards * figures.seconds
    expected = shard if math.isinf(life) else life * math.expm1(shard / life)
    making = math.ceil(shards / busy) * expected
    seconds = _START_SECONDS + making + shards * _SECONDS_A_SHARD + _FINISHING_SECONDS
    held = workers * seconds
    price = None if price_per_hour is None else held / 3600 * price_per_hour
    return Cost(seconds, held, round(figures.bytes * n), figures.flops * n, price)
