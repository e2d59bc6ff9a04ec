"""The diffusion transformer for series: tokens are patches of time in each channel.

    token(c, t) = W x[c, t p : (t + 1) p] + channel(c) + position(t)
    z <- z + gate_1(e) * attention over t (modulated norm(z))
    z <- z + gate_2(e) * attention over c (modulated norm(z))             with more than one channel
    z <- z + gate_3(e) * MLP(modulated norm(z))

Attention by axis costs C T (C + T) instead of (C T)^2; the channels' identities are learned. The blocks are those of
`synthgen.nn.transformer`.

Sources: Peebles & Xie 2023, arXiv:2212.09748 (DiT); Nie et al. 2023, arXiv:2211.14730 (patches of a series); Zhang &
Yan 2023, "Crossformer" (attention over time, then channels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.errors import UsageError
from synthgen.nn.blocks import padding_to
from synthgen.nn.embed import DenseConditions, Embedding
from synthgen.nn.transformer import GridBlock, Mixing, sinusoids

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
        mixing: tuple[Mixing, ...] = ("time", "rows") if channels > 1 else ("time",)
        self.blocks = nn.ModuleList(
            GridBlock(width, embedding=4 * width, heads=heads, mixing=mixing, dropout=dropout) for _ in range(blocks)
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
        place = self.channel + sinusoids(patches.shape[2], self.width, x.device)
        z = self.tokens(patches)  # (B, C, T, W)
        z = z + place.to(z.dtype)
        if self.aligned is not None:  # the same for every channel of x
            beside = functional.pad(self.dense(conditions, x), edge)
            beside = beside.reshape(*beside.shape[:2], -1, self.patch).transpose(1, 2).flatten(2)  # (B, T, channels p)
            z = z + self.aligned(beside)[:, None]
        embedding = self.embedding(noise, conditions)
        for block in self.blocks:
            z = block(z, embedding)
        scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)
        output = cast(Tensor, self.head(torch.addcmul(shift, self.norm(z), 1 + scale)))  # (B, C, T, p)
        return output.flatten(2)[:, :, :length].contiguous()
