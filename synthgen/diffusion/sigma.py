"""Noise levels: what a network predicts at each, how often training visits each, and which ones a sampler visits.

With x = x_0 + sigma n, every parameterisation of the denoiser is three coefficients around a network F,

    D(x; sigma) = c_skip x + c_out F(c_in x)

    name      F predicts           c_skip              c_out                    c_in             s = sigma_data
    edm       unit-variance mix    s^2/(sigma^2+s^2)   sigma s/sqrt(sigma^2+s^2)  1/sqrt(sigma^2+s^2)
    epsilon   the noise n          1                   -sigma                     1/sqrt(sigma^2+1)
    v         alpha n - sin x_0    1/(1+sigma^2)       -sigma/sqrt(1+sigma^2)     1/sqrt(1+sigma^2)
    flow      n - x_0              1/(1+sigma)         -sigma/(1+sigma)           1/(1+sigma)
    x         x_0                  0                   1                          1/sqrt(sigma^2+s^2)

and every schedule is a time t in (0, 1) with its own sigma(t):

    cosine    x_t = cos(pi t/2) x_0 + sin(pi t/2) n        sigma = tan(pi t/2)
    linear    beta(t) = b0 + (b1 - b0) t, b0 = 0.1, b1 = 20     1 + sigma^2 = exp(b0 t + (b1 - b0) t^2/2)
    flow      x_t = (1 - t) x_0 + t n                      sigma = t/(1 - t), so ln sigma = logit t
    sigmoid   alpha^2(t) = (S(3) - S(6t - 3)) / (S(3) - S(-3)), S the logistic function     sigma = sqrt(1/alpha^2 - 1)
    log       sigma = sigma_min^(1-t) sigma_max^t
    edm       sigma^(1/rho) linear in t, rho = 7

Training needs a density over ln sigma (given here by its inverse distribution function), sampling a descending grid.

Sources: Karras et al. 2022, arXiv:2206.00364 (edm, table 1 and eq. 5); Ho et al. 2020, arXiv:2006.11239 and Song et al.
2021, arXiv:2011.13456 (linear); Nichol & Dhariwal 2021, arXiv:2102.09672 (cosine); Jabri et al. 2023, arXiv:2212.11972
(sigmoid, with start -3, end 3, tau 1); Salimans & Ho 2022, arXiv:2202.00512 (v); Lipman et al. 2023,
arXiv:2210.02747 and Esser et al. 2024, arXiv:2403.03206 (flow, logit-normal).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from synthgen.errors import UsageError

__all__ = [
    "DENSITIES",
    "GRIDS",
    "PARAMETERISATIONS",
    "coefficients",
    "grid",
    "information_grid",
    "sigma_of_quantile",
    "stratified_quantiles",
]

PARAMETERISATIONS = ("edm", "epsilon", "v", "flow", "x")
DENSITIES = ("lognormal", "loguniform", "cosine", "linear", "sigmoid", "logit-normal")
GRIDS = ("log", "edm", "cosine", "linear", "sigmoid", "flow")

_BETA_0, _BETA_1 = 0.1, 20.0
_RHO = 7.0


def coefficients(parameterisation: str, sigma: Tensor, sigma_data: float) -> tuple[Tensor, Tensor, Tensor]:
    """The preconditioning `(c_skip, c_out, c_in)` of a parameterisation, each of sigma's shape.

    Args:
        parameterisation: one of `PARAMETERISATIONS`.
        sigma: noise levels, > 0, any shape.
        sigma_data: standard deviation of the data.

    Raises:
        UsageError: the parameterisation is unknown.
    """
    variance = sigma.square()
    match parameterisation:
        case "edm":
            total = variance + sigma_data**2
            return sigma_data**2 / total, sigma * sigma_data * total.rsqrt(), total.rsqrt()
        case "epsilon":
            return torch.ones_like(sigma), -sigma, (variance + 1).rsqrt()
        case "v":
            return 1 / (1 + variance), -sigma * (1 + variance).rsqrt(), (1 + variance).rsqrt()
        case "flow":
            return 1 / (1 + sigma), -sigma / (1 + sigma), 1 / (1 + sigma)
        case "x":
            return torch.zeros_like(sigma), torch.ones_like(sigma), (variance + sigma_data**2).rsqrt()
    raise UsageError(f"unknown parameterisation {parameterisation!r}", hint=f"Known: {', '.join(PARAMETERISATIONS)}.")


@dataclass(frozen=True, slots=True)
class _Schedule:
    """A monotone map between a time and sigma, and its inverse; float64 tensors in and out."""

    sigma: Callable[[Tensor], Tensor]
    time: Callable[[Tensor], Tensor]


def _linear_sigma(t: Tensor) -> Tensor:
    return torch.expm1(_BETA_0 * t + 0.5 * (_BETA_1 - _BETA_0) * t.square()).sqrt()


def _linear_time(sigma: Tensor) -> Tensor:
    integral = torch.log1p(sigma.square())
    return 2 * integral / (_BETA_0 + (_BETA_0**2 + 2 * (_BETA_1 - _BETA_0) * integral).sqrt())


_TAIL = 1 / (1 + math.exp(3.0))
"""S(-3), and 1 - S(3)."""


def _sigmoid_sigma(t: Tensor) -> Tensor:
    s = torch.sigmoid(6 * t - 3)
    return ((s - _TAIL) / (1 - _TAIL - s)).sqrt()


def _sigmoid_time(sigma: Tensor) -> Tensor:
    s = 1 - _TAIL - (1 - 2 * _TAIL) / (1 + sigma.square())
    return (torch.logit(s) + 3) / 6


_SCHEDULES = {
    "log": _Schedule(sigma=torch.exp, time=torch.log),
    "edm": _Schedule(sigma=lambda t: t**_RHO, time=lambda sigma: sigma ** (1 / _RHO)),
    "cosine": _Schedule(
        sigma=lambda t: torch.tan(0.5 * math.pi * t), time=lambda sigma: torch.atan(sigma) * (2 / math.pi)
    ),
    "linear": _Schedule(sigma=_linear_sigma, time=_linear_time),
    "sigmoid": _Schedule(sigma=_sigmoid_sigma, time=_sigmoid_time),
    "flow": _Schedule(sigma=lambda t: t / (1 - t), time=lambda sigma: sigma / (1 + sigma)),
}


def _interpolate(schedule: _Schedule, u: Tensor, sigma_min: float, sigma_max: float) -> Tensor:
    """Sigma at the fraction u of the way from sigma_min to sigma_max in the schedule's own time."""
    low, high = schedule.time(torch.tensor([sigma_min, sigma_max], dtype=torch.float64))
    return schedule.sigma(low + u.double() * (high - low)).clamp(sigma_min, sigma_max)


