"""Progress on stderr: a live bar on a terminal, otherwise one plain line every ten seconds.

Events are mappings as `synthgen.train` and `synthgen.generate` emit them: how far (`samples` or `records`), of how many
(`total`), and what was measured (`loss`, `held_out`). Rate and remaining time are worked out here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress", "describe"]

_PLAIN_INTERVAL = 10.0
_LIVE_INTERVAL = 0.1


class Progress:
    """Takes events while open: `with Progress("train", shown=True) as progress: train(..., progress=progress)`.

    Args:
        title: what is going on.
        shown: False: takes events and stays silent.
    """

    def __init__(self, title: str, *, shown: bool) -> None:
        self.title = title
        self.latest: dict[str, Any] = {}
        self._shown = shown
        self._started = self._spoke = time.monotonic()
        self._first: float | None = None
        self._bar: RichProgress | None = None

    def __enter__(self) -> Self:
        if self._shown and sys.stderr.isatty():
            self._bar = _live_bar()
            self._task = self._bar.add_task(self.title, total=None, facts="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._shown and error is None and self.latest:
            self._say()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        self.latest.update({key: value for key, value in event.items() if value is not None})
        if self._first is None and _done(self.latest) is not None:
            self._first = _done(self.latest)
        if not self._shown:
            return
        now = time.monotonic()
        if text := event.get("message"):
            self._print(f"{self.title}: {text}")
        elif self._bar is not None:
            if now - self._spoke >= _LIVE_INTERVAL:
                self._spoke = now
                self._bar.update(
                    self._task,
                    completed=_done(self.latest) or 0,
                    total=self.latest.get("total"),
                    facts=describe(self.latest, now - self._started, since=self._first or 0, live=True),
                )
        elif now - self._spoke >= _PLAIN_INTERVAL:
            self._say()

    def _say(self) -> None:
        self._spoke = time.monotonic()
        self._print(f"{self.title}: {describe(self.latest, self._spoke - self._started, since=self._first or 0)}")

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def describe(facts: Mapping[str, Any], seconds: float, *, since: float = 0, live: bool = False) -> str:
    """One line: how far, how fast, how long still, how good.

    Args:
        facts: the newest value of each key of the events so far.
        seconds: since the start.
        since: how much was already done at the start (a resumed run).
        live: leave out what the bar already shows.
    """
    parts: list[str] = []
    done, total = _done(facts), facts.get("total")
    if done is not None:
        if not live:
            parts.append(f"{done:,.0f}" + (f" of {total:,.0f}" if total else "") + f" {_unit(facts)}")
        rate = (done - since) / seconds if seconds > 0 else 0.0
        if rate > 0:
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
            if total and total > done:
                parts.append(f"{_duration((total - done) / rate)} left")
    if "loss" in facts:
        parts.append(f"loss {float(facts['loss']):.4f}")
    if "held_out" in facts:
        parts.append(f"held-out {float(facts['held_out']):.4f}")
    return ", ".join(parts) or _duration(seconds)


def _done(facts: Mapping[str, Any]) -> float | None:
    for key in ("samples", "records", "done"):
        if key in facts:
            return float(facts[key])
    return None


def _unit(facts: Mapping[str, Any]) -> str:
    return "records" if "records" in facts and "samples" not in facts else "samples" if "samples" in facts else "steps"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _live_bar() -> RichProgress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}"),
        console=RichConsole(stderr=True),
        transient=True,
    )
