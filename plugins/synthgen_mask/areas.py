"""How much of a record each pixel class covers: what the denoiser is told, and what `--require` asks for.

The condition `area` holds a value for each class,

    a = 1 + q/2,  q = log10(share) rounded to thirds     1 all of the record, 0 one pixel in a hundred, -1 and less none

Rounded, because the exact areas of a training record would name that record, and be answered with it. Shares are of the
pixels that are not ignored; a record without any is not told of.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Records
from synthgen.errors import UsageError
from synthgen_mask.classes import MaskClass, index_masks

__all__ = ["AREA", "ClassShares", "areas_of", "shares", "told"]

AREA = "area"
"""Name of the condition."""

_ABSENT = -1.5
_STEPS = 3  # of a decade


def shares(mask: NDArray[np.integer], classes: Sequence[MaskClass]) -> NDArray[np.float64]:
    """Each class's share of the pixels that are not ignored, `(N, K)`; NaN where all are."""
    index = index_masks(mask, classes)
    counts = np.stack([(index == k).sum((1, 2)) for k in range(len(classes))], axis=1)
    total = counts.sum(1, keepdims=True).astype(np.float64)
    return np.asarray(counts / np.where(total > 0, total, np.nan))


def told(share: NDArray[np.float64] | Tensor) -> Tensor:
    """The condition of shares, float32 of their shape."""
    values = torch.as_tensor(share, dtype=torch.float64)
    steps = (_STEPS * values.clamp_min(1e-12).log10()).round() / _STEPS
    return torch.where(values == 0, _ABSENT, (1 + steps / 2).clamp_min(-1.25)).float()


def areas_of(told: Tensor) -> Tensor:
    """The shares that a condition stands for, in the middle of their step; 0 where absent."""
    return torch.where(told <= _ABSENT, 0.0, 10 ** (2 * (told.double() - 1)))


class ClassShares:
    """Shares of pixel classes; implements `synthgen.api.Shares`."""

    def __init__(self, classes: Sequence[MaskClass]) -> None:
        self._classes = tuple(classes)
        self.names = tuple(entry.name for entry in self._classes)

    def positions(self, names: Sequence[str]) -> list[int]:
        """Of classes by name or id.

        Raises:
            UsageError: there is none of that name.
        """
        known = {str(entry.id): k for k, entry in enumerate(self._classes)}
        known |= {name: k for k, name in enumerate(self.names)}
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, self.names, n=1)
                hint = f"Did you mean {close[0]}?" if close else f"The run knows: {', '.join(self.names[:20])}."
                raise UsageError(f"unknown pixel class {name}", hint=hint)
        return [known[name] for name in names]

    def measured(self, records: Records) -> NDArray[np.float64]:
        """Of the masks' pixels that are not ignored."""
        return shares(records["mask"], self._classes)

    def nearness(self, conditions: Mapping[str, Tensor], require: Mapping[int, float]) -> NDArray[np.float64] | None:
        """By the condition `area`, to whose steps the asked shares are rounded too; None for a run without it."""
        if AREA not in conditions:
            return None
        asked = areas_of(told(np.array(list(require.values()))))
        ratio = areas_of(conditions[AREA])[:, list(require)] / asked  # (rows, asked)
        return np.asarray(ratio.nan_to_num(0.0).min(dim=1).values.numpy())
