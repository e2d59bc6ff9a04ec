"""Guidance: a denoiser pushed away from a weaker one, and what keeps a pushed denoiser in range.

    D_w(x; sigma, c) = G(x; sigma, c') + w (D(x; sigma, c) - G(x; sigma, c'))

w = 1 is no guidance; w > 1 trades diversity for typical examples. The weaker answer G decides what guidance does:

    classifier-free   G = D with the guided conditions null      towards the condition        (w = 0 ignores it)
    autoguidance      G = an earlier snapshot of the same run     towards what more training would still correct

A network can answer for the null condition because training drops each condition now and then; any subset of the
conditions can be guided. Acting only for noise levels inside an interval keeps diversity at high noise and saves
evaluations. **Rescaling** brings the deviation of D_w back to that of D (Lin et al., eq. 15-16),

    D_w <- phi D_w std(D)/std(D_w) + (1 - phi) D_w

and **dynamic thresholding** clips each estimate at its own quantile p of |D|, never below the data's limit b, and
shrinks it to the limit: with s = max(b, quantile_p |D|), D <- clip(D, -s, s) b / s. An **ensemble** is the mean of
denoisers, which for one and the same data has the lower error.

Sources: Ho & Salimans 2022, "Classifier-free diffusion guidance", arXiv:2207.12598; Kynkäänniemi et al. 2024, "Applying
guidance in a limited interval", arXiv:2404.07724; Karras et al. 2024, "Guiding a diffusion model with a bad version of
itself", arXiv:2406.02507; Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed",
arXiv:2305.08891; Saharia et al. 2022, "Imagen", arXiv:2205.11487, section 2.3; Lakshminarayanan et al. 2017,
arXiv:1612.01474 (ensembles).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from synthgen.api import Condition
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.errors import UsageError

__all__ = ["AutoGuided", "Ensemble", "Guided", "Thresholded", "blurred", "drop", "null", "without"]


def null(conditions: Mapping[str, Tensor], names: Collection[str] | None = None) -> dict[str, Tensor]:
    """The same conditions with every row of those named (None: all) replaced by the null: -1 for classes, else NaN."""
    return {
        name: value
        if names is not None and name not in names
        else torch.full_like(value, math.nan if value.is_floating_point() else -1)
        for name, value in conditions.items()
    }


def blurred(
    conditions: Mapping[str, Tensor], specs: Iterable[Condition], generator: torch.Generator
) -> dict[str, Tensor]:
    """The conditions with noise on those that ask for it, its deviation uniform in (0, `Condition.noise`) for each row.

    Conditioning augmentation (Ho et al. 2022, arXiv:2106.15282).

    Args:
        conditions, specs, generator: as in `drop`.
    """
    most = {spec.name: spec.noise for spec in specs if spec.noise > 0}
    noised = dict(conditions)
    for name in most.keys() & conditions.keys():
        value = conditions[name]
        spread = most[name] * torch.rand(len(value), generator=generator).reshape(-1, *[1] * (value.ndim - 1))
        noised[name] = value + spread.to(value) * torch.randn(value.shape, generator=generator).to(value)
    return noised


def drop(conditions: Mapping[str, Tensor], specs: Iterable[Condition], generator: torch.Generator) -> dict[str, Tensor]:
    """The conditions with each row of each turned to null with the probability `Condition.dropout`, independently.

    Args:
        conditions: name -> `(B,)` classes, `(B, size)` vectors or `(B, size, *spatial)` maps; names that no spec knows
            pass unchanged.
        specs: the schema's conditions.
        generator: source of the draws.
    """
    rate = {spec.name: spec.dropout for spec in specs}
    dropped = {}
    for name, value in conditions.items():
        draws = torch.rand(len(value), generator=generator, device=generator.device).to(value.device)
        lost = (draws < rate.get(name, 0.0)).reshape(-1, *[1] * (value.ndim - 1))
        dropped[name] = torch.where(lost, math.nan if value.is_floating_point() else -1, value)
    return dropped


def without(conditions: Mapping[str, Tensor], rows: Tensor, *, spare: Collection[str] = ()) -> dict[str, Tensor]:
    """The conditions with these rows `(B,)` of each, but those named to be spared, turned to null."""
    nulls = null(conditions)
    return {
        name: value if name in spare else torch.where(rows.reshape(-1, *[1] * (value.ndim - 1)), nulls[name], value)
        for name, value in conditions.items()
    }


class _Pushed(nn.Module):
    """What the two kinds of guidance share: where they act, the push and the rescaling."""

    def __init__(self, weight: float, interval: tuple[float, float] | None, rescale: float) -> None:
        super().__init__()
        self.weight = weight
        self.interval = (0.0, math.inf) if interval is None else interval
        self.rescale = rescale

    def _inside(self, sigma: Tensor) -> Tensor:
        """Rows that are guided, `(G,)`."""
        low, high = self.interval
        return ((sigma >= low) & (sigma <= high)).nonzero().flatten()

    def _push(self, strong: Tensor, weak: Tensor, inside: Tensor) -> Tensor:
        """The guided estimate `(B, ...)` from the strong one `(B, ...)` and the weak one of the rows inside."""
        plain = strong[inside]
        guided = weak + self.weight * (plain - weak)
        if self.rescale:
            axes = tuple(range(1, guided.ndim))
            ratio = plain.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True).clamp_min(1e-12)
            guided = guided * (self.rescale * ratio + 1 - self.rescale)
        return strong.index_copy(0, inside, guided)


class Guided(_Pushed):
    """Guides a denoiser towards its conditions (classifier-free); samplers use it like any other denoiser.

    Args:
        denoiser: trained with condition dropout.
        weight: w above; 1 is no guidance.
        interval: `(low, high)`: guidance acts only where low <= sigma <= high; None: everywhere. Outside it the null
            half is not evaluated.
        names: the conditions that are guided, the others stay in both halves; None: all.
        rescale: phi above; 0 is none, the paper's is 0.7.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        weight: float,
        interval: tuple[float, float] | None = None,
        *,
        names: Collection[str] | None = None,
        rescale: float = 0.0,
    ) -> None:
        super().__init__(weight, interval, rescale)
        self.denoiser = denoiser
        self.names = names

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The guided estimate of the clean x, `(B, C, *spatial)`; both halves in one call of the denoiser."""
        inside = self._inside(sigma)
        if self.weight == 1 or not conditions or len(inside) == 0:
            return self.denoiser(x, sigma, conditions)
        without = null({name: value[inside] for name, value in conditions.items()}, self.names)
        both = self.denoiser(
            torch.cat([x, x[inside]]),
            torch.cat([sigma, sigma[inside]]),
            {name: torch.cat([value, without[name]]) for name, value in conditions.items()},
        )
        return self._push(both[: len(x)], both[len(x) :], inside)


class AutoGuided(_Pushed):
    """Guides a denoiser away from a worse version of itself; needs no conditions.

    Args:
        denoiser: the trained one.
        guide: an earlier or smaller one, trained on the same data.
        weight: w above; 1 is no guidance.
        interval: `(low, high)` as in `Guided`; outside it the guide is not evaluated.
        rescale: phi above.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        guide: AnyDenoiser,
        weight: float,
        interval: tuple[float, float] | None = None,
        *,
        rescale: float = 0.0,
    ) -> None:
        super().__init__(weight, interval, rescale)
        self.denoiser = denoiser
        self.guide = guide

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The guided estimate of the clean x, `(B, C, *spatial)`."""
        strong = self.denoiser(x, sigma, conditions)
        inside = self._inside(sigma)
        if self.weight == 1 or len(inside) == 0:
            return strong
        told = {name: value[inside] for name, value in conditions.items()}
        return self._push(strong, self.guide(x[inside], sigma[inside], told), inside)


class Thresholded(nn.Module):
    """Keeps estimates within the data's range by dynamic thresholding.

    Args:
        denoiser: guided or not.
        limit: b above, > 0: the largest absolute value in the encoded data.
        quantile: p above, in [0, 1]; 0 clips at the limit and shrinks nothing (static thresholding), the paper's is
            0.995.
    """

    def __init__(self, denoiser: AnyDenoiser, *, limit: float, quantile: float = 0.995) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.limit = limit
        self.quantile = quantile

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The estimate within [-limit, limit], `(B, C, *spatial)`."""
        estimate = self.denoiser(x, sigma, conditions)
        if self.quantile == 0:
            return estimate.clamp(-self.limit, self.limit)
        flat = estimate.flatten(1)
        place = max(1, math.ceil(self.quantile * flat.shape[1]))
        bound = flat.abs().kthvalue(place, dim=1, keepdim=True).values.clamp_min(self.limit)  # (B, 1)
        return (flat.clamp(-bound, bound) * (self.limit / bound)).view_as(estimate)


class Ensemble(nn.Module):
    """The mean of several denoisers of the same data: other seeds, or other widths of the weight average.

    Args:
        denoisers: at least one, all for records of one shape.

    Raises:
        UsageError: there is none.
    """

    def __init__(self, denoisers: Sequence[AnyDenoiser]) -> None:
        super().__init__()
        if not denoisers:
            raise UsageError("an ensemble needs at least one denoiser")
        self.members = tuple(denoisers)

    def forward(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The mean estimate, `(B, C, *spatial)`."""
        total = self.members[0](x, sigma, conditions)
        for member in self.members[1:]:
            total = total + member(x, sigma, conditions)
        return total / len(self.members)
