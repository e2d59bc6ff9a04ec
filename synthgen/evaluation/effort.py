"""How much an evaluation spends: `--fast` for a first look, the default, `--full` for the last word."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DEFAULT", "FAST", "FULL", "Clock", "Effort"]

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Effort:
    """One way of spending.

    Args:
        name: `fast`, `default` or `full`.
        seeds: judges trained for each arm.
        draws: bootstrap samples of cheap metrics.
        shares: of the real labels, for `gain_25`, `tstr_25`, `gain_10` and `tstr_10`.
        curve: whether the learning curve over the amount of synthetic data is measured.
        records: most records read of a side; None: what memory allows, at most 20,000.
        compared: most records a side in feature space.
        restored: most records a side that the model restores from noise.
    """

    name: str
    seeds: int
    draws: int
    shares: tuple[float, ...]
    curve: bool
    records: int | None
    compared: int
    restored: int


FAST = Effort("fast", 1, 200, (), False, 2_000, 2_000, 150)
DEFAULT = Effort("default", 3, 1000, (), False, None, 5_000, 400)
FULL = Effort("full", 5, 2000, (0.25, 0.1), True, 100_000, 100_000, 2_000)


@dataclass
class Clock:
    """Tells what is being done, which share is done and how long the rest will take.

    Args:
        tell: takes the events.
        total: units of work that are expected; a judge trained for one seed is about one.
    """

    tell: Progress
    total: float
    done: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def begin(self, stage: str, units: float) -> None:
        """A stage of so many units begins, and what came before is done."""
        share = min(0.99, self.done / max(self.total, 1e-9))
        seconds = time.perf_counter() - self.started
        event: dict[str, Any] = {"kind": "evaluate", "stage": stage, "progress": share}
        if share > 0.02:
            event["remaining"] = seconds * (1 - share) / share
        self.tell(event)
        self.done += units