def sigma_of_quantile(
    name: str,
    u: Tensor,
    *,
    mean: float = -0.8,
    std: float = 1.4,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
) -> Tensor:
    """The noise level below which training puts the share u of its draws; float32 of u's shape.

    Args:
        name: one of `DENSITIES`. `lognormal`: ln sigma ~ N(mean, std^2). `logit-normal`: logit t ~ N(mean, std^2) in
            flow time, which is the same law because logit t = ln sigma. `loguniform`, `cosine`, `linear`,
            `sigmoid`: uniform in ln sigma or in the schedule's time, between sigma_min and sigma_max.
        u: quantiles in [0, 1], any shape.
        mean, std: of the two normal densities.
        sigma_min, sigma_max: ends of the four bounded densities.

    Raises:
        UsageError: the density is unknown.
    """
    match name:
        case "lognormal" | "logit-normal":
            z = torch.special.ndtri(u.double().clamp(1e-9, 1 - 1e-9))
            return torch.exp(mean + std * z).float()
        case "loguniform":
            return _interpolate(_SCHEDULES["log"], u, sigma_min, sigma_max).float()
        case "cosine" | "linear" | "sigmoid":
            return _interpolate(_SCHEDULES[name], u, sigma_min, sigma_max).float()
    raise UsageError(f"unknown noise density {name!r}", hint=f"Known: {', '.join(DENSITIES)}.")


