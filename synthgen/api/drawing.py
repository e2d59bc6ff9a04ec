"""A picture that a modality adds to a report: title, caption, and a function that draws it in the page's colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "Palette"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours that follow the reader's light or dark scheme; what is drawn in any other colour stays as it is.

    Args:
        ink: text.
        soft: labels and ticks.
        line: grid and frames.
        real, synthetic: the two sides.
    """

    ink: str
    soft: str
    line: str
    real: str
    synthetic: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What `drawings(schema, train, holdout, synthetic)` of a modality returns a sequence of; the method is optional.

    Args:
        title: heading of the picture.
        caption: what it shows and what good looks like.
        draw: makes a `matplotlib.figure.Figure` without pyplot, its background left transparent.
    """

    title: str
    caption: str
    draw: Callable[[Palette], Figure]
