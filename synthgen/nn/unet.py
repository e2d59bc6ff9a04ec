"""The U-Net: a convolutional network for images and series of any size and any number of channels.

    stem -> [blocks -> coarsen] x (levels - 1) -> blocks with attention at the coarsest -> [refine -> blocks] -> head
                    |________________________ skip, concatenated ________________________|

A channel of ones beside x lets zero padding be told from data (Karras et al. 2024, arXiv:2312.02696); inputs are padded
to a multiple of the coarsest cell and outputs cropped, so every size works. With `patch` > 1 the stem is a convolution
over patches and the head puts patches back.

Sources: Ronneberger et al. 2015, arXiv:1505.04597; Ho et al. 2020, arXiv:2006.11239.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthgen.api import Condition
from synthgen.errors import UsageError
from synthgen.nn.blocks import Attention, Convolution, ResidualBlock, coarsen, group_norm, padding_to, refine
from synthgen.nn.embed import DenseConditions, Embedding

__all__ = ["UNet"]


class UNet(nn.Module):
    """Predicts a tensor of x's shape from noisy x, noise level and conditions.

    Args:
        shape: of one record, `(C, L)` or `(C, H, W)`.
        conditions: the schema's conditions.
        width: channels at full resolution.
        multipliers: width multiplier at each resolution, the full one first.
        blocks: residual blocks at each resolution, on the way down and on the way up.
        attention: self-attention at the coarsest resolution.
        heads: attention heads.
        patch: stride of the stem; 1 works on single pixels or time steps.
        dropout: probability of losing a feature map in a residual block.

    Raises:
        UsageError: the shape is neither 1-D nor 2-D.
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
        spatial = len(shape) - 1
        if spatial not in (1, 2):
            raise UsageError(f"the U-Net takes records of shape (C, L) or (C, H, W), not {tuple(shape)}")
        channels = [width * multiplier for multiplier in multipliers]
        size = 4 * width
        self.spatial, self.patch, self.levels = spatial, patch, len(channels)

        def block(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, embedding=size, spatial=spatial, dropout=dropout)

        self.embedding = Embedding(conditions, size)
        kernel = patch if patch > 1 else 3
        self.dense = DenseConditions(conditions)
        self.stem = Convolution(
            shape[0] + 1 + self.dense.channels, channels[0], spatial=spatial, kernel=kernel, stride=patch
        )
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        inputs = channels[0]
        for outputs in channels[:-1]:
            self.down.append(nn.ModuleList(block(inputs if i == 0 else outputs, outputs) for i in range(blocks)))
            inputs = outputs
        self.coarsest = nn.ModuleList(block(inputs if i == 0 else channels[-1], channels[-1]) for i in range(blocks))
        self.attention = Attention(channels[-1], heads=heads) if attention else None
        self.narrow = nn.ModuleList()
        for above, below in zip(reversed(channels[:-1]), reversed(channels[1:]), strict=True):
            self.narrow.append(Convolution(below, above, spatial=spatial, kernel=1))
            self.up.append(nn.ModuleList(block(2 * above if i == 0 else above, above) for i in range(blocks)))
        self.norm = group_norm(channels[0])
        self.head = Convolution(channels[0], shape[0] * patch**spatial, spatial=spatial, zero=True)

    def forward(self, x: Tensor, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The prediction, x's shape.

        Args:
            x: scaled noisy input `(B, C, *spatial)`, of any spatial size.
            noise: ln(sigma)/4, `(B,)`.
            conditions: name -> tensor; a missing name is null for all.
        """
        embedding = self.embedding(noise, conditions)
        h = self.stem(_laid_out(self._padded(self._beside(x, conditions))))
        skips = []
        for level in self.down:
            for block in cast(nn.ModuleList, level):
                h = block(h, embedding)
            skips.append(h)
            h = coarsen(h, self.spatial)
        for i, block in enumerate(self.coarsest):
            h = block(h, embedding)
            if i == 0 and self.attention is not None:
                h = self.attention(h)
        for narrow, level in zip(self.narrow, self.up, strict=True):
            h = torch.cat([refine(narrow(h), self.spatial), skips.pop()], dim=1)
            for block in cast(nn.ModuleList, level):
                h = block(h, embedding)
        h = self.head(functional.silu(self.norm(h)))
        return self._assembled(h, x)

    def _beside(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """x and the dense conditions as channels."""
        return torch.cat([x, self.dense(conditions, x)], dim=1) if self.dense.channels else x

    def _padded(self, x: Tensor) -> Tensor:
        """x beside a channel of ones, zero-padded to a multiple of the coarsest cell."""
        h = torch.cat([x, x.new_ones(len(x), 1, *x.shape[2:])], dim=1)
        cell = self.patch * 2 ** (self.levels - 1)
        edges = [edge for extent in reversed(x.shape[2:]) for edge in (0, padding_to(cell, extent))]
        return functional.pad(h, edges) if any(edges) else h

    def _assembled(self, h: Tensor, x: Tensor) -> Tensor:
        """Patches put back where they were cut, cropped to x's size; contiguous."""
        p = self.patch
        if x.ndim == 3:
            h = h.flatten(2)  # (B, C p, L / p), from either layout
            h = h.reshape(len(h), -1, p, h.shape[2]).transpose(2, 3).flatten(2)
            return h[:, :, : x.shape[2]].contiguous()
        if p > 1:
            h = functional.pixel_shuffle(h, p)
        return h[:, :, : x.shape[2], : x.shape[3]].contiguous()


def _laid_out(x: Tensor) -> Tensor:
    """x in the layout that is fastest where it lies: see `synthgen.nn.blocks`."""
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return x
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        return x  # torch.func.vmap has no channels-last layout; private training takes gradients with it
    return (x.unsqueeze(2) if x.ndim == 3 else x).contiguous(memory_format=torch.channels_last)
