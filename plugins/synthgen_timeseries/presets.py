"""Configuration that follows from the data: tables first, so that a measured better choice is one changed line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from synthgen.api import Schema

__all__ = ["PRESETS", "configuration"]

_ADAMW = {"name": "adamw", "lr": 1e-3}
"""Of presets for which Muon was not measured; the others take `_OPTIMISER`."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {"network": {"width": 32, "blocks": 1}, "sampling": {"steps": 12}},
    "large": {"network": {"width": 96}, "optim": {"name": "adamw", "lr": 6e-4}},
    "dit": {"network": {"name": "dit", "width": 64, "blocks": 4, "patch": 4}, "optim": _ADAMW},
    "grid": {"network": {"name": "grid", "width": 64, "blocks": 4, "patch": 4}, "optim": _ADAMW},
    "grid-gpu": {
        "network": {"name": "grid", "width": 256, "blocks": 8, "heads": 8, "patch": 2},
        "optim": {"name": "adamw", "lr": 6e-4, "batch_size": 512},
        "train": {"samples": 10_000_000},
    },
    "complete": {"train": {"context": 0.5}},
}
"""Named sets of choices, on top of what `configuration` says. `complete` also fills, forecasts and extends."""

_BY_STEPS: tuple[tuple[int, dict[str, Any]], ...] = (
    (32, {"multipliers": (1, 2), "patch": 1}),
    (192, {"multipliers": (1, 2, 2), "patch": 1}),
    (512, {"multipliers": (1, 2, 2), "patch": 2}),
    (2**31, {"multipliers": (1, 2, 2, 2), "patch": 4}),
)
"""Network by the largest number of steps for which it is meant."""

_DROPOUT: tuple[tuple[int, float], ...] = ((200, 0.2), (2_000, 0.1), (20_000, 0.05), (2**62, 0.0))
"""Dropout by the largest number of training records."""

_BUDGET: tuple[tuple[int, int], ...] = ((100, 40_000), (1_000, 100_000), (10_000, 400_000), (2**62, 1_000_000))
"""Training samples by the largest number of training records."""

_BATCH: tuple[tuple[int, int], ...] = ((100, 32), (1_000, 64), (2**62, 128))
"""Batch size by the largest number of training records."""

_NOISE_TOP = 2.4
"""Two-sigma upper edge of ln sigma in training; the lower edge follows the finest movement of the data."""

_SIGMA_MIN = (0.0008, 0.01)
"""Range of the smallest noise level; within it, a third of the finest movement."""

_OPTIMISER = {"name": "muon", "lr": 4e-3}
"""Orthogonal updates: at equal time nearer to the data than AdamW, or as near (benchmarks/README.md)."""

_DETAILS, _FINE = 3, 0.05
"""Octaves of fine detail beside x, for one channel whose finest movement is below so many deviations: curves at rest
come out smooth. Rough series gain nothing, and windows of several channels lose by it (benchmarks/README.md)."""

_WIDTH = 48
_BLOCKS = 2


def configuration(schema: Schema, records: int) -> dict[str, Any]:
    """Overrides for series of this shape.

    Args:
        schema: of the data.
        records: number of training records.
    """
    finest = float(schema.extra.get("finest", 0.05))
    network = {"name": "unet", "width": _WIDTH, "blocks": _BLOCKS, "dropout": _choose(_DROPOUT, records)}
    return {
        "network": {**network, **_choose(_BY_STEPS, schema.shape[1])},
        "noise": {
            **_noise(finest),
            "covariance": schema.shape[0] > 1,
            "details": _DETAILS if schema.shape[0] == 1 and finest < _FINE else 0,
        },
        "optim": {**_OPTIMISER, "batch_size": _choose(_BATCH, records)},
        "train": {"samples": _choose(_BUDGET, records)},
    }


def _noise(finest: float) -> dict[str, float]:
    """Noise levels from below the finest movement (the encoded deviation is 0.5) up to where no shape is left.

    With a fixed lower end, series at rest beside lively ones come out visibly noisy.
    """
    sigma_min = min(max(0.5 * finest / 3, _SIGMA_MIN[0]), _SIGMA_MIN[1])
    bottom = math.log(2 * sigma_min)
    return {
        "mean": round((_NOISE_TOP + bottom) / 2, 2),
        "std": round((_NOISE_TOP - bottom) / 4, 2),
        "sigma_min": round(sigma_min, 5),
    }


def _choose(table: tuple[tuple[int, Any], ...], size: int) -> Any:
    return next(choice for most, choice in table if size <= most)
