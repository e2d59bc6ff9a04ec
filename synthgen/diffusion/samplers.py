"""Samplers: solvers of the probability-flow ODE and of its stochastic relatives over a descending grid of noise levels.

In lambda = -ln sigma the family of processes with the same marginals, eta = 0 the ODE and eta = 1 DDPM's chain, has the
exact solution, with a = 1 + eta and h = lambda_t - lambda_s,

    x_t = e^{-a h} x_s + a int_{lambda_s}^{lambda_t} e^{a (lambda - lambda_t)} D(lambda) dlambda
          + sigma_t sqrt(1 - e^{-2 eta h}) z

**Exponential Adams** puts the polynomial through the last p values of D under the integral, exactly. One loop,
`_exponential`, is then

    ddim         p = 1, eta = 0           x_t = D + (sigma_t / sigma_s)(x_s - D)
    ancestral    p = 1, eta = 1           DDPM: x_t = r x_s + (1 - r) D + sigma_t sqrt(1 - r) z, r = sigma_t^2/sigma_s^2
    dpmpp-2m     p = 2, eta = 0           with the paper's D_1 + (h / 2 h_-)(D_1 - D_0) for the polynomial
    dpmpp-3m     p = 3, eta = 0
    dpmpp-sde    p = 2, eta = 1           as 2M, on the stochastic process
    multistep    p = 3, eta = 0           each new D also corrects the step that led to it, at no further evaluation
                                          (exponential Adams-Moulton, as in the UniPC family)

**heun** is the trapezoidal rule in sigma, where asked after a push back up to higher noise (churn). **langevin** goes
down by DDIM and then takes an unadjusted Langevin step (MCMC) on p_sigma, x + e score + sqrt(2 e) z, e = 2 (r sigma)^2.
**repaint** takes each ancestral step several times, going back up between them, which lets known and unknown parts of
a record agree (see `synthgen.diffusion.imputation`). **consistency** jumps to D and back up to the next level.

The last step goes to sigma = 0, where the solution is D itself, in all of them.

Sources: Song et al. 2021, arXiv:2010.02502 (DDIM); Ho et al. 2020, arXiv:2006.11239 (DDPM); Lu et al. 2022,
arXiv:2211.01095, algorithm 2 and section 5 (DPM-Solver++); Zhao et al. 2023, arXiv:2302.04867 (UniPC); Karras et al.
2022, arXiv:2206.00364, algorithms 1 and 2 (Heun, churn); Song et al. 2021, arXiv:2011.13456, algorithm 4 (Langevin);
Lugmayr et al. 2022, arXiv:2201.09865 (RePaint); Song et al. 2023, arXiv:2303.01469, algorithm 1 (consistency).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.errors import UsageError

__all__ = [
    "ANCESTRAL",
    "CONSISTENCY",
    "DDIM",
    "DPMPP_2M",
    "DPMPP_3M",
    "DPMPP_SDE",
    "HEUN",
    "LANGEVIN",
    "MULTISTEP",
    "REPAINT",
    "Noise",
    "Sampler",
    "Settings",
    "Task",
]

Noise = Callable[[int], Tensor]
"""`noise(k)` is the standard normal noise of draw k, of x's shape."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be tuned beside the grid; each sampler reads its own.

    Args:
        order: multistep: largest order of the solver, 1 to 3.
        eta: ancestral, dpmpp-sde: share of noise, 0 (the ODE) to 1 (the chain).
        churn: heun: S_churn, total noise added back, as a number of steps' worth; 0 is none.
        churn_low, churn_high: heun: the noise levels between which churn acts.
        churn_noise: heun: S_noise, standard deviation of the noise added back.
        snr: langevin: r, signal-to-noise ratio of the corrector's step; 0 is none.
        repeats: repaint: times that each step is taken.
    """

    order: int = 3
    eta: float = 1.0
    churn: float = 0.0
    churn_low: float = 0.0
    churn_high: float = math.inf
    churn_noise: float = 1.0
    snr: float = 0.16
    repeats: int = 4


@dataclass(frozen=True)
class Task:
    """What a sampling method is given.

    Args:
        denoiser: any denoiser.
        conditions: name -> tensor with B rows.
        x: where to start `(B, C, *spatial)`, standard normal noise times `sigmas[0]`.
        sigmas: descending noise levels, the last one 0.
        settings: what may be tuned.
        draw: `noise(k)`, or None when the caller brought none.
    """

    denoiser: AnyDenoiser
    conditions: Mapping[str, Tensor]
    x: Tensor
    sigmas: tuple[float, ...]
    settings: Settings = Settings()
    draw: Noise | None = None

    def clean(self, x: Tensor, sigma: float) -> Tensor:
        """D(x; sigma) with the task's conditions: one network evaluation."""
        return self.denoiser(x, x.new_full((len(x),), sigma), self.conditions)

    def steps(self) -> Iterator[tuple[float, float]]:
        """Each noise level with the next."""
        return pairwise(self.sigmas)

    def noise(self, k: int) -> Tensor:
        """Draw k, counted by the method itself from 0.

        Raises:
            UsageError: the caller brought no noise.
        """
        if self.draw is None:
            raise UsageError("this sampler draws noise at each step: pass noise(k)")
        return self.draw(k)


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way from noise to data.

    Args:
        method: from a task to x at sigma = 0.
        steps: the number of grid steps that a number of network evaluations pays for, >= 1, under given settings.
    """

    method: Callable[[Task], Tensor]
    steps: Callable[[int, Settings], int]

    def solve(
        self,
        denoiser: AnyDenoiser,
        x: Tensor,
        sigmas: Tensor,
        *,
        conditions: Mapping[str, Tensor],
        noise: Noise | None = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """From x `(B, C, *spatial)`, standard normal noise times `sigmas[0]`, to data.

        Args:
            denoiser: any denoiser.
            x: where to start.
            sigmas: `(steps + 1,)`, descending to 0.
            conditions: name -> tensor with B rows.
            noise: source of the noise that a stochastic sampler adds.
            settings: what may be tuned.
        """
        return self.method(Task(denoiser, conditions, x, tuple(sigmas.tolist()), settings or Settings(), noise))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

_Weights = Callable[[Sequence[float], float, float, float], list[float]]
"""(lambdas of the values of D, start, end, a) -> the weight of each in a step from start to end."""


def _polynomial(nodes: Sequence[float], start: float, end: float, a: float) -> list[float]:
    """The exact integral of the polynomial through the values."""
    points = start + (end - start) * (1 + _NODES) / 2
    measure = a * np.exp(a * (points - end)) * _WEIGHTS * (end - start) / 2
    weights = []
    for i, node in enumerate(nodes):
        basis = np.ones_like(points)
        for j, other in enumerate(nodes):
            if j != i:
                basis *= (points - other) / (node - other)
        weights.append(float(measure @ basis))
    return weights


def _two_points(nodes: Sequence[float], start: float, end: float, a: float) -> list[float]:
    """DPM-Solver++(2M): the line through the last two values, taken at the middle of the step."""
    total = -math.expm1(-a * (end - start))
    if len(nodes) == 1:
        return [total]
    ahead = (end - start) / (2 * (nodes[0] - nodes[1]))
    return [total * (1 + ahead), -total * ahead]


def _exponential(
    task: Task,
    order: int,
    *,
    last: int = 3,
    eta: float = 0.0,
    corrects: bool = False,
    weights: _Weights = _polynomial,
) -> Tensor:
    """The exponential Adams loop; of lower order while values are few, and of order `last` to the last level."""
    levels, a = task.sigmas[:-1], 1 + eta
    lambdas = [-math.log(sigma) for sigma in levels]
    values: list[Tensor] = []  # of D, the newest first
    before = x = task.x

    def step(x: Tensor, used: int, k: int, start: float, end: float) -> Tensor:
        x = math.exp(-a * (end - start)) * x
        for weight, value in zip(weights(lambdas[k::-1][:used], start, end, a), values[:used], strict=True):
            x = x + weight * value
        return x

    for k, sigma in enumerate(levels):
        values = [task.clean(x, sigma), *values[: order - 1]]
        if corrects and order > 1 and k > 0:
            x = step(before, len(values), k, lambdas[k - 1], lambdas[k])
        if k + 1 < len(levels):
            used = min(order, len(values), last + len(levels) - 2 - k)
            before, x = x, step(x, used, k, lambdas[k], lambdas[k + 1])
            if eta > 0:
                spread = -math.expm1(-2 * eta * (lambdas[k + 1] - lambdas[k]))
                x = x + levels[k + 1] * math.sqrt(spread) * task.noise(k)
    return values[0]


_SHORT = 10
"""Below this many steps order 2 beats order 3, and ends best on order 1 (Gaussian mixtures in 2-D and 64-D)."""


def _multistep(task: Task) -> Tensor:
    order = task.settings.order
    if len(task.sigmas) - 1 < _SHORT:
        return _exponential(task, min(order, 2), last=1, corrects=True)
    return _exponential(task, order, last=2, corrects=True)


_COARSE = 5.0
"""The second slope multiplies the error of Euler's point by sigma_t / (2 sigma_s): of no use above this ratio."""


