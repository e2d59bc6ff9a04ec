"""The denoising loss: weighted squared error of D, with a learned uncertainty for each noise level.

    err_i  = mean over observed entries of (D(x_i + sigma_i n_i; sigma_i) - x_i)^2
    loss   = mean_i  w(sigma_i) err_i e^{-u(sigma_i)} + u(sigma_i)                     (Karras et al. 2024, eq. 14)

At the optimum e^u is the expected weighted error at that noise level, so every level then counts alike, whatever the
data and whatever w; u is one linear layer on Fourier features of ln sigma and starts at 0, where the loss is the plain
one. Without it the weights of `synthgen.diffusion.weights` decide. With a layer for each class y of a condition, and
one for the null, u(sigma, y) makes classes count alike too: the error of a class at rest, a hundredth of a lively
one's, is no longer lost beside it (Kendall et al. 2018, arXiv:1705.07115, there for tasks).

Two optional terms. **Frequency**: the error again, in the Fourier domain and weighted by the frequency |f|, mean 1,

    err_f = mean over f of  (|f| / mean |f|) |FFT(D - x_0)(f)|^2                        (FFT orthonormal)

A fixed weight on a squared error leaves the minimiser E[x_0 | x] where it is, so scores and likelihoods stay valid;
detail is learnt sooner and the layout later (the idea of a Fourier term: Jiang et al. 2021, arXiv:2012.12821; Yuan &
Qiao 2024, arXiv:2403.01742). **Contrastive** (Stoica et al. 2025, arXiv:2506.05350, eq. 5): away from the velocity of a
record of another class in the batch. With t = sigma/(1 + sigma) and the velocity v~ = n~ - x~_0 of that record, the
denoiser that would predict it is D~ = x/(1 + sigma) - t v~, and the term is -lambda w |D - D~|^2. Its minimiser is

    (E[x_0 | x] - lambda E[D~]) / (1 - lambda),

no longer the posterior mean: classes are drawn apart, and scores and likelihoods are off by as much.

With a noise level for each of G groups of channels (`synthgen.diffusion.levels`) every group has an error, a weight and
an uncertainty of its own, and counts by its share s_g of the observed entries; u_g knows the levels of all groups:

    loss   = mean_i  sum_g s_g [ w(sigma_g) err_g e^{-u_g(sigma_1 ... sigma_G)} + u_g ]

Sources: Karras et al. 2022, arXiv:2206.00364; Karras et al. 2024, arXiv:2312.02696.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.levels import LEVELS, by_channel, group_means, settled
from synthgen.diffusion.weights import LossWeight
from synthgen.nn.embed import FourierFeatures

__all__ = ["DenoisingLoss", "Uncertainty"]


class Uncertainty(nn.Module):
    """u(sigma, y): the logarithm of the expected weighted error at a noise level, learned; 0 at the start.

    Args:
        groups: of channels with a noise level and an error each.
        classes: with an error each, beside that of the null; 0: the level alone decides.
    """

    def __init__(self, features: int = 32, *, groups: int = 1, classes: int = 0) -> None:
        super().__init__()
        self.features = FourierFeatures(features)
        self.linear = nn.Linear(groups * features, groups)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.by_class = nn.Embedding(classes + 1, groups * (groups * features + 1)) if classes else None
        if self.by_class is not None:
            nn.init.zeros_(self.by_class.weight)

    def forward(self, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """u `(B, G)` at sigma `(B, G)`, or `(B,)` at `(B,)` for one group; float32 also under autocast.

        Args:
            sigma: noise levels.
            label: class of each record `(B,)`, -1 the null; where there are classes.
        """
        with torch.autocast(sigma.device.type, enabled=False):
            features = self.features(sigma.float().log() / 4)
            flat = features if sigma.ndim == 1 else features.flatten(1)
            u = cast(Tensor, self.linear(flat))
            if self.by_class is not None and label is not None:
                own = self.by_class(label % self.by_class.num_embeddings).view(len(u), u.shape[1], -1)
                u = u + own[..., -1] + (own[..., :-1] * flat[:, None]).sum(dim=2)
            return u.squeeze(1) if sigma.ndim == 1 else u


class DenoisingLoss(nn.Module):
    """Squared error of a denoiser on given noise.

    Args:
        weight: w(sigma).
        uncertainty: learn the weight of each noise level; its parameters belong to the optimiser.
        frequency: factor of the frequency term; 0 is none.
        contrastive: lambda of the contrastive term, below 1; 0 is none, the paper's is 0.05.
        groups: channels of each group with a noise level of its own; empty: one level for all. The optional terms are
            for one level.
        classes: name and number of classes of the condition whose classes have an uncertainty each.
    """

    def __init__(
        self,
        weight: LossWeight | None = None,
        *,
        uncertainty: bool = True,
        frequency: float = 0.0,
        contrastive: float = 0.0,
        groups: Sequence[int] = (),
        classes: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.weight = LossWeight() if weight is None else weight
        self.groups = tuple(groups)
        self.classes, several = classes or ("", 0)
        self.uncertainty = Uncertainty(groups=max(1, len(self.groups)), classes=several) if uncertainty else None
        self.frequency = frequency
        self.contrastive = contrastive

    def forward(
        self,
        denoiser: AnyDenoiser,
        x: Tensor,
        sigma: Tensor,
        noise: Tensor,
        observed: Tensor | None,
        conditions: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """The loss, and each sample's weighted error of D without u and the optional terms, detached, `(B,)`.

        Args:
            denoiser: what is trained.
            x: clean data `(B, C, *spatial)`.
            sigma: noise levels `(B,)`.
            noise: standard normal, x's shape.
            observed: weights of x's shape, 0 where the value is missing, which then costs nothing; None: all observed.
            conditions: name -> tensor, after dropout.
        """
        if self.groups:
            return self._by_group(denoiser, x, sigma, noise, observed, conditions)
        levels = sigma.reshape(-1, *[1] * (x.ndim - 1))
        noisy = x + levels * noise
        estimate = denoiser(noisy, sigma, conditions)
        error = estimate - x
        mean = _mean_square(error, observed)
        weight = self.weight(sigma)  # (B,)
        weighted = weight * mean
        total = weighted
        if self.frequency:
            total = total + self.frequency * weight * _frequency_error(error, observed)
        u = torch.zeros_like(sigma)
        if self.uncertainty is not None:
            u = self.uncertainty(sigma, conditions.get(self.classes))
        loss = total * torch.exp(-u) + u
        if self.contrastive:
            apart = weight * _contrast(estimate, noisy, x, noise, levels, observed, conditions)
            loss = loss - self.contrastive * apart * torch.exp(-u).detach()  # u follows the error alone
        return loss.mean(), weighted.detach()

    def _by_group(
        self,
        denoiser: AnyDenoiser,
        x: Tensor,
        sigma: Tensor,
        noise: Tensor,
        observed: Tensor | None,
        conditions: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """The same where each group has its own level; a group without observed entries costs nothing."""
        each = sigma[:, None].expand(-1, len(self.groups))  # (B, G)
        if LEVELS in conditions:
            each = settled(conditions[LEVELS], sigma)
        estimate = denoiser(x + by_channel(each, self.groups, x.ndim) * noise, sigma, conditions)
        mean, share = group_means((estimate - x).square(), observed, self.groups)  # (B, G) each
        weighted = share * self.weight(each) * mean
        if self.uncertainty is None:
            return weighted.sum(dim=1).mean(), weighted.detach().sum(dim=1)
        u = self.uncertainty(each, conditions.get(self.classes))
        return (weighted * torch.exp(-u) + share * u).sum(dim=1).mean(), weighted.detach().sum(dim=1)


def _mean_square(error: Tensor, observed: Tensor | None) -> Tensor:
    """The mean over observed entries of the squared error, `(B,)`."""
    squared = error.square().flatten(1)
    if observed is None:
        return squared.mean(dim=1)
    counts = observed.to(squared.dtype).flatten(1)
    return (squared * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1e-6)


def _frequency_error(error: Tensor, observed: Tensor | None) -> Tensor:
    """The mean over frequencies of the squared error times |f|, scaled to mean 1; `(B,)`."""
    error = error.float()
    if observed is not None:
        error = error * observed.clamp(min=0).sqrt()
    axes = tuple(range(2, error.ndim))
    power: Tensor = torch.fft.fftn(error, dim=axes, norm="ortho").abs().square()
    radius = torch.zeros(error.shape[2:], device=error.device)
    for axis, length in enumerate(error.shape[2:]):
        shape = [length if i == axis else 1 for i in range(len(axes))]
        radius = radius + torch.fft.fftfreq(length, device=error.device).square().reshape(shape)
    radius = radius.sqrt()
    relative = radius / radius.mean().clamp_min(1e-12)
    return (power * relative).flatten(1).mean(dim=1)


def _contrast(
    estimate: Tensor,
    noisy: Tensor,
    x: Tensor,
    noise: Tensor,
    levels: Tensor,
    observed: Tensor | None,
    conditions: Mapping[str, Tensor],
) -> Tensor:
    """Squared distance to what another class's velocity would predict, `(B,)`; 0 where there is no other class."""
    label = next((value for value in conditions.values() if not value.is_floating_point() and value.ndim == 1), None)
    if label is None:
        return estimate.new_zeros(len(estimate))
    other = label.roll(1)
    differs = (label >= 0) & (other >= 0) & (label != other)
    velocity = (noise - x).roll(1, dims=0)
    elsewhere = (noisy - levels * velocity) / (1 + levels)
    return _mean_square(estimate - elsewhere, observed) * differs
