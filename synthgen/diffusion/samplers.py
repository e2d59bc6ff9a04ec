"""Samplers: solvers of the probability-flow ODE, and the ancestral chain, over a descending grid of noise levels.

In lambda = -ln sigma the ODE dx/dsigma = (x - D)/sigma has the exact solution

    x_t = (sigma_t / sigma_s) x_s + sigma_t  int_{lambda_s}^{lambda_t} e^lambda D(lambda) dlambda

**multistep** puts the polynomial through the last p values of D under the integral (exponential Adams-Bashforth).
p = 1 is DDIM, p = 2 and 3 are DPM-Solver++(2M) and (3M). Each new value of D is also used, at no further evaluation,
to correct the step that led to it (exponential Adams-Moulton), as in the UniPC family.
**heun** is the trapezoidal rule in sigma. **ancestral** draws from the posterior q(x_s | x_t, x_0 = D), which is DDPM:

    x_s = r x_t + (1 - r) D + sigma_s sqrt(1 - r) z,    r = sigma_s^2 / sigma_t^2

The last step goes to sigma = 0, where the solution is D itself, in all of them.

Sources: Song et al. 2021, arXiv:2010.02502 (DDIM); Lu et al. 2022, arXiv:2211.01095 (DPM-Solver++); Zhao et al. 2023,
arXiv:2302.04867 (UniPC); Karras et al. 2022, arXiv:2206.00364, algorithm 1 (Heun); Ho et al. 2020, arXiv:2006.11239
(DDPM).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.errors import UsageError

__all__ = ["ANCESTRAL", "DDIM", "HEUN", "MULTISTEP", "Noise", "Sampler"]

Noise = Callable[[int], Tensor]
"""`noise(k)` is the standard normal noise of solver step k, of x's shape."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way from noise to data.

    Args:
        solve: `solve(denoiser, x, sigmas, *, conditions, noise=None, order=3) -> x` where x `(B, C, *spatial)` comes in
            as standard normal noise times `sigmas[0]`, sigmas `(steps + 1,)` descend to 0, and `noise(k)` is the noise
            that step k may add. What a sampler does not use it ignores.
        steps: the number of grid steps that a number of network evaluations pays for.
    """

    solve: Callable[..., Tensor]
    steps: Callable[[int], int]


def _evaluate(denoiser: AnyDenoiser, x: Tensor, sigma: float, conditions: Mapping[str, Tensor]) -> Tensor:
    return denoiser(x, x.new_full((len(x),), sigma), conditions)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def _adams_weights(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The weight of D at each node (in lambda) in `sigma_end int_start^end e^lambda D dlambda`, D their polynomial."""
    points = start + (end - start) * (1 + _NODES) / 2
    measure = np.exp(points - end) * _WEIGHTS * (end - start) / 2
    weights = []
    for i, node in enumerate(nodes):
        basis = np.ones_like(points)
        for j, other in enumerate(nodes):
            if j != i:
                basis *= (points - other) / (node - other)
        weights.append(float(measure @ basis))
    return weights


def _adams_step(x: Tensor, values: Sequence[Tensor], nodes: Sequence[float], start: float, end: float) -> Tensor:
    """From lambda = start to end with the polynomial through `values` at `nodes`."""
    x = math.exp(start - end) * x
    for weight, value in zip(_adams_weights(nodes, start, end), values, strict=True):
        x = x + weight * value
    return x


_SHORT = 10
"""Below this many steps order 2 beats order 3, and ends best on order 1 (Gaussian mixtures in 2-D and 64-D)."""


def _multistep(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    conditions: Mapping[str, Tensor],
    noise: Noise | None = None,
    order: int = 3,
) -> Tensor:
    """Exponential Adams solver; of lower order at the start, where values are few, at the end and in short runs."""
    levels = sigmas[:-1].tolist()
    short = len(levels) < _SHORT
    order, last = (min(order, 2), 1) if short else (order, 2)  # `last`: largest order of the step to the last level
    lambdas = [-math.log(sigma) for sigma in levels]
    values: list[Tensor] = []  # of D, the newest first
    before = x
    for k, sigma in enumerate(levels):
        value = _evaluate(denoiser, x, sigma, conditions)
        values = [value, *values[: order - 1]]
        nodes = lambdas[k::-1][: len(values)]
        if order > 1 and k > 0:
            x = _adams_step(before, values, nodes, lambdas[k - 1], lambdas[k])
        if k + 1 < len(levels):
            use = min(order, len(values), last + len(levels) - 2 - k)
            before, x = x, _adams_step(x, values[:use], nodes[:use], lambdas[k], lambdas[k + 1])
    return values[0]


def _ddim(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    conditions: Mapping[str, Tensor],
    noise: Noise | None = None,
    order: int = 1,
) -> Tensor:
    """x_s = D + (sigma_s / sigma_t)(x_t - D)."""
    for sigma, lower in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        value = _evaluate(denoiser, x, sigma, conditions)
        x = value + (lower / sigma) * (x - value)
    return x


_COARSE = 5.0
"""The second slope multiplies the error of Euler's point by sigma_t / (2 sigma_s): of no use above this ratio."""


def _heun(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    conditions: Mapping[str, Tensor],
    noise: Noise | None = None,
    order: int = 2,
) -> Tensor:
    """Euler, then the mean of the slopes at both ends; the last step is Euler's, which gives D, as are coarse ones."""
    for sigma, lower in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        slope = (x - _evaluate(denoiser, x, sigma, conditions)) / sigma
        euler = x + (lower - sigma) * slope
        if lower * _COARSE > sigma:
            slope = (slope + (euler - _evaluate(denoiser, euler, lower, conditions)) / lower) / 2
        x = x + (lower - sigma) * slope
    return x


def _ancestral(
    denoiser: AnyDenoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    conditions: Mapping[str, Tensor],
    noise: Noise | None = None,
    order: int = 1,
) -> Tensor:
    """The DDPM chain; raises UsageError without `noise`."""
    if noise is None:
        raise UsageError("the ancestral sampler draws noise at each step: pass noise(k)")
    for k, (sigma, lower) in enumerate(zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True)):
        value = _evaluate(denoiser, x, sigma, conditions)
        ratio = (lower / sigma) ** 2
        x = value + ratio * (x - value)
        if lower > 0:
            x = x + lower * math.sqrt(1 - ratio) * noise(k)
    return x


def _one_each(evaluations: int) -> int:
    return max(1, evaluations)


def _two_each_but_the_last(evaluations: int) -> int:
    return max(1, (evaluations + 1) // 2)


MULTISTEP = Sampler(_multistep, _one_each)
"""Exponential Adams solver with a free corrector; the best below some 40 evaluations."""

DDIM = Sampler(_ddim, _one_each)
"""First-order solver; robust at any number of steps."""

HEUN = Sampler(_heun, _two_each_but_the_last)
"""Second-order single-step solver of EDM."""

ANCESTRAL = Sampler(_ancestral, _one_each)
"""DDPM's stochastic chain; needs many steps, forgives errors of the denoiser."""