def stratified_quantiles(n: int, generator: torch.Generator) -> Tensor:
    """n quantiles, one uniform in each of n equal strata of [0, 1), in random order; float64 `(n,)`.

    Spreads the noise levels of a batch evenly over their density (as in Kingma et al. 2021, arXiv:2107.00630,
    appendix I.1), which lowers the variance of the loss for nothing. For several ranks draw all quantiles of the
    global batch from one generator and take every world-size-th.
    """
    jitter = torch.rand(n, dtype=torch.float64, generator=generator, device=generator.device)
    return (torch.randperm(n, generator=generator, device=generator.device) + jitter) / n


def grid(name: str, steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """A sampler's noise levels: `steps` values from sigma_max down to sigma_min, then 0; float32 `(steps + 1,)`.

    Args:
        name: one of `GRIDS`: evenly spaced in that schedule's time.
        steps: number of solver steps, >= 1; a single step goes from sigma_max straight to 0.
        sigma_min, sigma_max: the last and first noise level, 0 < sigma_min < sigma_max.

    Raises:
        UsageError: the grid is unknown, or the numbers are out of range.
    """
    if name not in _SCHEDULES:
        raise UsageError(f"unknown noise grid {name!r}", hint=f"Known: {', '.join(GRIDS)}.")
    if steps < 1 or not 0 < sigma_min < sigma_max:
        given = f"{steps}, {sigma_min} and {sigma_max}"
        raise UsageError(f"a grid needs steps >= 1 and 0 < sigma_min < sigma_max, not {given}")
    u = torch.linspace(1, 0, steps, dtype=torch.float64)
    levels = _interpolate(_SCHEDULES[name], u, sigma_min, sigma_max)
    return torch.cat([levels, levels.new_zeros(1)]).float()


_INFORMED = 0.7


def information_grid(sigma: Tensor, error: Tensor, *, steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """A sampler's noise levels with equal information between neighbours: `steps` values, then 0; `(steps + 1,)`.

    The information that a level carries over ln sigma is mmse(sigma)/sigma^2 (see `synthgen.diffusion.adaptive`). The
    levels are spaced evenly in 0.7 of its share plus 0.3 of ln sigma, so that no gap grows without bound.

    Args:
        sigma: noise levels at which the error was measured, ascending, `(K,)`.
        error: mean squared error of D at each, `(K,)`.
        steps: number of solver steps, >= 1.
        sigma_min, sigma_max: the last and first noise level.

    Raises:
        UsageError: the numbers are out of range.
    """
    uniform = grid("log", max(steps, 2), sigma_min, sigma_max)  # refuses what is out of range
    if steps <= 2:
        return torch.cat([uniform[: max(steps, 1)], uniform[-1:]])
    fine = torch.linspace(math.log(sigma_min), math.log(sigma_max), 2001, dtype=torch.float64)
    at, measured = sigma.double().log(), error.double().clamp_min(1e-12).log()
    place = torch.searchsorted(at, fine).clamp(1, len(at) - 1)
    share = ((fine - at[place - 1]) / (at[place] - at[place - 1])).clamp(0, 1)
    rate = torch.exp(torch.lerp(measured[place - 1], measured[place], share) - 2 * fine)
    density = _INFORMED * rate / rate.sum() + (1 - _INFORMED) / len(fine)
    cumulative = torch.cat([density.new_zeros(1), (density[1:] + density[:-1]).cumsum(0) / 2])
    wanted = torch.linspace(1, 0, steps, dtype=torch.float64) * cumulative[-1]
    above = torch.searchsorted(cumulative, wanted).clamp(1, len(fine) - 1)
    within = (wanted - cumulative[above - 1]) / (cumulative[above] - cumulative[above - 1])
    levels = torch.lerp(fine[above - 1], fine[above], within.clamp(0, 1)).exp().clamp(sigma_min, sigma_max)
    return torch.cat([levels, levels.new_zeros(1)]).float()
