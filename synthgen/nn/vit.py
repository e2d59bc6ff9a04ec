"""The patch transformer for large images: tokens are patches of pixels, and the network says what the clean patch is.

    token(i, j) = U V x[patch (i, j)] + position(i) | position(j)          V to a few dimensions, U to the width
    z <- z + gate_1(e) * attention over all tokens (modulated norm(z))
    z <- z + gate_2(e) * MLP(modulated norm(z))
    patch(i, j) = W (modulated norm(z)(i, j))

A patch of 16 x 16 colours has 768 values. Noise fills all of them, clean images only a few directions, so a network
that predicts x (`noise.parameterisation=x`) needs no more width than the images have, where one that predicts noise or
velocity must carry the noise through every layer. V is that narrow waist. Train it with the velocity's loss
(`loss.weight=velocity`), as Li & He do.

Source: Li & He 2025, "Back to basics: let denoising generative models denoise", arXiv:2511.13720 (JiT); blocks of
Peebles & Xie 2023, arXiv:2212.09748 (AdaLN-zero).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.errors import UsageError
from synthgen.nn.blocks import padding_to
from synthgen.nn.embed import DenseConditions, Embedding
from synthgen.nn.transformer import GridBlock, sinusoids

__all__ = ["ViT"]

_WAIST = 128


class ViT(nn.Module):
    """Predicts an image from a noisy one, its noise level and conditions.

    Args:
        shape: of one record, `(C, H, W)`.
        conditions: the schema's conditions.
        width: of a token.
        multipliers, attention: of the U-Net; not used here.
        blocks: transformer blocks.
        heads: attention heads.
        patch: side of a patch, in pixels.
        dropout: on the MLP's hidden layer.

    Raises:
        UsageError: the shape is not that of an image.
    """

    def __init__(
        self,
        shape: Sequence[int],
        conditions: Sequence[Condition],
        *,
        width: int = 384,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 12,
        attention: bool = True,
        heads: int = 6,
        patch: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise UsageError(
                f"the patch transformer takes images of shape (C, H, W), not {tuple(shape)}",
                hint="For series there is network.name=grid.",
            )
        channels = shape[0]
        self.patch, self.width = patch, width
        self.embedding = Embedding(conditions, width)
        self.dense = DenseConditions(conditions)
        values = (channels + 1 + self.dense.channels) * patch**2  # and where they are data rather than padding
        waist = min(_WAIST, width)
        self.tokens = nn.Sequential(nn.Linear(values, waist, bias=False), nn.Linear(waist, width))
        self.blocks = nn.ModuleList(
            GridBlock(width, embedding=width, heads=heads, mixing=("time",), dropout=dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, channels * patch**2)
        for layer in (self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape.

        Args:
            x: scaled noisy input `(B, C, H, W)`, of any size.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        height, width = x.shape[2:]
        seen = torch.cat([x, torch.ones_like(x[:, :1]), self.dense(conditions, x)], dim=1)
        padded = functional.pad(seen, (0, padding_to(self.patch, width), 0, padding_to(self.patch, height)))
        rows, columns = padded.shape[2] // self.patch, padded.shape[3] // self.patch
        patches = functional.pixel_unshuffle(padded, self.patch).flatten(2).transpose(1, 2)  # (B, T, values)
        z = self.tokens(patches)  # (B, T, W)
        z = z + _positions(rows, columns, self.width, x.device).to(z.dtype)
        embedding = self.embedding(noise, conditions)
        z = z[:, None]  # a grid of one row
        for block in self.blocks:
            z = block(z, embedding)
        scale, shift = self.modulation(embedding)[:, None].chunk(2, dim=-1)
        output = self.head(torch.addcmul(shift, self.norm(z[:, 0]), 1 + scale))  # (B, T, C p p)
        image = output.transpose(1, 2).reshape(len(x), -1, rows, columns)
        return functional.pixel_shuffle(image, self.patch)[:, :, :height, :width].contiguous()


def _positions(rows: int, columns: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids of the row in one half of the features, of the column in the other, `(rows * columns, width)`."""
    half = width // 2
    down = sinusoids(rows, half, device)[:, None].expand(rows, columns, half)
    across = sinusoids(columns, width - half, device)[None].expand(rows, columns, width - half)
    return torch.cat([down, across], dim=2).flatten(0, 1)
