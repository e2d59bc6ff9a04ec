"""Progress on stderr: a live bar on a terminal, otherwise one plain line every ten seconds.

Events are mappings as `synthgen.train`, `generate`, `evaluate` and `score` emit them: how far (`samples`, `records` or
`done`), of how many (`total`), or the share done where time is the budget (`progress`), what was measured (`loss`,
`held_out`), and which `stage` of several has begun. Rate and remaining time are worked out here, unless an event that
begins a stage says how many seconds are `remaining` in all. A `preview` is a function that makes a few records; it is
called where the terminal can show them, and not elsewhere.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from synthgen.cli.strip import can_show_pictures, strip

__all__ = ["Progress", "describe", "duration"]

_PLAIN_INTERVAL = 10.0
_LIVE_INTERVAL = 0.1
_COUNTS = ("records", "samples", "done")


class Progress:
    """Takes events while open: `with Progress("train", shown=True) as progress: train(..., progress=progress)`.

    Args:
        title: what is going on.
        shown: False: takes events and stays silent.
        events: an event as one line of text for programs, written for each event instead of the bar; None: for people.
    """

    def __init__(self, title: str, *, shown: bool, events: Callable[[Mapping[str, Any]], str] | None = None) -> None:
        self.title = title
        self._shown = shown and events is None
        self._events = events if shown else None
        self._bar: Any = None
        self._stage: object = None
        self._begin()

    def _begin(self) -> None:
        self._latest: dict[str, Any] = {}
        self._said: dict[str, Any] = {}
        self._first: dict[str, Any] | None = None
        self._started = self._spoke = time.monotonic()

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
        elif self._shown and error is None and self._stage is None and _news(self._latest) != _news(self._said):
            self._say()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        preview = event.get("preview")
        event = {key: value for key, value in event.items() if key != "preview"}
        if self._events is not None:
            self._print(self._events({"event": self.title, **event}))
        stage = event.get("stage")
        if stage is not None and stage != self._stage:
            self._enter(str(stage), event)
        self._latest.update({key: value for key, value in event.items() if value is not None})
        if self._first is None and _count(self._latest) is not None:
            self._first = dict(self._latest)
        if not self._shown:
            return
        if text := event.get("message"):
            self._print(f"{self.title}: {text}")
        if preview is not None and self._bar is not None and can_show_pictures(os.environ):
            self._bar.strip = "\n".join(strip(preview()))
        now = time.monotonic()
        if self._bar is None:
            if now - self._spoke >= _PLAIN_INTERVAL:
                self._say()
        elif now - self._spoke >= _LIVE_INTERVAL:
            self._spoke = now
            share = _share(self._latest)
            self._bar.update(
                self._task,
                completed=share or 0.0,
                total=None if share is None else 1.0,
                facts=describe(self._latest, now - self._started, since=self._first, live=True),
            )

    def _enter(self, stage: str, event: Mapping[str, Any]) -> None:
        """A new stage of several: its own count, its own clock."""
        self._stage = stage
        self._begin()
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self.title}: {stage}", completed=0, total=None, facts="")
        elif self._shown:
            left = event.get("remaining")
            self._print(f"{self.title}: {stage}" + ("" if left is None else f", {duration(float(left))} left"))

    def _say(self) -> None:
        self._spoke = time.monotonic()
        line = describe(self._latest, self._spoke - self._started, since=self._first)
        self._print(f"{self.title}: {line}")
        self._said = self._latest.copy()

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def describe(
    facts: Mapping[str, Any], seconds: float, *, since: Mapping[str, Any] | None = None, live: bool = False
) -> str:
    """One line: how far, how fast, how long still, how good.

    Args:
        facts: the newest value of each key of the events so far.
        seconds: since the start.
        since: the same at the start; a resumed run does not begin at nothing.
        live: leave out what the bar already shows.
    """
    parts: list[str] = []
    count, total, share = _count(facts), facts.get("total"), _share(facts)
    if count is not None:
        if not live:
            of = f" of {total:,.0f}" if total else "" if share is None else f" ({share:.0%})"
            parts.append(f"{count:,.0f}{of} {_unit(facts)}".rstrip())
        rate = (count - (_count(since or {}) or 0)) / seconds if seconds > 0 else 0.0
        if rate > 0 and _unit(facts):
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if share is not None and share < 1:
        gained = share - (_share(since or {}) or 0)
        if "remaining" in facts:
            parts.append(f"{duration(float(facts['remaining']))} left")
        elif gained > 0:
            parts.append(f"{duration(seconds * (1 - share) / gained)} left")
    if "loss" in facts:
        parts.append(f"loss {float(facts['loss']):.4f}")
    if "held_out" in facts:
        parts.append(f"held-out {float(facts['held_out']):.4f}")
    return ", ".join(parts) or duration(seconds)


def _news(facts: Mapping[str, Any]) -> list[Any]:
    """What a line says, but for the clock."""
    return [facts.get(key) for key in (*_COUNTS, "loss", "held_out")]


def _count(facts: Mapping[str, Any]) -> float | None:
    return next((float(facts[key]) for key in _COUNTS if key in facts), None)


def _share(facts: Mapping[str, Any]) -> float | None:
    """How much of the whole is done, 0 to 1."""
    if "progress" in facts:
        return float(facts["progress"])
    count, total = _count(facts), facts.get("total")
    return None if count is None or not total else count / float(total)


def _unit(facts: Mapping[str, Any]) -> str:
    return next((key for key in ("records", "samples") if key in facts), "")


def duration(seconds: float) -> str:
    """In words: `12 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _live_bar() -> Any:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Bar(RichProgress):
        """The bar, and below it what the model makes by now."""

        strip = ""

        def get_renderables(self) -> Iterable[Any]:
            yield from super().get_renderables()
            if self.strip:
                yield Text.from_ansi(self.strip)

    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}"),
        console=RichConsole(stderr=True),
        transient=True,
    )
