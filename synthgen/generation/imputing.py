"""Filling in records: what is known stays, the rest is drawn from the model given what is known.

`context` asks a network that was trained with part of its records given (`train.context`, see `synthgen.nn.context`);
`guided` draws with the gradient of what is known, `replaced` repeats each step while known values are kept, and both
work with every run; see `synthgen.diffusion.imputation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from synthgen.api import Records
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.imputation import Reconstructed, Replaced
from synthgen.diffusion.samplers import MULTISTEP, REPAINT
from synthgen.errors import UsageError
from synthgen.generation.sampling import noise_levels, settings_of
from synthgen.io.run import Run
from synthgen.nn.context import CONTEXT, told
from synthgen.seeding import standard_normal
from synthgen.training.precision import choose_device

__all__ = ["Method", "chosen_method", "fill", "impute", "knowing", "knows_context"]

Method = Literal["auto", "context", "guided", "replaced"]
"""How what is not known is drawn; `auto` is `context` where the run was trained so, else `guided`."""

_STEPS = {"context": 24, "guided": 32, "replaced": 32}
"""Network evaluations a record."""


def knows_context(run: Run) -> bool:
    """Whether the run's network was trained with part of its records given; distilling unlearns it."""
    return run.config.train.context > 0 and "distilled_from" not in run.facts


def chosen_method(run: Run, method: Method = "auto") -> Method:
    """What `auto` means for this run; other methods unchanged.

    Raises:
        UsageError: an unknown method, or `context` for a run that was not trained so.
    """
    if method not in ("auto", *_STEPS):
        raise UsageError(f"unknown method {method}", hint=f"Methods: auto, {', '.join(_STEPS)}.")
    if method == "auto":
        return "context" if knows_context(run) else "guided"
    if method == "context" and not knows_context(run):
        raise UsageError(
            f"{run.path} was not trained with part of its records given",
            hint="Train with --set train.context=0.5, or choose the method guided.",
        )
    return method


def impute(
    run: Run | Path | str,
    records: Records,
    *,
    known: Tensor | None = None,
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
) -> Records:
    """The records with what is not known drawn from the run's model; labels count as known.

    Args:
        run: a run or its directory.
        records: of the run's modality.
        known: True where a value of the encoded record is known, `(N, *schema.shape)`; None: where the records say that
            they were observed (time series).
        method: `auto` takes `context` where the run was trained with `train.context`, else `guided`, which is better
            than `replaced` for the same steps.
        steps: network evaluations a record; 24 for `context`, else 32. `guided` takes three products with the network's
            gradient beside each.
        seed: the same seed gives the same records.

    Raises:
        UsageError: nothing says what is known, its shape is another, or the run does not offer the method.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    codec = run.codec()
    batch = codec.encode(records)
    known = batch.observed if known is None else known
    if known is None:
        raise UsageError("nothing says which values are known", hint="Pass known=, True where a value is known.")
    mask = known.to(torch.bool)
    if mask.shape != batch.x.shape:
        raise UsageError(f"known has the shape {tuple(mask.shape)}, the encoded records {tuple(batch.x.shape)}")
    return codec.decode(
        fill(run, batch.x, mask, batch.conditions, method=method, steps=steps, seed=seed), batch.conditions
    )


def fill(
    run: Run,
    x: Tensor,
    known: Tensor,
    conditions: Mapping[str, Tensor],
    *,
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
    ids: Sequence[int] | None = None,
) -> Tensor:
    """Encoded records `(N, C, *spatial)` with what is not known drawn, on the CPU.

    Args:
        run: the run.
        x: encoded records; what is not known is not read.
        known: boolean, x's shape.
        conditions: name -> tensor of N rows.
        method, steps, seed: as in `impute`.
        ids: which draw each record takes its noise from; its position when None.

    Raises:
        UsageError: the run does not offer the method.
    """
    chosen, device = chosen_method(run, method), choose_device()
    sampler = REPAINT if chosen == "replaced" else MULTISTEP
    update = {"steps": steps or _STEPS[chosen], "grid": "log", "sigma_min": None}
    options = run.config.sampling.model_copy(update=update)
    sigmas = noise_levels(run.config.noise, options, sampler)
    network = run.denoiser().to(device)
    numbers = list(range(len(x))) if ids is None else list(ids)
    parts = []
    for rows in torch.split(torch.arange(len(x)), options.batch_size):
        draw = partial(_noise, seed, [numbers[row] for row in rows.tolist()], tuple(x.shape[1:]), device)
        here, given = x[rows].to(device), known[rows].to(device)
        with torch.no_grad():
            filled = sampler.solve(
                knowing(network, here, given, chosen),
                draw("impute", 0) * float(sigmas[0]) + torch.where(given, here, 0.0),
                sigmas,
                conditions={name: value[rows].to(device) for name, value in conditions.items()},
                noise=partial(draw, "impute-sde"),
                settings=settings_of(options),
            )
        parts.append(torch.where(given, here, filled).cpu())
    return torch.cat(parts) if parts else x


def knowing(denoiser: AnyDenoiser, x: Tensor, known: Tensor, method: Method) -> AnyDenoiser:
    """The denoiser that knows part of the encoded records.

    Args:
        denoiser: any denoiser.
        x: encoded records `(B, C, *spatial)`; what is not known is not read.
        known: boolean, x's shape.
        method: from `chosen_method`.
    """
    wrap: dict[str, Callable[[AnyDenoiser, Tensor, Tensor], AnyDenoiser]] = {
        "context": _Informed,
        "guided": Reconstructed,
        "replaced": Replaced,
    }
    return wrap[method](denoiser, x, known)


class _Informed(nn.Module):
    """A denoiser that is told what is known, and answers with it where it is known."""

    def __init__(self, denoiser: AnyDenoiser, known: Tensor, mask: Tensor) -> None:
        super().__init__()
        self.replaced = Replaced(denoiser, known, mask)
        self.context = told(known, mask)

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate of the clean x given what is known, `(B, C, *spatial)`."""
        estimate: Tensor = self.replaced(x, sigma, {**conditions, CONTEXT: self.context})
        return estimate


def _noise(seed: int, rows: list[int], shape: tuple[int, ...], device: torch.device, purpose: str, step: int) -> Tensor:
    return torch.from_numpy(standard_normal(seed, purpose, rows, shape, step=step)).to(device)
