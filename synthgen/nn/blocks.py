"""Parts of the networks: convolutions over one or two axes, modulated residual blocks, attention, resampling.

    h = conv(silu(norm(x)));   y = skip(x) + conv(silu(mask (1 + scale(e)) norm(h) + mask shift(e)))

scale and shift come from the embedding e of noise level and conditions (Dhariwal & Nichol 2021, arXiv:2105.05233); the
last convolution of a block starts at zero, so a block starts as its skip. `mask` is dropout of whole feature maps
(Tompson et al. 2015, arXiv:1411.4280) folded into scale and shift, where it costs nothing: dropout of single entries
took a third of a 3x3 convolution's time.

Layout. Series run as images of height one, `(B, C, 1, L)`: in float32 on a CPU (Ice Lake, torch 2.15), channels-last
2-D convolutions with kernel (1, 3) are 1.6 to 2.4 times as fast as 1-D ones, and channels-last 3x3 ones 1.5 to 1.9
times as fast as contiguous ones. bfloat16 (AMX) prefers the contiguous layout, and 1-D convolutions for series.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.nn.attention import attend

__all__ = ["Attention", "Convolution", "ResidualBlock", "coarsen", "divisor", "group_norm", "padding_to", "refine"]


def divisor(n: int, at_most: int) -> int:
    """The largest divisor of n that is not above `at_most`."""
    return next(d for d in range(min(n, at_most), 0, -1) if n % d == 0)


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with at most 8 groups, of at least 4 channels where that is possible."""
    return nn.GroupNorm(divisor(channels, max(1, min(8, channels // 4))), channels)


class Convolution(nn.Conv2d):
    """A convolution over the last `spatial` axes; takes series as `(B, C, L)` or `(B, C, 1, L)`.

    Args:
        inputs, outputs: channels.
        spatial: 1 or 2 axes.
        kernel, stride: along each axis; odd kernels keep the size, even ones (patches) are not padded.
        zero: start at zero.
    """

    def __init__(
        self, inputs: int, outputs: int, *, spatial: int, kernel: int = 3, stride: int = 1, zero: bool = False
    ) -> None:
        height = kernel if spatial == 2 else 1
        padding = (kernel // 2 if kernel % 2 else 0) if stride == 1 else 0
        super().__init__(
            inputs,
            outputs,
            (height, kernel),
            stride=(stride if spatial == 2 else 1, stride),
            padding=(padding if spatial == 2 else 0, padding),
        )
        if zero:
            nn.init.zeros_(self.weight)
            nn.init.zeros_(cast(Tensor, self.bias))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, inputs, *spatial)` -> `(B, outputs, *spatial / stride)`."""
        if x.ndim == 3:
            return functional.conv1d(x, self.weight.squeeze(2), self.bias, self.stride[1], int(self.padding[1]))
        return super().forward(x)


class ResidualBlock(nn.Module):
    """Two convolutions around a skip, modulated by the embedding.

    Args:
        inputs, outputs: channels.
        embedding: size of the embedding.
        spatial: 1 or 2 axes.
        dropout: probability of losing a feature map.
    """

    def __init__(self, inputs: int, outputs: int, *, embedding: int, spatial: int, dropout: float) -> None:
        super().__init__()
        self.norm_in = group_norm(inputs)
        self.conv_in = Convolution(inputs, outputs, spatial=spatial)
        self.norm_out = group_norm(outputs)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.conv_out = Convolution(outputs, outputs, spatial=spatial, zero=True)
        self.skip = nn.Identity() if inputs == outputs else Convolution(inputs, outputs, spatial=spatial, kernel=1)
        self.dropout = dropout

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x `(B, inputs, *spatial)`, embedding `(B, embedding)` -> `(B, outputs, *spatial)`."""
        h = self.conv_in(functional.silu(self.norm_in(x)))
        scale, shift = self.modulation(embedding).to(h.dtype).chunk(2, dim=1)  # (B, outputs) each
        scale = 1 + scale
        if self.training and self.dropout > 0:
            mask = functional.dropout(torch.ones_like(scale), self.dropout)
            scale, shift = scale * mask, shift * mask
        scale, shift = (part.reshape(*part.shape, *[1] * (h.ndim - 2)) for part in (scale, shift))
        h = torch.addcmul(shift, self.norm_out(h).to(h.dtype), scale)
        return cast(Tensor, self.skip(x) + self.conv_out(functional.silu(h)))


class Attention(nn.Module):
    """Pre-norm self-attention over all positions, added to its input.

    Args:
        channels: of x.
        heads: at most this many; the largest number that divides the channels.
    """

    def __init__(self, channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = divisor(channels, heads)
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, channels, *spatial)` -> the same shape."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, T, C)
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, T, C / heads)
        mixed = attend(q, k, v).transpose(1, 2).flatten(2)  # (B, T, C)
        return x + cast(Tensor, self.out(mixed)).transpose(1, 2).reshape(x.shape)


def coarsen(x: Tensor, spatial: int) -> Tensor:
    """Mean over pairs along each of the data's axes; `(B, C, *spatial)` -> `(B, C, *spatial / 2)`."""
    if x.ndim == 3:
        return functional.avg_pool1d(x, 2)
    return functional.avg_pool2d(x, (spatial, 2))  # a series has height 1


def refine(x: Tensor, spatial: int) -> Tensor:
    """Every value twice along each of the data's axes: the shape that `coarsen` started from."""
    if x.ndim == 3:
        return functional.interpolate(x, scale_factor=2.0)
    return functional.interpolate(x, scale_factor=(float(spatial), 2.0))


def padding_to(multiple: int, size: int) -> int:
    """How many values complete `size` to a multiple."""
    return math.ceil(size / multiple) * multiple - size
