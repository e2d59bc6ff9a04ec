"""Sampling in the middle of training, from a network that is no run yet: a few records to look at or to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from synthgen import registry
from synthgen.api import Codec, Modality, Records, Schema
from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.samplers import Sampler
from synthgen.errors import UsageError
from synthgen.generation.sampling import noise_levels, settings_of
from synthgen.seeding import standard_normal
from synthgen.training.precision import autocast

__all__ = ["judged", "sample"]


def sample(
    denoiser: AnyDenoiser,
    conditions: Mapping[str, Tensor],
    config: RunConfig,
    schema: Schema,
    *,
    count: int,
    device: torch.device,
    precision: str,
) -> Tensor:
    """Samples `(count, C, *spatial)` on the CPU, by the run's sampling defaults without guidance.

    Args:
        denoiser: on its device.
        conditions: name -> tensor with `count` rows.
        config, schema: of the run; the same seed gives the same noise.
        count: how many.
        device, precision: where and how the network runs.
    """
    options = config.sampling
    sampler: Sampler = registry.load("samplers", options.sampler)
    sigmas = noise_levels(config.noise, options, sampler)

    def normal(purpose: str, ids: Sequence[int], step: int = 0) -> Tensor:
        return torch.from_numpy(standard_normal(config.train.seed, purpose, ids, schema.shape, step=step)).to(device)

    parts = []
    for start in range(0, count, options.batch_size):
        ids = range(start, min(count, start + options.batch_size))
        with torch.inference_mode(), autocast(device, precision):
            x = sampler.solve(
                denoiser,
                normal("watch", ids) * float(sigmas[0]),
                sigmas,
                conditions={name: values[ids.start : ids.stop].to(device) for name, values in conditions.items()},
                noise=partial(normal, "watch-sde", ids),
                settings=settings_of(options),
            )
        parts.append(x.float().cpu())
    return torch.cat(parts)


def judged(
    x: Tensor,
    conditions: Mapping[str, Tensor],
    *,
    modality: Modality,
    schema: Schema,
    codec: Codec,
    real: Records,
    seed: int,
) -> float:
    """What a judge trained on samples reaches on real records (`tstr`); higher is better.

    Args:
        x: samples `(N, C, *spatial)`.
        conditions: that they were made with.
        modality, schema, codec: of the run.
        real: records never trained on.
        seed: of the judge.

    Raises:
        UsageError: such records have nothing to judge by.
    """
    judge = modality.judge(schema, seed=seed)
    if judge is None:
        raise UsageError("these records have nothing to judge by, so there is no tstr", hint="Use the held-out loss.")
    return float(judge.fit(codec.decode(x, conditions)).evaluate(real).value())
