"""A training density over ln sigma that follows the information a noise level carries.

Adding noise n ~ N(0, sigma^2) to data, the mutual information between x_0 and x_sigma grows with the signal-to-noise
ratio as dI/d(1/sigma^2) = mmse(sigma)/2 (Guo, Shamai & Verdú 2005, arXiv:cs/0412108), so over ln sigma

    |dI / d ln sigma| = mmse(sigma) / sigma^2

a record. The unweighted error of D, which training computes anyway, estimates mmse / dim. Each bin of ln sigma keeps a
running mean of it; levels are drawn from

    (1 - a) prior + a profile,    profile_b ~ m_b / sigma_b^2 (smoothed over neighbours),    a -> 0.7

with a rising over the first 500 updates. Below sigma_min and above sigma_max nothing is drawn. The idea that the
density should follow the information rate is InfoNoise's (2026, arXiv:2602.18647); the recipe here is our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from synthgen.errors import UsageError

__all__ = ["AdaptiveDensity", "information_profile"]

_SHARE, _WARM_UP, _MEMORY = 0.7, 500, 0.99


def information_profile(centres: Tensor, error: Tensor) -> Tensor:
    """The share of the information that falls to each bin of ln sigma, `(bins,)`, sums to 1.

    Args:
        centres: ln sigma at the middle of evenly spaced bins, `(bins,)`.
        error: mean squared error of D in each, `(bins,)`, >= 0.
    """
    rate = error * torch.exp(-2 * centres)
    padded = torch.cat([rate[:1], rate, rate[-1:]])
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return smooth / smooth.sum()


class AdaptiveDensity:
    """Turns quantiles into noise levels, like `sigma_of_quantile`, and learns from the errors it is told.

    Args:
        prior: quantiles in [0, 1] -> noise levels, increasing.
        sigma_min, sigma_max: nothing is drawn outside.
        bins: of ln sigma.
    """

    def __init__(
        self, prior: Callable[[Tensor], Tensor], *, sigma_min: float, sigma_max: float, bins: int = 32
    ) -> None:
        if not 0 < sigma_min < sigma_max:
            raise UsageError(f"a noise density needs 0 < sigma_min < sigma_max, not {sigma_min} and {sigma_max}")
        self._edges = torch.linspace(math.log(sigma_min), math.log(sigma_max), bins + 1, dtype=torch.float64)
        drawn = prior(torch.linspace(0, 1, 4097, dtype=torch.float64)[1:-1]).double().log()
        counts = torch.bincount(self._bin(drawn.clamp(self._edges[0], self._edges[-1])), minlength=bins).double()
        self._prior = counts / counts.sum()
        self._error = torch.zeros(bins, dtype=torch.float64)  # decayed sums
        self._weight = torch.zeros(bins, dtype=torch.float64)
        self._updates = torch.zeros((), dtype=torch.int64)

    def __call__(self, u: Tensor) -> Tensor:
        """Noise levels at quantiles u in [0, 1], float32 of u's shape; uniform in ln sigma within a bin."""
        cumulative = torch.cat([torch.zeros(1, dtype=torch.float64), self.mass().cumsum(0)])
        cumulative = cumulative / cumulative[-1].clone()
        place = torch.searchsorted(cumulative, u.double().clamp(0, 1), right=True).clamp(1, len(self._prior))
        low, high = cumulative[place - 1], cumulative[place]
        within = ((u.double() - low) / (high - low).clamp_min(1e-300)).clamp(0, 1)
        return (self._edges[place - 1] + within * (self._edges[place] - self._edges[place - 1])).exp().float()

    def mass(self) -> Tensor:
        """The probability of each bin, `(bins,)`, sums to 1."""
        share = _SHARE * min(1.0, int(self._updates) / _WARM_UP)
        seen = self._weight > 0
        if share == 0 or not bool(seen.any()):
            return self._prior
        mean = self._error / self._weight.clamp_min(1e-300)
        nearest = (seen.nonzero() - torch.arange(len(mean))).abs().argmin(dim=0)  # a bin never seen: as its neighbour
        mean = torch.where(seen, mean, mean[seen][nearest])
        return (1 - share) * self._prior + share * information_profile((self._edges[1:] + self._edges[:-1]) / 2, mean)

    def update(self, sigma: Tensor, error: Tensor) -> None:
        """Take in the unweighted mean squared errors `(B,)` of D at noise levels `(B,)`."""
        place = self._bin(sigma.detach().double().cpu().log())
        self._error.mul_(_MEMORY).index_add_(0, place, error.detach().double().cpu())
        self._weight.mul_(_MEMORY).index_add_(0, place, torch.ones(len(place), dtype=torch.float64))
        self._updates += 1

    def state_dict(self) -> dict[str, Tensor]:
        """What was learnt, for a checkpoint."""
        return {"error": self._error.clone(), "weight": self._weight.clone(), "updates": self._updates.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state_dict`."""
        self._error.copy_(state["error"])
        self._weight.copy_(state["weight"])
        self._updates.copy_(state["updates"])

    def _bin(self, log_sigma: Tensor) -> Tensor:
        return (torch.searchsorted(self._edges, log_sigma, right=True) - 1).clamp(0, len(self._edges) - 2)
