"""What follows from the data, and the named presets.

Three choices make the demo learnable within two minutes (16 x 16, equal budgets, mIoU of a judge trained on synthetic
over that of one trained on real records). The network predicts the clean record itself (0.72) rather than EDM's mix of
record and noise (0.41): what it cannot yet predict comes out smooth instead of noisy, and a noisy arg-max is salt all
over the mask. It works on patches, which is what makes that prediction hard otherwise (Li & He 2025, "Back to basics:
let denoising generative models denoise"). And the mask channels are large (EDM prediction: 0.41 at half the images'
scale, 0.67 at three times that), so that a pixel's class is settled well above the noise at which sampling ends.
Noise levels lie where shapes are decided; below 0.1 there is nothing left that a mask could say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.api import Schema

__all__ = ["PRESETS", "choices"]

NOISE = {"parameterisation": "x", "mean": 0.8, "std": 1.4, "sigma_min": 0.1}

FEW = 1000
"""Below so many records the network drops feature maps in training."""
PASSES = 20
"""How often training sees each record; the demo then takes about 100 s on two cores."""

# longest side up to -> network and optimiser; the last row is for all that is larger
SIZES: tuple[tuple[int, dict[str, Any], dict[str, Any]], ...] = (
    (32, {"patch": 2, "width": 64, "multipliers": (1, 2)}, {"batch_size": 64, "lr": 1.5e-3}),
    (128, {"patch": 4, "width": 96, "multipliers": (1, 2)}, {"batch_size": 32, "lr": 1e-3}),
    (1 << 30, {"patch": 4, "width": 96, "multipliers": (1, 2, 2)}, {"batch_size": 16, "lr": 1e-3}),
)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {"network": {"width": 48}, "train": {"samples": 20_000}},
    "edm": {"noise": {"parameterisation": "edm", "sigma_min": 0.02}},
}


def choices(schema: Schema, records: int) -> dict[str, Any]:
    """Configuration that follows from the image size."""
    side = max(schema.shape[1:])
    network, optimiser = next((network, optimiser) for limit, network, optimiser in SIZES if side <= limit)
    return {
        "network": {**network, "dropout": 0.1 if records < FEW else 0.0},
        "noise": NOISE,
        "optim": optimiser,
        "train": {"samples": min(1_000_000, max(24_000, PASSES * records))},
    }
