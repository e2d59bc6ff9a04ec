"""The network for vectors: a residual multilayer perceptron.

    h = W_in x
    h <- h + W_2 dropout(silu((1 + scale(e)) norm(W_1 silu(norm(h))) + shift(e)))        for each block
    F = W_out silu(norm(h))

scale and shift come from the embedding e of noise level and conditions; W_2 and W_out start at zero, so a block starts
as the identity. There is no convolution and no attention: neighbouring entries of a vector have nothing in common.

Sources: Gorishniy et al. 2021, arXiv:2106.11959 (residual MLP for tables); Dhariwal & Nichol 2021, arXiv:2105.05233
(modulation); Kotelnikov et al. 2023, arXiv:2209.15421 (an MLP denoiser for tables).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.nn.embed import Embedding

__all__ = ["MLP"]


class MLP(nn.Module):
    """Predicts a vector from a noisy one, its noise level and conditions.

    Args:
        shape: of one record; flattened whatever it is.
        conditions: the schema's conditions.
        width: of the hidden layers.
        blocks: residual blocks.
        dropout: on the blocks' hidden layer.
        unused: what other networks take (multipliers, attention, heads, patch).
    """

    def __init__(
        self,
        shape: Sequence[int],
        conditions: Sequence[Condition],
        *,
        width: int = 256,
        blocks: int = 3,
        dropout: float = 0.0,
        **unused: Any,
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embedding = Embedding(conditions, width)
        self.stem = nn.Linear(size, width)
        self.blocks = nn.ModuleList(_Block(width, dropout=dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = _zero(nn.Linear(width, size))

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape.

        Args:
            x: scaled noisy input `(B, *shape)`.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        embedding = self.embedding(noise, conditions)  # (B, W)
        h = self.stem(x.flatten(1))  # (B, W)
        for block in self.blocks:
            h = block(h, embedding)
        return cast(Tensor, self.head(functional.silu(self.norm(h)))).reshape(x.shape)


class _Block(nn.Module):
    """Two layers around a skip, modulated by the embedding."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.second = _zero(nn.Linear(width, width))

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding).chunk(2, dim=1)  # (B, W) each
        inner = self.first(functional.silu(self.norm_in(h)))
        inner = torch.addcmul(shift, self.norm_out(inner), 1 + scale)
        return h + cast(Tensor, self.second(self.dropout(functional.silu(inner))))


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
