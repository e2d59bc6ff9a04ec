"""Consistency tuning: turning a denoiser into one that jumps to the end of the ODE in one evaluation.

A consistency function f(x_sigma; sigma) is constant along each path of the probability-flow ODE and is x at sigma = 0;
the preconditioning of a denoiser gives the boundary already. Tuning compares it at two points that share x_0 and n,

    loss = w |f(x_0 + sigma n; sigma) - f^-(x_0 + r n; r)|,    r = sigma max(0, 1 - q n(sigma)),  n(v) = 1 + 8/(1 + e^v)
    w = 1 / (sigma - r),    |.| = sqrt(|.|_2^2 + c^2) - c,  c = 0.00054 sqrt(dim)      (pseudo-Huber),  f^-: no gradient

With q = 1 all r are 0 and the loss is that of a denoiser, where tuning begins; q is halved from stage to stage, and as
r approaches sigma the function that minimises the loss approaches the consistency function.

Sources: Geng et al. 2024, "Consistency models made easy", arXiv:2406.14548 (the schedule, section 3.3); Song et al.
2023, "Consistency models", arXiv:2303.01469; Song & Dhariwal 2024, arXiv:2310.14189 (pseudo-Huber, no teacher average).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["consistency_loss", "nearer", "nearness"]


def nearness(progress: float, stages: int) -> float:
    """q: 1 in the first of `stages` equal parts of tuning, half as much in each further one."""
    return 0.5 ** min(stages - 1, int(progress * stages))


def nearer(sigma: Tensor, q: float) -> Tensor:
    """r, the lower of the two noise levels, of sigma's shape; 0 where the target is the clean record."""
    return sigma * (1 - q * (1 + 8 * torch.sigmoid(-sigma))).clamp_min(0)


def consistency_loss(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigma: Tensor,
    noise: Tensor,
    observed: Tensor | None,
    conditions: Mapping[str, Tensor],
    *,
    q: float,
    seed: int,
) -> Tensor:
    """The mean of the loss above over a batch.

    Args:
        denoiser: what is tuned.
        x: clean data `(B, C, *spatial)`.
        sigma: noise levels `(B,)`.
        noise: standard normal, x's shape.
        observed: 0 where the value is missing; None: all observed.
        conditions: name -> tensor, after dropout.
        q: see `nearness`.
        seed: of dropout, which is the same in both evaluations.
    """
    axes = (-1, *[1] * (x.ndim - 1))
    lower = nearer(sigma, q)
    devices = [x.device.index or 0] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        with torch.no_grad():
            known = lower == 0  # no network at level 0: the target is the record itself
            answered = denoiser(x + lower.reshape(axes) * noise, torch.where(known, sigma, lower), conditions)
            target = torch.where(known.reshape(axes), x, answered)
        torch.manual_seed(seed)
        estimate = denoiser(x + sigma.reshape(axes) * noise, sigma, conditions)
    error = (estimate - target).square()
    if observed is not None:
        error = error * observed
    offset = 0.00054 * math.sqrt(x[0].numel())
    distance = (error.flatten(1).sum(dim=1) + offset**2).sqrt() - offset
    return (distance / (sigma - lower)).mean()
