"""Low-rank adapters: a trained weight stays as it is, and training learns a small change of low rank beside it.

    W' = W + U V,   U (rows, r) = 0 at the start,  V (r, columns) ~ N(0, 1/columns)

A convolution is the matrix (out, in * kernel). Afterwards U V is added into W, so the trained network has the names and
shapes it always had.

Source: Hu et al. 2022, "LoRA: low-rank adaptation of large language models", arXiv:2106.09685.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["LowRank", "add_adapters", "merged"]

_INSIDE = ".parametrizations.weight."


class LowRank(nn.Module):
    """The change of one weight.

    Args:
        weight: `(rows, ...)`.
        rank: r above.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        columns = weight[0].numel()
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))
        self.down = nn.Parameter(torch.randn(rank, columns, dtype=weight.dtype).to(weight.device) / math.sqrt(columns))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with the change added."""
        return weight + (self.up @ self.down).reshape(weight.shape)


def add_adapters(network: nn.Module, rank: int) -> list[str]:
    """Put an adapter beside every matrix and convolution that is larger than the rank both ways; names of their layers.

    The weights themselves are frozen; draws come from torch's global generator.
    """
    adapted = []
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear | nn.Conv2d) and min(len(module.weight), module.weight[0].numel()) > rank:
            parametrize.register_parametrization(module, "weight", LowRank(module.weight.detach(), rank))
            adapted.append(name)
    for name, parameter in network.named_parameters():
        if name.endswith(f"{_INSIDE}original"):
            parameter.requires_grad_(False)
    return adapted


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with every adapter added into its weight, under the weight's own name; without any, the same state."""
    plain = {name: value for name, value in state.items() if _INSIDE not in name}
    for name, weight in state.items():
        layer, inside, part = name.partition(_INSIDE)
        if inside and part == "original":
            up, down = (state[f"{layer}{_INSIDE}0.{half}"] for half in ("up", "down"))
            plain[f"{layer}.weight"] = weight + (up @ down).reshape(weight.shape)
    return plain
