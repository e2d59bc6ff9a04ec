"""What follows from the data, and the named presets.

The network predicts the clean record itself, from patches of 2 x 2 pixels (Li & He 2025, "Back to basics: let denoising
generative models denoise"). What it cannot yet predict then comes out smooth; EDM's mix of record and noise left noise
in the sample, and a noisy arg-max is salt all over the mask. The masks stand at twice the scale of the image, and
training puts its noise levels where shapes are decided; below 0.1 there is nothing left that a mask could say.

Guidance holds the classes asked for more firmly: at the weights 1, 1.5, 2 and 3 a judge that learnt from drawn pairs
reaches .87, .91, .91 and .88 of one that learnt from real ones, and drawn masks agree with the real-trained judge at
.69, .79, .82 and .82 where real ones do at .83 (benchmarks/mask_quality.py --samples 80000, means of two seeds). It
costs likeness: the demo's run, once, by hand: at 1, 1.5 and 2 the two-sample AUC is .81, .85 and .89, recall .89, .87
and .81, so 1.5, which brings nearly all of the use.

In a quarter of the training records image or mask is clean, so that one run draws pairs, images to masks and masks to
images. Pairs pay a little for it: after 80,000 records the judge that learnt from drawn ones reaches .91 and .91, not
.91 and .92, of one that learnt from real ones, and drawn masks agree at .75 and .74 instead of .80 and .77 (seeds 0
and 1). After a third more records, the default, these are .91 and .88, and .79 and .76; one judge a seed tells no
differences of a few hundredths. With .4 of the records clean the judge reaches .89 and .87.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.api import Schema

__all__ = ["PRESETS", "choices"]

NOISE = {"parameterisation": "x", "mean": 0.8, "std": 1.4, "sigma_min": 0.1, "clean": 0.25}

GUIDANCE = 1.5

FEW = 1000
"""Below so many records the network drops feature maps in training."""
PASSES = 27
"""How often training sees each record; the demo then takes about two minutes on two cores."""

# longest side up to -> network and optimiser; the last row is for all that is larger
SIZES: tuple[tuple[int, dict[str, Any], dict[str, Any]], ...] = (
    (32, {"patch": 2, "width": 64, "multipliers": (1, 2)}, {"batch_size": 64, "lr": 1.5e-3}),
    (128, {"patch": 4, "width": 96, "multipliers": (1, 2)}, {"batch_size": 32, "lr": 1e-3}),
    (1 << 30, {"patch": 4, "width": 96, "multipliers": (1, 2, 2)}, {"batch_size": 16, "lr": 1e-3}),
)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {"network": {"width": 48}, "train": {"samples": 20_000}},
}


def choices(schema: Schema, records: int) -> dict[str, Any]:
    """Configuration that follows from the image size."""
    side = max(schema.shape[1:])
    network, optimiser = next((network, optimiser) for limit, network, optimiser in SIZES if side <= limit)
    return {
        "network": {**network, "dropout": 0.1 if records < FEW else 0.0},
        "noise": NOISE,
        "optim": optimiser,
        "sampling": {"guidance": GUIDANCE},
        "train": {"samples": min(1_000_000, max(24_000, PASSES * records))},
    }
