"""DP-SGD: each record's gradient is clipped by itself, and noise that hides any one of them is added to their sum.

    g = 1/B ( sum_i g_i min(1, C / |g_i|)  +  sigma C N(0, I) ),        B = q N

Sources: Abadi et al. 2016, arXiv:1607.00133; for diffusion models Dockhorn et al. 2023, arXiv:2210.09929.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthgen.api import Batch, Condition
from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.guidance import drop
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.training.encoded import EncodedData
from synthgen.training.guarantee import Guarantee
from synthgen.training.monitor import draw_sigma
from synthgen.training.objective import loss_weight
from synthgen.training.optim import build_optimizer, rate_factor

__all__ = ["clipped_sum", "private_steps"]

_PART = 16


def clipped_sum(
    denoiser: Denoiser,
    loss: DenoisingLoss,
    batch: Batch,
    sigma: Tensor,
    noise: Tensor,
    *,
    clip: float,
    part: int = _PART,
) -> dict[str, Tensor]:
    """Sum over the records of a batch of each one's gradient, clipped to norm `clip`.

    Args:
        denoiser: whose parameters count.
        loss: without learned weights.
        batch: `(B, C, *S)` with conditions, on the denoiser's device; B may be 0.
        sigma, noise: `(B,)` and x's shape.
        clip: largest norm of one record's gradient over all parameters.
        part: records whose gradients are held at once.

    Returns:
        Parameter name -> sum, of the parameter's shape.
    """
    parameters = {name: p.detach() for name, p in denoiser.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in denoiser.named_parameters() if not p.requires_grad}
    fixed |= {name: buffer.detach() for name, buffer in denoiser.named_buffers()}

    def of_one(
        weights: dict[str, Tensor],
        x: Tensor,
        level: Tensor,
        normal: Tensor,
        observed: Tensor,
        conditions: dict[str, Tensor],
    ) -> Tensor:
        def called(*arguments: Any) -> Any:
            return functional_call(denoiser, {**weights, **fixed}, arguments)

        one = {name: value[None] for name, value in conditions.items()}
        found: Tensor = loss(called, x[None], level[None], normal[None], observed[None], one)[0]
        return found

    each = vmap(grad(of_one), in_dims=(None, 0, 0, 0, 0, 0), randomness="different")
    observed = torch.ones_like(batch.x) if batch.observed is None else batch.observed
    total = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for rows in torch.split(torch.arange(len(batch.x)), part) if len(batch.x) else ():
        conditions = {name: values[rows] for name, values in batch.conditions.items()}
        with sdpa_kernel(SDPBackend.MATH):  # the one kind of attention that vmap takes as a whole
            gradients = each(parameters, batch.x[rows], sigma[rows], noise[rows], observed[rows], conditions)
        squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients.values()]).sum(dim=0)
        factor = (clip / squares.sqrt().clamp_min(1e-12)).clamp(max=1.0)
        for name, gradient in gradients.items():
            total[name] += torch.tensordot(factor, gradient, dims=1)
    return total


def private_steps(
    config: RunConfig,
    denoiser: Denoiser,
    data: EncodedData,
    conditions: tuple[Condition, ...],
    guarantee: Guarantee,
    *,
    device: torch.device,
) -> Iterator[tuple[int, float]]:
    """Train, yielding after each step how many were made and the learning rate.

    Sampling and noise come from the operating system's entropy: what follows from a published seed hides nothing.
    """
    loss = DenoisingLoss(loss_weight(config), uncertainty=False, frequency=config.loss.frequency).to(device)
    optimizer = build_optimizer([denoiser.network], config.optim)
    randomness = torch.Generator().manual_seed(secrets.randbits(63))
    expected = guarantee.sample_rate * guarantee.records
    independent = config.noise.model_copy(update={"stratified": False})
    denoiser.train()
    for step in range(guarantee.steps):
        rate = config.optim.lr * rate_factor(step / guarantee.steps, config.optim)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = _poisson_batch(data, guarantee.sample_rate, randomness)
        sigma = draw_sigma(independent, max(1, len(batch.x)), randomness)[: len(batch.x)]
        noise = torch.randn(batch.x.shape, generator=randomness)
        told = drop(batch.conditions, conditions, randomness) if len(batch.x) else {}
        moved = Batch(
            batch.x.to(device),
            None if batch.observed is None else batch.observed.to(device),
            {name: values.to(device) for name, values in told.items()},
        )
        total = clipped_sum(denoiser, loss, moved, sigma.to(device), noise.to(device), clip=guarantee.clip)
        spread = guarantee.noise_multiplier * guarantee.clip
        for name, parameter in denoiser.named_parameters():
            if parameter.requires_grad:
                blur = torch.randn(parameter.shape, generator=randomness).to(device) * spread
                parameter.grad = (total[name] + blur) / expected
        optimizer.step()
        yield step + 1, rate


def _poisson_batch(data: EncodedData, rate: float, randomness: torch.Generator) -> Batch:
    """Every record with probability `rate` by itself; possibly none."""
    chosen: NDArray[np.int64] = (torch.rand(len(data), generator=randomness) < rate).nonzero().flatten().numpy()
    if len(chosen):
        return data.at(chosen)
    one = data.at(np.zeros(1, dtype=np.int64))
    return Batch(one.x[:0], None, {name: values[:0] for name, values in one.conditions.items()})
