"""Tensors that are cut into parts over processes (torch's DTensor), and the plain ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["as_cut", "as_parts_of", "fill", "is_cut", "local", "whole"]


def is_cut(tensor: Tensor) -> TypeGuard[DTensor]:
    """Whether it is a DTensor, whose import costs every process of one a second."""
    return hasattr(tensor, "device_mesh")


def local(tensor: Tensor) -> Tensor:
    """This process's part; a plain tensor is its own."""
    return tensor.to_local() if is_cut(tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, in every process, which all must ask for together."""
    return tensor.full_tensor() if is_cut(tensor) else tensor


def as_parts_of(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor cut as another one is."""
    if not is_cut(like) or is_cut(value) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def as_cut(part: Tensor, like: Tensor) -> Tensor:
    """This process's part as one of a whole that is cut as another tensor is."""
    if not is_cut(like):
        return part
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )


@torch.no_grad()
def fill(module: nn.Module, state: Mapping[str, Tensor], *, strict: bool = True) -> None:
    """Load whole tensors into a module whose parameters may be cut into parts."""
    own = module.state_dict()
    cut = {name: as_parts_of(value, own[name]) if name in own else value for name, value in state.items()}
    module.load_state_dict(cut, strict=strict)
