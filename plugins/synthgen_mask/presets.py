"""What follows from the data, and the named presets. The demo's figures stand beside its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.api import Schema

__all__ = ["PRESETS", "choices"]

NOISE = {"mean": 0.3, "std": 1.2, "sigma_min": 0.02}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {"network": {"width": 32}, "train": {"samples": 20_000}},
}


def choices(schema: Schema, records: int) -> dict[str, Any]:
    """Configuration that follows from the image size."""
    side = max(schema.shape[1:])
    return {
        "network": {"patch": 2, "width": 64, "multipliers": (1, 2) if side <= 32 else (1, 2, 2)},
        "noise": NOISE,
        "optim": {"batch_size": 128 if side <= 32 else 32},
    }