def _heun(task: Task) -> Tensor:
    """Euler, then the mean of the slopes at both ends; the last step is Euler's, which gives D, as are coarse ones."""
    settings, x = task.settings, task.x
    most = min(settings.churn / (len(task.sigmas) - 1), math.sqrt(2) - 1)
    for k, (sigma, lower) in enumerate(task.steps()):
        if most > 0 and settings.churn_low <= sigma <= settings.churn_high:
            raised = sigma * (1 + most)
            x = x + math.sqrt(raised**2 - sigma**2) * settings.churn_noise * task.noise(k)
            sigma = raised
        slope = (x - task.clean(x, sigma)) / sigma
        euler = x + (lower - sigma) * slope
        if lower * _COARSE > sigma:
            slope = (slope + (euler - task.clean(euler, lower)) / lower) / 2
        x = x + (lower - sigma) * slope
    return x


def _langevin(task: Task) -> Tensor:
    x = task.x
    for k, (sigma, lower) in enumerate(task.steps()):
        value = task.clean(x, sigma)
        x = value + (lower / sigma) * (x - value)
        if lower > 0 and task.settings.snr > 0:
            size = 2 * task.settings.snr**2  # of the step, in units of sigma^2
            x = x + size * (task.clean(x, lower) - x) + math.sqrt(2 * size) * lower * task.noise(k)
    return x


