"""How much of a record each pixel class covers: what the denoiser is told, and what `--require` asks for.

The condition `area` holds a value for each class,

    a = 1 + q/2,  q = log10(share) rounded to thirds     1 all of the record, 0 one pixel in a hundred, -1 and less none

Rounded, because the exact areas of a training record would name that record, and be answered with it. Shares are of the
pixels that are not ignored; a record without any is not told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.errors import UsageError
from synthgen_mask.classes import MaskClass, index_masks

__all__ = ["AREA", "areas_of", "class_positions", "rows_with", "shares", "told"]

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


def class_positions(names: Sequence[str], classes: Sequence[MaskClass]) -> list[int]:
    """Positions of classes named by name or id.

    Raises:
        UsageError: there is none of that name.
    """
    known = {entry.name: k for k, entry in enumerate(classes)} | {str(entry.id): k for k, entry in enumerate(classes)}
    for name in names:
        if name not in known:
            listed = ", ".join(entry.name for entry in classes[:20])
            raise UsageError(f"unknown pixel class {name}", hint=f"The run knows: {listed}.")
    return [known[name] for name in names]


def rows_with(condition: Tensor, require: Mapping[int, float]) -> NDArray[np.bool_]:
    """Which rows of the condition `(rows, K)` stand for at least these shares, position -> share, `(rows,)`."""
    found = np.ones(len(condition), dtype=bool)
    areas = areas_of(condition).numpy()
    for position, share in require.items():
        found &= areas[:, position] >= share
    return found
