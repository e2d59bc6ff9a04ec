"""Grey values of masks: class ids, or two classes with soft edges, told apart by their histogram.

Masks of two classes that were smoothed or saved as JPEG have nearly all pixels near 0 and near 255, and beside these
shades: over the whole range, or just below white. Ids do not: they are few, or lie close together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError
from synthgen_mask.classes import histogram

__all__ = ["looks_smoothed", "threshold"]

HALF = 128
"""Grey values from here on are foreground."""
_NEAR = 16
_SETTLED = 0.9
_CLEAR = 0.75
_FEWEST_SHADES = 8
_PLAIN = (0, 1, 255)


def looks_smoothed(masks: NDArray[np.integer]) -> bool:
    """Whether the values are black and white with shades between, rather than ids."""
    counts = np.bincount(masks.ravel(), minlength=256)
    if len(counts) > 256 or not counts[:_NEAR].any() or not counts[-_NEAR:].any():
        return False
    settled = counts[: _NEAR + 1].sum() + counts[-_NEAR - 1 :].sum()
    shades = np.flatnonzero(counts[1:255]) + 1
    spread = all(((shades > low) & (shades <= low + 80)).any() for low in (_NEAR, _NEAR + 80, _NEAR + 160))
    faint = bool((shades >= 255 - _NEAR).any())  # what compression makes of white
    return bool(settled >= _SETTLED * counts.sum() and len(shades) >= _FEWEST_SHADES and (spread or faint))


def threshold(masks: NDArray[np.integer], said: list[str]) -> int:
    """The smallest value that is foreground; says how many pixels were neither black nor white.

    Raises:
        DataError: the values are not those of two classes; the message counts them.
    """
    largest = int(masks.max(initial=0))
    cut = HALF if largest >= HALF else 1
    between = int((~np.isin(masks, _PLAIN)).sum())
    near = (masks <= _NEAR) | (masks >= 255 - _NEAR) if cut == HALF else masks <= 1
    if near.mean() < _CLEAR or largest > 255:
        raise DataError(
            f"the masks do not look like two classes; pixels by value: {histogram(masks)}",
            hint="Leave data.mask_values at auto, or at ids where the values are class ids.",
        )
    if between:
        said.append(
            f"WARNING: {between:,} mask pixels ({between / masks.size:.2%}) are neither black nor white (smoothed or "
            f"compressed masks): {cut} and above is foreground"
        )
    return cut
