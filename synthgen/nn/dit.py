"""The diffusion transformer for series: tokens are patches of time in each channel.

    token(c, t) = W x[c, t p : (t + 1) p] + channel(c) + position(t)
    z <- z + gate_1(e) * attention over t (modulated norm(z))
    z <- z + gate_2(e) * attention over c (modulated norm(z))             with more than one channel
    z <- z + gate_3(e) * MLP(modulated norm(z))

norm is a LayerNorm without parameters, modulated by scale(e) and shift(e); all gates start at zero (AdaLN-zero), so a
block starts as the identity. Attention by axis costs C T (C + T) instead of (C T)^2; the channels' identities are
learned.

Sources: Peebles & Xie 2023, arXiv:2212.09748 (DiT); Nie et al. 2023, arXiv:2211.14730 (patches of a series); Zhang &
Yan 2023, "Crossformer" (attention over time, then channels).
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
from synthgen.nn.blocks import divisor, padding_to
from synthgen.nn.embed import DenseConditions, Embedding

__all__ = ["DiT"]


class DiT(nn.Module):
    """Predicts a series from a noisy one, its noise level and conditions.

    Args:
        shape: of one record, `(C, L)`.
        conditions: the schema's conditions.
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
        width: int = 48,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 2,
        attention: bool = True,
        heads: int = 4,
        patch: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(shape) != 2:
            raise UsageError(
                f"the diffusion transformer takes series of shape (C, L), not {tuple(shape)}", hint="Use the U-Net."
            )
        channels, _ = shape
        self.patch, self.width = patch, width
        self.embedding = Embedding(conditions, 4 * width)
        self.tokens = nn.Linear(2 * patch, width)  # values, and where they are data rather than padding
        self.dense = DenseConditions(conditions)
        self.aligned = nn.Linear(self.dense.channels * patch, width) if self.dense.channels else None
        self.channel = nn.Parameter(torch.randn(channels, 1, width) * 0.5)
        self.blocks = nn.ModuleList(
            _Block(width, embedding=4 * width, heads=heads, axes=2 if channels > 1 else 1, dropout=dropout)
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(4 * width, 2 * width)
        self.head = nn.Linear(width, patch)
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
        length = x.shape[2]
        edge = (0, padding_to(self.patch, length))
        values, present = functional.pad(x, edge), functional.pad(torch.ones_like(x), edge)
        cut = [part.reshape(*part.shape[:2], -1, self.patch) for part in (values, present)]  # (B, C, T, p) each
        patches = torch.cat(cut, dim=3)
        z = self.tokens(patches) + self.channel + _positions(patches.shape[2], self.width, x.device)  # (B, C, T, W)
        if self.aligned is not None:  # the same for every channel of x
            beside = functional.pad(self.dense(conditions, x), edge)
            beside = beside.reshape(*beside.shape[:2], -1, self.patch).transpose(1, 2).flatten(2)  # (B, T, channels p)
            z = z + self.aligned(beside)[:, None]
        embedding = self.embedding(noise, conditions)
        for block in self.blocks:
            z = block(z, embedding)
        scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)
        output = cast(Tensor, self.head(self.norm(z) * (1 + scale) + shift))  # (B, C, T, p)
        return output.flatten(2)[:, :, :length].contiguous()


class _Block(nn.Module):
    """Attention over time, over channels (with `axes` 2), then an MLP; each modulated and gated."""

    def __init__(self, width: int, *, embedding: int, heads: int, axes: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attentions = nn.ModuleList(_Attention(width, heads=heads) for _ in range(axes))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.modulation = nn.Linear(embedding, 3 * (axes + 1) * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, z: Tensor, embedding: Tensor) -> Tensor:
        """z `(B, C, T, W)` -> the same shape."""
        modulation: tuple[Tensor, ...] = self.modulation(embedding)[:, None, None].chunk(
            3 * (len(self.attentions) + 1), dim=-1
        )
        for axis, attention in enumerate(self.attentions):
            scale, shift, gate = modulation[3 * axis : 3 * axis + 3]
            tokens = self.norm(z) * (1 + scale) + shift
            mixed: Tensor = attention(tokens) if axis == 0 else attention(tokens.transpose(1, 2)).transpose(1, 2)
            z = z + gate * mixed
        scale, shift, gate = modulation[-3:]
        hidden: Tensor = self.mlp(self.norm(z) * (1 + scale) + shift)
        return z + gate * hidden


class _Attention(nn.Module):
    """Multi-head self-attention over the third axis of `(B, R, T, W)`, each row R for itself."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = divisor(width, heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, z: Tensor) -> Tensor:
        b, r, t, w = z.shape
        q, k, v = self.qkv(z).view(b * r, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        mixed: Tensor = functional.scaled_dot_product_attention(q, k, v)  # (B R, heads, T, W / heads)
        return cast(Tensor, self.out(mixed.transpose(1, 2).reshape(b, r, t, w)))


def _positions(steps: int, width: int, device: torch.device) -> Tensor:
    """Sinusoidal positions `(steps, width)` (Vaswani et al. 2017, arXiv:1706.03762)."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(10000.0) / half))
    angles = torch.arange(steps, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
