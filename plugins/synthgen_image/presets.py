"""Sizes of network and budget for images, all in one table each, so that they can be tuned in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.api import Schema

__all__ = ["PRESETS", "configure_images"]

# Largest side up to -> the U-Net. Budgets are set by the trainer from the number of records. From 17 pixels on the
# network works on patches: at equal processor time it sees more records, and its samples are better for it
# (benchmarks/image_network.py). A patch of RGB has no more values than the network has channels.
_NETWORKS: tuple[tuple[int, dict[str, Any]], ...] = (
    (8, {"width": 64, "multipliers": (1, 2), "blocks": 2}),
    (16, {"width": 48, "multipliers": (1, 2), "blocks": 2}),
    (32, {"width": 64, "multipliers": (1, 2), "blocks": 2, "patch": 2}),
    (64, {"width": 64, "multipliers": (1, 2, 3), "blocks": 1, "patch": 2}),
    (128, {"width": 96, "multipliers": (1, 2, 3), "blocks": 1, "patch": 4}),
    (1024, {"width": 96, "multipliers": (1, 2, 2, 3), "blocks": 1, "patch": 4}),
)

# From so many records on -> dropout in the residual blocks (few records: more of it).
_DROPOUT: tuple[tuple[int, float], ...] = ((50_000, 0.05), (1_000, 0.1), (0, 0.2))

# Orthogonal updates pay where a step is dear beside them: on MNIST they halve the Frechet distance at equal time, on
# 8 x 8 digits they change nothing (benchmarks/image_network.py).
_OPTIMISERS: tuple[tuple[int, dict[str, Any]], ...] = ((16, {}), (1024, {"name": "muon", "lr": 4e-3}))

# Largest side up to -> records a step and a sampling call.
_BATCHES: tuple[tuple[int, int, int], ...] = ((32, 128, 256), (64, 64, 64), (128, 32, 32), (1024, 8, 8))

_PATCHES: dict[str, Any] = {
    "network": {"name": "vit", "width": 768, "blocks": 12, "heads": 12, "patch": 16, "dropout": 0.0},
    "noise": {"parameterisation": "x", "density": "logit-normal", "mean": 0.8, "std": 0.8},
    "loss": {"weight": "velocity", "uncertainty": False},
    "optim": {"name": "adamw", "lr": 2e-4, "batch_size": 128, "accumulate": 4},
    "sampling": {"steps": 32, "batch_size": 32, "grid": "flow"},
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "draft": {
        "network": {"width": 32, "multipliers": (1, 2), "blocks": 1},
        "sampling": {"steps": 8},
    },
    "quality": {
        "network": {"width": 96, "blocks": 2},
        "optim": {"name": "adamw", "lr": 5e-4},
        "sampling": {"steps": 32},
    },
    "gpu-256": _PATCHES,
}
"""Preset -> overrides on top of `configure_images`."""


def configure_images(schema: Schema, records: int) -> Mapping[str, Any]:
    """Network, dropout and batch sizes for images of this shape and number."""
    side = max(schema.shape[1:])
    network = next(choice for largest, choice in _NETWORKS if side <= largest)
    dropout = next(rate for fewest, rate in _DROPOUT if records >= fewest)
    optimiser = next(choice for largest, choice in _OPTIMISERS if side <= largest)
    _, batch, sampling = next(row for row in _BATCHES if side <= row[0])
    return {
        "network": {"name": "unet", **network, "dropout": dropout},
        "optim": {"batch_size": batch, **optimiser},
        "sampling": {"batch_size": sampling},
    }