def _repaint(task: Task) -> Tensor:
    x, repeats = task.x, max(1, task.settings.repeats)
    for k, (sigma, lower) in enumerate(task.steps()):
        ratio = (lower / sigma) ** 2
        for turn in range(repeats):
            value = task.clean(x, sigma)
            x = value + ratio * (x - value)
            if lower == 0:
                return x
            draw = 2 * (k * repeats + turn)
            x = x + lower * math.sqrt(1 - ratio) * task.noise(draw)
            if turn + 1 < repeats:
                x = x + math.sqrt(sigma**2 - lower**2) * task.noise(draw + 1)
    return x


def _consistency(task: Task) -> Tensor:
    x = task.x
    for k, (sigma, lower) in enumerate(task.steps()):
        x = task.clean(x, sigma)
        if lower > 0:
            x = x + lower * task.noise(k)
    return x


def _one_each(evaluations: int, settings: Settings) -> int:
    return max(1, evaluations)


def _two_each_but_the_last(evaluations: int, settings: Settings) -> int:
    return max(1, (evaluations + 1) // 2)


def _two_each_where_corrected(evaluations: int, settings: Settings) -> int:
    return (_two_each_but_the_last if settings.snr > 0 else _one_each)(evaluations, settings)


def _repeats_each_but_the_last(evaluations: int, settings: Settings) -> int:
    return max(1, (evaluations - 1) // max(1, settings.repeats) + 1)


MULTISTEP = Sampler(_multistep, _one_each)
"""Exponential Adams predictor-corrector; the best below some 40 evaluations."""

DDIM = Sampler(lambda task: _exponential(task, 1), _one_each)
"""First-order solver; robust at any number of steps."""

DPMPP_2M = Sampler(lambda task: _exponential(task, 2, weights=_two_points), _one_each)
"""DPM-Solver++(2M)."""

DPMPP_3M = Sampler(lambda task: _exponential(task, 3), _one_each)
"""DPM-Solver++(3M)."""

DPMPP_SDE = Sampler(lambda task: _exponential(task, 2, eta=task.settings.eta, weights=_two_points), _one_each)
"""SDE-DPM-Solver++(2M)."""

ANCESTRAL = Sampler(lambda task: _exponential(task, 1, eta=task.settings.eta), _one_each)
"""DDPM's stochastic chain; needs many steps, forgives errors of the denoiser."""

HEUN = Sampler(_heun, _two_each_but_the_last)
"""Second-order single-step solver of EDM, with churn where it is asked for; coarse steps leave evaluations unused."""

LANGEVIN = Sampler(_langevin, _two_each_where_corrected)
"""Predictor-corrector: DDIM down, one Langevin step at each level."""

REPAINT = Sampler(_repaint, _repeats_each_but_the_last)
"""Ancestral steps taken several times each; for imputation."""

CONSISTENCY = Sampler(_consistency, _one_each)
"""Few-step sampling of a consistency-tuned denoiser."""
