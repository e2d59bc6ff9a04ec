"""Parts of the transformers on a grid of tokens `(B, R, T, W)`: R rows (channels), T steps along each.

    z <- z + gate(e) * attention(modulated norm(z))         for each mixing of the block, in order
    z <- z + gate(e) * MLP(modulated norm(z))

`time` mixes the steps of each row, `rows` the rows at each step, `joint` all tokens. norm is a LayerNorm without
parameters, modulated by scale(e) and shift(e); all gates start at zero (AdaLN-zero), so a block starts as the identity.

Rotary positions turn each pair of query and key features by an angle that grows with the step, so that attention sees
distances and a longer series is nothing new (Su et al. 2021, arXiv:2104.09864).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.nn.attention import attend
from synthgen.nn.blocks import divisor

__all__ = ["GridBlock", "Mixing", "sinusoids"]

Mixing = Literal["time", "rows", "joint"]
_SLOWEST = 10_000.0


class GridBlock(nn.Module):
    """Attentions, then an MLP; each modulated and gated.

    Args:
        width: W, of a token.
        embedding: size of e.
        heads: attention heads; at most this many, the largest number that divides the width.
        mixing: what each attention mixes.
        dropout: on the MLP's hidden layer, of whole features.
        rotary: turn queries and keys by their step.
    """

    def __init__(
        self, width: int, *, embedding: int, heads: int, mixing: Sequence[Mixing], dropout: float, rotary: bool = False
    ) -> None:
        super().__init__()
        self.mixing = tuple(mixing)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attentions = nn.ModuleList(_Attention(width, heads=heads, rotary=rotary) for _ in self.mixing)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(approximate="tanh"),
            _FeatureDropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.modulation = nn.Linear(embedding, 3 * (len(self.mixing) + 1) * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, z: Tensor, embedding: Tensor) -> Tensor:
        """z `(B, R, T, W)`, embedding `(B, embedding)` -> z's shape and type."""
        modulation = self.modulation(embedding)[:, None, None].to(z.dtype)
        parts: tuple[Tensor, ...] = modulation.chunk(3 * (len(self.attentions) + 1), dim=-1)
        for index, (mixing, attention) in enumerate(zip(self.mixing, self.attentions, strict=True)):
            scale, shift, gate = parts[3 * index : 3 * index + 3]
            tokens = torch.addcmul(shift, self.norm(z), 1 + scale)
            if mixing == "time":
                mixed = attention(tokens, torch.arange(z.shape[2], device=z.device))
            elif mixing == "rows":
                mixed = attention(tokens.transpose(1, 2), None).transpose(1, 2)
            else:
                steps = torch.arange(z.shape[2], device=z.device).repeat(z.shape[1])
                mixed = attention(tokens.flatten(1, 2)[:, None], steps).view_as(tokens)
            z = torch.addcmul(z, gate, mixed)
        scale, shift, gate = parts[-3:]
        return torch.addcmul(z, gate, self.mlp(torch.addcmul(shift, self.norm(z), 1 + scale)))


class _FeatureDropout(nn.Module):
    """Loses features of a record, each in all of its tokens; masks of single values took 7 % of a step."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, z: Tensor) -> Tensor:
        """`(B, R, T, W)` -> the same shape."""
        if not self.training or not self.probability:
            return z
        return z * functional.dropout(z.new_ones(len(z), 1, 1, z.shape[-1]), self.probability)


class _Attention(nn.Module):
    """Multi-head self-attention over the third axis of `(B, R, T, W)`, each row R for itself."""

    def __init__(self, width: int, *, heads: int, rotary: bool) -> None:
        super().__init__()
        self.heads = divisor(width, heads)
        self.rotary = rotary
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, z: Tensor, steps: Tensor | None) -> Tensor:
        """`(B, R, T, W)` -> the same shape; steps `(T,)`: where each token stands, None: nowhere in particular."""
        b, r, t, w = z.shape
        q, k, v = self.qkv(z).view(b * r, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        if self.rotary and steps is not None:
            q, k = _turned(q, steps), _turned(k, steps)
        mixed = attend(q, k, v)  # (B R, heads, T, W / heads)
        return cast(Tensor, self.out(mixed.transpose(1, 2).reshape(b, r, t, w)))


def _turned(features: Tensor, steps: Tensor) -> Tensor:
    """Features `(..., T, D)`, each pair (i, i + D / 2) turned by the step times its rate; an odd last one stays."""
    half = features.shape[-1] // 2
    rates = torch.exp(torch.arange(half, device=features.device) * (-math.log(_SLOWEST) / max(half, 1)))
    angle = steps[:, None] * rates  # (T, D / 2)
    cos, sin = angle.cos().to(features.dtype), angle.sin().to(features.dtype)
    first, second, rest = features[..., :half], features[..., half : 2 * half], features[..., 2 * half :]
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)


def sinusoids(steps: int, width: int, device: torch.device) -> Tensor:
    """Sinusoidal positions `(steps, width)` (Vaswani et al. 2017, arXiv:1706.03762)."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(_SLOWEST) / half))
    angles = torch.arange(steps, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
