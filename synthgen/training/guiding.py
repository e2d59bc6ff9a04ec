"""The weight of classifier-free guidance that a run samples with, chosen when its training ends.

How much guidance helps depends on how far training came: digits after 60 passes are best without (Frechet distance 0.7,
1.7 and 3.0 with the weights 1, 1.25 and 1.5), MNIST after two passes is better with it in every figure (4.1, 1.9, 1.6
with 1, 1.5 and 2; benchmarks/image_network.py). So a few weights are tried on the same noise and conditions, and
the one stays whose samples are nearest to records never trained on, by the kernel distance of encoded records.
Trying costs a twentieth of the evaluations of training; trainings that are too short for that keep the weight 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.guidance import Guided
from synthgen.evaluation.fidelity import kernel_distance

__all__ = ["WEIGHTS", "best_weight", "records_to_try"]

WEIGHTS = (1.0, 1.5, 2.0)
STEPS = 8
"""Evaluations a sample; the order of the weights is the same with more."""

_SHARE = 1 / 20
_FEWEST, _MOST = 64, 512
"""Records of a weight."""


def records_to_try(config: RunConfig, samples: int, *, conditions: bool) -> int:
    """How many records of each weight a training of so many samples pays for; 0: none are tried.

    None either without conditions, where the user or a preset has set the guidance, where samples are also guided by a
    snapshot, thresholded or drawn by several runs, in private training, whose guarantee covers no look at records, and
    in super-resolution.
    """
    train, sampling = config.train, config.sampling
    if sampling.autoguidance != 1 or sampling.threshold is not None or sampling.ensemble:
        return 0
    if not train.choose_guidance or not conditions or sampling.guidance != 1:
        return 0
    if train.dp_epsilon is not None or train.upsample_from is not None:
        return 0
    evaluations = STEPS * sum(1 if weight == 1 else 2 for weight in WEIGHTS)
    affordable = int(_SHARE * 3 * samples / evaluations)  # a training step costs about three evaluations
    return min(_MOST, affordable) if affordable >= _FEWEST else 0


def best_weight(
    denoiser: AnyDenoiser,
    sampled: Callable[[AnyDenoiser], Tensor],
    real: Tensor,
    *,
    guided: Sequence[str] = (),
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
) -> dict[float, float]:
    """Kernel distance of the samples of each weight to real records; the smallest is best.

    Args:
        denoiser: of the weights that the run keeps.
        sampled: samples `(N, C, *spatial)` by a denoiser, from the same noise and conditions each time.
        real: encoded records never trained on, `(M, C, *spatial)`.
        guided: conditions that are guided; empty: all.
        interval: as `sampling.guidance_interval`.
        rescale: as `sampling.rescale`.
    """
    center, spread = real.mean(), real.std() or 1.0

    def scaled(x: Tensor) -> NDArray[np.float64]:
        return np.asarray(((x - center) / spread).flatten(1), dtype=np.float64)

    def distance(weight: float) -> float:
        names = tuple(guided) or None
        guide = denoiser if weight == 1 else Guided(denoiser, weight, interval, names=names, rescale=rescale)
        return kernel_distance(scaled(sampled(guide)), scaled(real))

    return {weight: distance(weight) for weight in WEIGHTS}
