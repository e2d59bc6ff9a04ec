"""Who is told what happens in a training: the caller, plugins that observe, and the loggers of `train.loggers`."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen import registry
from synthgen.plugins import plugin_host
from synthgen.training.loop import Trainer

__all__ = ["Events", "Progress", "stop_requested"]

Progress = Callable[[Mapping[str, Any]], None]


class Events:
    """Tells everybody.

    Args:
        run: its directory.
        trainer: whose counters each event carries.
        loggers: names from `synthgen list loggers`.
        progress: the caller's own function.
        silent: nobody is told: another process of this training speaks.

    Raises:
        UsageError, PluginError: a logger that nobody provides, or whose package is missing.
    """

    def __init__(
        self, run: Path, trainer: Trainer, *, loggers: Sequence[str], progress: Progress | None, silent: bool = False
    ) -> None:
        self._run = run
        self._trainer = trainer
        self._progress = progress
        self._silent = silent
        self._loggers: list[tuple[registry.Registered, Progress]] = [
            (registry.find("loggers", name), registry.load("loggers", name)(run))
            for name in (() if silent else loggers)
        ]

    def tell(self, kind: str, for_caller: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """One event; what a plugin raises is reported and stops nothing.

        Args:
            kind: of the event.
            for_caller: for the caller alone, such as a function that makes a preview, which costs time.
            more: of the event.
        """
        if self._silent:
            return
        trainer, budget = self._trainer, self._trainer.config.train
        event = {
            "kind": kind,
            "samples": trainer.samples,
            "total": budget.samples,
            "seconds": trainer.seconds,
            "total_seconds": None if budget.minutes is None else 60 * budget.minutes,
            "progress": trainer.progress,
            "run": str(self._run),
            **more,
        }
        if self._progress is not None:
            self._progress({**event, **(for_caller or {})})
        plugin_host().notify("synthgen_train_event", event=event)
        for record, logger in self._loggers:
            with plugin_host().isolated(record.plugin, f"logger {record.spec.name}"):
                logger(event)


@contextlib.contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets, instead of stopping in the middle of a step."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
