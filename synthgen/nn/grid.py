"""The grid transformer for series: tokens are patches of time in each channel, as in `dit`, with what that one lacks.

    token(c, t) = W x[c, (t - 1) p : (t + 2) p] + V context[c, t p : (t + 1) p] + channel(c) + position(t)

Each token reads its patch with the one before and the one after, so that patches meet; queries and keys are turned by
their step (rotary positions), so that attention sees distances; a small grid is mixed by one attention over all tokens,
a large one by attention over time, then over channels; what is given of the record (`synthgen.nn.context`) enters the
token it belongs to. The channels' identities are learned (without them a wide series cannot be told from a permuted
one); more than 64 channels share tokens in groups of neighbours.

Sources: Peebles & Xie 2023, arXiv:2212.09748 (DiT); Nie et al. 2023, arXiv:2211.14730 (patches of a series); Zhang &
Yan 2023, "Crossformer" (attention over time, then channels); Su et al. 2021, arXiv:2104.09864 (rotary positions).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.errors import UsageError
from synthgen.nn.blocks import padding_to
from synthgen.nn.context import CONTEXT
from synthgen.nn.embed import DenseConditions, Embedding
from synthgen.nn.transformer import GridBlock, Mixing, sinusoids

__all__ = ["Grid"]

_JOINT = 256
"""Tokens up to which one attention mixes them all."""

_ROWS = 64
"""Rows of tokens at most; more channels share rows."""


class Grid(nn.Module):
    """Predicts a series from a noisy one, its noise level and conditions.

    Args:
        shape: of one record, `(C, L)`.
        conditions: the schema's conditions, and the context where the run is trained with it.
        width: of a token.
        multipliers, attention: of the U-Net; not used here.
        blocks: transformer blocks.
        heads: attention heads.
        patch: time steps a token.
        dropout: on the MLP's hidden layer.

    Raises:
        UsageError: the shape is not that of a series.
    """

    def __init__(
        self,
        shape: Sequence[int],
        conditions: Sequence[Condition],
        *,
        width: int = 64,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 4,
        attention: bool = True,
        heads: int = 4,
        patch: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(shape) != 2:
            raise UsageError(
                f"the grid transformer takes series of shape (C, L), not {tuple(shape)}", hint="Use the U-Net."
            )
        channels, length = shape
        self.patch, self.width = patch, width
        self.group = math.ceil(channels / _ROWS)  # channels a row
        rows = math.ceil(channels / self.group)
        values = self.group * patch
        self.embedding = Embedding(conditions, 4 * width)
        self.tokens = nn.Linear(2 * 3 * values, width)  # values, and where they are data rather than padding
        given = any(condition.name == CONTEXT for condition in conditions)
        self.context = nn.Linear(2 * values, width, bias=False) if given else None
        others = [condition for condition in conditions if condition.name != CONTEXT]
        self.dense = DenseConditions(others)
        self.aligned = nn.Linear(self.dense.channels * patch, width) if self.dense.channels else None
        self.channel = nn.Parameter(torch.randn(rows, 1, width) * 0.5)
        mixing: tuple[Mixing, ...] = ("time", "rows") if rows > 1 else ("time",)
        if rows > 1 and rows * math.ceil(length / patch) <= _JOINT:
            mixing = ("joint",)
        self.blocks = nn.ModuleList(
            GridBlock(width, embedding=4 * width, heads=heads, mixing=mixing, dropout=dropout, rotary=True)
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(4 * width, 2 * width)
        self.head = nn.Linear(width, values)
        for layer in (self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape.

        Args:
            x: scaled noisy input `(B, C, L)`, of any length.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        batch, channels, length = x.shape
        patches = torch.cat([self._cut(x), self._cut(torch.ones_like(x))], dim=3)  # (B, R, T, 2 g p)
        beside = functional.pad(patches, (0, 0, 1, 1))
        around = torch.cat([beside[:, :, :-2], patches, beside[:, :, 2:]], dim=3)  # (B, R, T, 6 g p)
        place = self.channel + sinusoids(patches.shape[2], self.width, x.device)
        z = self.tokens(around)  # (B, R, T, W)
        z = z + place.to(z.dtype)
        if self.context is not None and CONTEXT in conditions:
            known, mask = conditions[CONTEXT].to(x.dtype).nan_to_num(0.0).chunk(2, dim=1)
            z = z + self.context(torch.cat([self._cut(known), self._cut(mask)], dim=3))
        if self.aligned is not None:  # the same for every channel of x
            edge = (0, padding_to(self.patch, length))
            dense = functional.pad(self.dense(conditions, x), edge)
            dense = dense.reshape(batch, dense.shape[1], -1, self.patch).transpose(1, 2).flatten(2)
            z = z + self.aligned(dense)[:, None]
        embedding = self.embedding(noise, conditions)
        for block in self.blocks:
            z = block(z, embedding)
        scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)
        output = cast(Tensor, self.head(torch.addcmul(shift, self.norm(z), 1 + scale)))  # (B, R, T, g p)
        output = output.reshape(*output.shape[:3], self.group, self.patch).transpose(2, 3)  # (B, R, g, T, p)
        return output.flatten(3).flatten(1, 2)[:, :channels, :length].contiguous()

    def _cut(self, x: Tensor) -> Tensor:
        """Patches `(B, R, T, g p)` of `(B, C, L)`, zero beyond its edges."""
        rows = padding_to(self.group, x.shape[1])
        padded = functional.pad(x, (0, padding_to(self.patch, x.shape[2]), 0, rows))
        batch, channels, length = padded.shape
        cut = padded.reshape(batch, channels // self.group, self.group, length // self.patch, self.patch)
        return cut.transpose(2, 3).flatten(3)
