"""Filling in records: what is known stays, the rest is drawn from the model given what is known.

`guided` draws with the gradient of what is known, `replaced` repeats each step while known values are kept; see
`synthgen.diffusion.imputation`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from synthgen.api import Records
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.imputation import Reconstructed, Replaced
from synthgen.diffusion.samplers import MULTISTEP, REPAINT
from synthgen.errors import UsageError
from synthgen.generation.sampling import noise_levels, settings_of
from synthgen.io.run import Run
from synthgen.seeding import standard_normal
from synthgen.training.precision import choose_device

__all__ = ["impute"]


def impute(
    run: Run | Path | str,
    records: Records,
    *,
    known: Tensor | None = None,
    method: Literal["guided", "replaced"] = "guided",
    steps: int = 32,
    seed: int = 0,
) -> Records:
    """The records with what is not known drawn from the run's model; labels count as known.

    Args:
        run: a run or its directory.
        records: of the run's modality.
        known: True where a value of the encoded record is known, `(N, *schema.shape)`; None: where the records say that
            they were observed (time series).
        method: `guided` is the better one for the same steps, `replaced` keeps known values exactly.
        steps: network evaluations a record; `guided` takes three products with the network's gradient beside each.
        seed: the same seed gives the same records.

    Raises:
        UsageError: nothing says what is known, or its shape is another.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    codec, device = run.codec(), choose_device()
    batch = codec.encode(records)
    known = batch.observed if known is None else known
    if known is None:
        raise UsageError("nothing says which values are known", hint="Pass known=, True where a value is known.")
    mask = known.to(torch.bool)
    if mask.shape != batch.x.shape:
        raise UsageError(f"known has the shape {tuple(mask.shape)}, the encoded records {tuple(batch.x.shape)}")
    guided = method == "guided"
    sampler = MULTISTEP if guided else REPAINT
    options = run.config.sampling.model_copy(update={"steps": steps, "grid": "log", "sigma_min": None})
    sigmas = noise_levels(run.config.noise, options, sampler)
    wrap: Callable[[AnyDenoiser, Tensor, Tensor], AnyDenoiser] = Reconstructed if guided else Replaced
    network = run.denoiser().to(device)
    parts = []
    for rows in torch.split(torch.arange(len(mask)), options.batch_size):
        draw = partial(_noise, seed, rows.tolist(), run.schema.shape, device)
        x, here = batch.x[rows].to(device), mask[rows].to(device)
        with torch.no_grad():
            filled = sampler.solve(
                wrap(network, x, here),
                draw("impute", 0) * float(sigmas[0]) + torch.where(here, x, 0.0),
                sigmas,
                conditions={name: value[rows].to(device) for name, value in batch.conditions.items()},
                noise=partial(draw, "impute-sde"),
                settings=settings_of(options),
            )
        parts.append(torch.where(here, x, filled).cpu())
    return codec.decode(torch.cat(parts), batch.conditions)


def _noise(seed: int, rows: list[int], shape: tuple[int, ...], device: torch.device, purpose: str, step: int) -> Tensor:
    return torch.from_numpy(standard_normal(seed, purpose, rows, shape, step=step)).to(device)
