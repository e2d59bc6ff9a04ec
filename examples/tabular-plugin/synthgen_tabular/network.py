"""The network: a residual multilayer perceptron, modulated by noise level and label.

The order of columns means nothing, so nothing is convolved. As in Gorishniy et al. 2021, arXiv:2106.11959 (ResNet for
tables) and Kotelnikov et al. 2023, arXiv:2209.15421 (TabDDPM).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.nn.embed import Embedding

__all__ = ["TabularMLP"]


class TabularMLP(nn.Module):
    """Predicts a tensor of x's shape from noisy x, noise level and conditions.

    Args:
        shape: of one record, `(C, *spatial)`.
        conditions: the schema's conditions.
        width: of the hidden layers, divided by 8.
        blocks: residual blocks.
        dropout: in each block.
        multipliers, attention, heads, patch: of other networks; not used here.
    """

    def __init__(
        self,
        shape: Sequence[int],
        conditions: Sequence[Condition],
        *,
        width: int = 48,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 2,
        attention: bool = True,
        heads: int = 4,
        patch: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        size, hidden = math.prod(shape), 8 * width
        self.embedding = Embedding(conditions, hidden)
        self.stem = nn.Linear(size, hidden)
        self.blocks = nn.ModuleList(_Block(hidden, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, size)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape.

        Args:
            x: scaled noisy input `(B, C, *spatial)`.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        embedding = self.embedding(noise, conditions)
        h = self.stem(x.flatten(1))
        for block in self.blocks:
            h = block(h, embedding)
        return cast(Tensor, self.head(functional.silu(self.norm(h)))).reshape(x.shape)


class _Block(nn.Module):
    """h + W2 dropout(silu(W1 (norm(h) (1 + scale(e)) + shift(e))))."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.modulation = nn.Linear(hidden, 2 * hidden)
        self.first = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(functional.silu(embedding)).chunk(2, dim=-1)
        inner = functional.silu(self.first(self.norm(h) * (1 + scale) + shift))
        return h + cast(Tensor, self.second(self.dropout(inner)))
