"""What a layout of files gives: pairs, and what its lists and tables say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthgen_mask.classes import ClassTable
from synthgen_mask.pairs import Pairs

__all__ = ["Found", "official"]


@dataclass(frozen=True)
class Found:
    """Pairs of images and masks as one layout understands them.

    Args:
        pairs: of all parts, in order.
        metadata: one row a pair; empty: none has any.
        split: `train` or `test` for each pair where the data says so.
        table: the classes that the layout itself names.
        notes: sentences for the user.
    """

    pairs: Pairs
    metadata: Sequence[Mapping[str, str]] = ()
    split: NDArray[np.str_] | None = None
    table: ClassTable | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def official(splits: Sequence[str]) -> NDArray[np.str_] | None:
    """The split of each pair where there are both training and test pairs, else None."""
    return np.array(splits) if {"train", "test"} <= set(splits) else None
