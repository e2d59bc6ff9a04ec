"""A technique, the paper it comes from, and when a run uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthgen.config import RunConfig

__all__ = ["Shown", "Technique", "always", "never"]


@dataclass(frozen=True)
class Shown:
    """What a run's schema and facts, and the plan of a data set made with it, show beside the configuration.

    Args:
        dense: the run has a condition that is aligned with its records.
        started: it began with another run's weights.
        rehearsed: it continued another run and rehearsed that one's records.
        use: what the data set did with given records, see `synthgen.generation.given`; empty without any.
        method: how it drew a region of them anew, see `synthgen.generation.imputing`; empty without regions.
        vetted: a judge chose among its records.
    """

    dense: bool = False
    started: bool = False
    rehearsed: bool = False
    use: str = ""
    method: str = ""
    vetted: bool = False


@dataclass(frozen=True)
class Technique:
    """One technique and its paper.

    Args:
        key: BibTeX key.
        purpose: what synthgen uses it for.
        authors, title, venue, year: of the paper; authors joined by " and ".
        used: whether a run of this configuration uses it.
        shown: whether a run or data set uses it by what it shows beside its configuration.
    """

    key: str
    purpose: str
    authors: str
    title: str
    venue: str
    year: int
    used: Callable[[RunConfig], bool]
    shown: Callable[[Shown], bool] = lambda shown: False

    def text(self) -> str:
        """One line for a reference list."""
        names = self.authors.split(" and ")
        who = names[0] if len(names) == 1 else f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{who} ({self.year}). {self.title}. {self.venue}."

    def bibtex(self) -> str:
        """A BibTeX entry."""
        return (
            f"@misc{{{self.key},\n  author = {{{self.authors}}},\n  title = {{{{{self.title}}}}},\n"
            f"  howpublished = {{{self.venue}}},\n  year = {{{self.year}}}\n}}"
        )


def always(config: RunConfig) -> bool:
    """For what every run uses."""
    return True


def never(config: RunConfig) -> bool:
    """For what no configuration asks for: `Technique.shown` says when, or it is only called from Python."""
    return False
