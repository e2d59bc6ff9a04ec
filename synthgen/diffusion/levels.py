"""Groups of channels with noise levels of their own: one network for the joint law and for every conditional of it.

A record is x = (x_1, ..., x_G), an image and its mask for example, and group g is noised to its own level:

    x_g + sigma_g n_g,      D(x; sigma_1, ..., sigma_G) = E[x_0 | all of them]

All levels equal is the joint model. With sigma_g = 0 group g is given, and sampling draws the others from their law
given it; no second network, no gradient of a likelihood. The preconditioning of channel group g is that of sigma_g, and
the network is told the highest level as its noise level and all of them as one more condition, null where they are
equal.

A denoiser is told the levels through the condition `LEVELS`, so samplers and guidance know nothing of it: they descend
with one sigma, and `synthgen.diffusion.imputation.GroupsGiven` puts in what is known.

Source: Bao et al. 2023, "One transformer fits all distributions in multi-modal diffusion at scale" (UniDiffuser),
arXiv:2303.06555.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from synthgen.api import Condition

__all__ = ["CLEAN", "LEVELS", "by_channel", "draw_levels", "group_means", "levels_condition", "settled"]

LEVELS = "noise levels"
"""Name of the condition: sigma of each group `(B, G)`; a row holding NaN means that all are the sigma of the call."""

CLEAN = 1e-3
"""The level that stands for no noise at all; ln 0 could not be told."""


def levels_condition(groups: Sequence[int]) -> Condition:
    """What the network is told beside its noise level."""
    return Condition(LEVELS, "vector", len(groups), dropout=0.0)


def draw_levels(
    sigma: Tensor,
    draw: Callable[[], Tensor],
    groups: int,
    *,
    independent: float,
    clean: float,
    generator: torch.Generator,
) -> Tensor:
    """The levels of each record's groups in training, `(B, G)`; a row of NaN where all are the record's sigma.

    Args:
        sigma: `(B,)`, the level of every group that is not drawn otherwise.
        draw: another draw of sigma.
        groups: G.
        independent: share of records in which all groups but one have levels of their own.
        clean: share of records in which one group is clean.
        generator: source of the draws.
    """
    rows = torch.arange(len(sigma))
    kind = torch.rand(len(sigma), generator=generator)
    chosen = torch.randint(0, groups, (len(sigma),), generator=generator)
    own = torch.stack([draw() for _ in range(groups)], dim=1)
    own[rows, chosen] = sigma
    given = sigma[:, None].repeat(1, groups)
    given[rows, chosen] = CLEAN
    levels = torch.where((kind < clean)[:, None], given, own)
    return torch.where((kind < clean + independent)[:, None], levels, torch.nan)


def by_channel(levels: Tensor, groups: Sequence[int], ndim: int) -> Tensor:
    """Values of groups `(B, G)` at their channels, `(B, C, 1, ...)` with `ndim` axes."""
    sizes = torch.tensor(groups, device=levels.device)
    return levels.repeat_interleave(sizes, dim=1).reshape(len(levels), -1, *[1] * (ndim - 2))


def settled(levels: Tensor, sigma: Tensor) -> Tensor:
    """The levels `(B, G)` with NaN replaced by the record's sigma `(B,)`."""
    return torch.where(levels.isnan(), sigma[:, None].to(levels.dtype), levels)


def group_means(squared: Tensor, observed: Tensor | None, groups: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The weighted mean of each group's entries, and the group's share of all weights, both `(B, G)`.

    Args:
        squared: `(B, C, *spatial)`.
        observed: weights of that shape; None: all 1.
        groups: channels of each group.
    """
    weights = torch.ones_like(squared) if observed is None else observed.to(squared.dtype)
    parts = [
        ((value * weight).flatten(1).sum(dim=1), weight.flatten(1).sum(dim=1))
        for value, weight in zip(*(torch.split(part, list(groups), dim=1) for part in (squared, weights)), strict=True)
    ]
    total, count = (torch.stack(column, dim=1) for column in zip(*parts, strict=True))
    return total / count.clamp(min=1e-6), count / count.sum(dim=1, keepdim=True).clamp(min=1e-6)
