"""Part of a record given beside the noise: one network that generates, fills gaps, forecasts and extends.

In training a record comes, with some probability, with some of its clean values y and a mask m of where they are. The
network reads (m y, m) as channels beside x, and the loss counts what is not given:

    D(x; sigma, c, m y, m) -> E[x_0 | x, c, y],      loss over 1 - m

Nothing given is the null of the condition, so the same weights answer for the record as a whole. The masks are what
people ask for:

    points      each value (or each position, all channels) with a probability drawn once a record
    gap         all but a box: an interval of a series, a rectangle of an image; in all channels or in some
    beginning   all before a position on the last axis: forecasting, and extending window by window
    channels    some channels whole

Sources: Tashiro et al. 2021, "CSDI", arXiv:2107.03502 (conditional scores trained on masks); Saharia et al. 2022,
"Palette", arXiv:2111.05826 (what is given as channels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from synthgen.api import Condition

__all__ = ["CONTEXT", "context_condition", "draw_given", "told"]

CONTEXT = "given values"
"""Name of the condition."""

_KINDS = 4
_LEAST, _MOST = 0.05, 0.95  # of the values that are given as points


def context_condition(shape: Sequence[int]) -> Condition:
    """The condition of records of this shape, `(C, *spatial)`; it has its own draws, so condition dropout spares it."""
    return Condition(CONTEXT, "dense", 2 * shape[0], dropout=0.0)


def told(x: Tensor, given: Tensor) -> Tensor:
    """What the network reads, `(B, 2 C, *spatial)`: values where given, else 0, and the mask; NaN where nothing is.

    Args:
        x: clean records `(B, C, *spatial)`; what is not given is not read.
        given: True where a value is given, x's shape.
    """
    context = torch.cat([torch.where(given, x, 0.0), given.to(x.dtype)], dim=1)
    nothing = ~given.flatten(1).any(dim=1).reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(nothing, math.nan, context)


def draw_given(shape: Sequence[int], *, probability: float, generator: torch.Generator) -> Tensor:
    """Which values of each record are given, boolean `(B, C, *spatial)`; never all of them.

    Args:
        shape: `(B, C, *spatial)`.
        probability: that anything is given.
        generator: source of the draws.
    """
    batch, channels, *spatial = shape

    def uniform(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator)

    def each(values: Tensor) -> Tensor:
        """One value a record, ready to meet `(B, C, *spatial)`."""
        return values.reshape(batch, *[1] * (len(shape) - 1))

    some = torch.where(each(uniform(batch)) < 0.5, 0.5, 0.0)  # by channel, for half of the records
    chosen = uniform(batch, channels, *[1] * len(spatial)) < some  # channels that a mask leaves alone
    rate = each(_LEAST + (_MOST - _LEAST) * uniform(batch))
    places, values = uniform(batch, 1, *spatial), uniform(*shape)
    points = torch.where(each(uniform(batch)) < 0.5, places, values) < rate
    box = torch.ones(batch, 1, *spatial, dtype=torch.bool)
    for axis, length in enumerate(spatial):
        extent = (uniform(batch) * length).ceil().clamp(min=1)
        start = (uniform(batch) * (length - extent + 1)).floor()
        along = torch.arange(length).reshape(-1, *[1] * (len(spatial) - axis - 1))
        box = box & (along >= each(start)) & (along < each(start + extent))
    gap = ~box | chosen
    length = spatial[-1]
    beginning = (torch.arange(length) < each((uniform(batch) * length).floor())).expand(shape)
    whole = (uniform(batch, channels, *[1] * len(spatial)) < 0.5).expand(shape) if channels > 1 else beginning
    kind = each((uniform(batch) * _KINDS).floor())
    given = torch.where(kind == 0, points, torch.where(kind == 1, gap, torch.where(kind == 2, beginning, whole)))
    given = given & (each(uniform(batch)) < probability)
    full = given.flatten(1).all(dim=1)
    return given & each(~full)
