"""A technique, the paper it comes from, and when a run uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthgen.config import RunConfig

__all__ = ["Technique", "always", "never"]


@dataclass(frozen=True)
class Technique:
    """One technique and its paper.

    Args:
        key: BibTeX key.
        purpose: what synthgen uses it for.
        authors, title, venue, year: of the paper; authors joined by " and ".
        used: whether a run of this configuration uses it.
    """

    key: str
    purpose: str
    authors: str
    title: str
    venue: str
    year: int
    used: Callable[[RunConfig], bool]

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
    """For what is called from Python, and no configuration asks for."""
    return False
