"""Embeddings of what a network is told beside x: the noise level and the conditions.

    phi(c)_k = sqrt(2) cos / sin (2 pi f_k c),   f_k geometric         Fourier features of a scalar
    e = MLP(phi(ln(sigma)/4)) + sum over conditions e_condition        what modulates every block

    class        a vector for each class
    multilabel   a linear map of the multi-hot vector, as -1 and +1
    vector       an MLP on each value and its Fourier features (continuous values), or on an embedding as it is
    dense        no vector: channels aligned with x that the network reads beside it

Every condition has a learned null, so that guidance can leave any of them out (Ho & Salimans 2022, arXiv:2207.12598).
Fourier features: Tancik et al. 2020, arXiv:2006.10739; channels beside x: Saharia et al. 2022, arXiv:2111.05826.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from synthgen.api import Condition

__all__ = ["ConditionEmbedding", "DenseConditions", "Embedding", "FourierFeatures"]


class FourierFeatures(nn.Module):
    """Sines and cosines of a scalar at fixed geometric frequencies, unit variance.

    Args:
        size: number of features, even.
        low, high: the frequencies' range, in cycles a unit.
    """

    frequencies: Tensor

    def __init__(self, size: int, *, low: float = 0.125, high: float = 8.0) -> None:
        super().__init__()
        spaced = torch.linspace(math.log(low), math.log(high), size // 2, dtype=torch.float64)
        self.register_buffer("frequencies", (2 * math.pi * spaced.exp()).float(), persistent=False)

    def forward(self, scalar: Tensor) -> Tensor:
        """Features `(*, size)` of a scalar `(*)`, float32."""
        angle = scalar.float().unsqueeze(-1) * self.frequencies
        return math.sqrt(2) * torch.cat([angle.cos(), angle.sin()], dim=-1)


class _ClassEmbedding(nn.Module):
    """A learned vector for each class and one for the null, -1."""

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(classes + 1, size)  # the last row is the null

    def forward(self, label: Tensor) -> Tensor:
        return cast(Tensor, self.table(torch.where(label < 0, self.table.num_embeddings - 1, label)))


class _VectorEmbedding(nn.Module):
    """An MLP on each entry's value and, if there are any, Fourier features; rows holding NaN are the null."""

    def __init__(self, entries: int, size: int, features: int = 16) -> None:
        super().__init__()
        self.features = FourierFeatures(features, low=0.125, high=2.0)  # nothing of size 0
        self.mlp = nn.Sequential(nn.Linear(entries * (1 + features), size), nn.SiLU(), nn.Linear(size, size))
        self.null = nn.Parameter(torch.zeros(size))

    def forward(self, vector: Tensor) -> Tensor:
        lost = vector.isnan().any(dim=1, keepdim=True)
        known = vector.float().nan_to_num(0.0)  # NaN would poison the gradient even behind torch.where
        inputs = torch.cat([known.unsqueeze(-1), self.features(known)], dim=-1).flatten(1)
        embedded = cast(Tensor, self.mlp(inputs))
        return torch.where(lost, self.null.to(embedded.dtype), embedded)


class _MultiLabelEmbedding(nn.Module):
    """A linear map of a multi-hot vector; rows holding NaN are the null."""

    def __init__(self, entries: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(entries, size)
        self.null = nn.Parameter(torch.zeros(size))

    def forward(self, vector: Tensor) -> Tensor:
        lost = vector.isnan().any(dim=1, keepdim=True)
        embedded = cast(Tensor, self.linear(2 * vector.float().nan_to_num(0.0) - 1))
        return torch.where(lost, self.null.to(embedded.dtype), embedded)


_EMBEDDINGS = {"class": _ClassEmbedding, "multilabel": _MultiLabelEmbedding, "vector": _VectorEmbedding}


def _part(condition: Condition, size: int) -> nn.Module:
    if condition.kind == "vector" and not condition.fourier:
        return _VectorEmbedding(condition.size, size, features=0)
    return _EMBEDDINGS[condition.kind](condition.size, size)


class DenseConditions(nn.Module):
    """Conditions aligned with x as channels: each its values and a channel that says where they are known.

    Args:
        conditions: the schema's conditions; those that are not dense are left to `ConditionEmbedding`.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        super().__init__()
        self.conditions = tuple(condition for condition in conditions if condition.kind == "dense")
        self.nulls = nn.ParameterList(nn.Parameter(torch.zeros(condition.size)) for condition in self.conditions)
        self.channels = sum(condition.size + 1 for condition in self.conditions)

    def forward(self, conditions: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """The channels `(B, self.channels, *spatial)`.

        Args:
            conditions: name -> `(B, size, *spatial)`; a record holding NaN, and a missing name, is null.
            like: x, `(B, C, *spatial)`.
        """
        parts = [like[:, :0]]
        for condition, null in zip(self.conditions, self.nulls, strict=True):
            absent = null.to(like.dtype).reshape(1, -1, *[1] * (like.ndim - 2))
            value = conditions.get(condition.name)
            if value is None:
                value = torch.full((1, condition.size, *[1] * (like.ndim - 2)), math.nan, device=like.device)
                value = value.expand(len(like), condition.size, *like.shape[2:])
            known = ~value.isnan().flatten(1).any(dim=1).reshape(-1, *[1] * (like.ndim - 1))  # (B, 1, ...)
            parts.append(torch.where(known, value.to(like.dtype).nan_to_num(0.0), absent))
            parts.append(known.to(like.dtype).expand(-1, 1, *like.shape[2:]))
        return torch.cat(parts, dim=1)


class ConditionEmbedding(nn.Module):
    """The sum of the embeddings of all conditions but the dense ones.

    Args:
        conditions: the schema's conditions.
        size: of the embedding.
    """

    def __init__(self, conditions: Sequence[Condition], size: int) -> None:
        super().__init__()
        self.conditions = tuple(condition for condition in conditions if condition.kind != "dense")
        self.size = size
        self.parts = nn.ModuleList(_part(condition, size) for condition in self.conditions)

    def forward(self, conditions: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """The embedding `(B, size)`.

        Args:
            conditions: name -> `(B,)` classes (-1 null) or `(B, size)` vectors (NaN null); a missing name is null.
            like: any tensor with the batch size and the device.
        """
        total = torch.zeros(len(like), self.size, device=like.device)
        for condition, part in zip(self.conditions, self.parts, strict=True):
            value = conditions.get(condition.name)
            if value is None:
                value = (
                    torch.full((len(like),), -1, device=like.device)
                    if condition.kind == "class"
                    else torch.full((len(like), condition.size), math.nan, device=like.device)
                )
            total = total + part(value)
        return total


class Embedding(nn.Module):
    """Noise level and conditions as one vector `(B, size)`, ready to modulate blocks."""

    def __init__(self, conditions: Sequence[Condition], size: int) -> None:
        super().__init__()
        self.noise = nn.Sequential(FourierFeatures(64), nn.Linear(64, size), nn.SiLU(), nn.Linear(size, size))
        self.conditions = ConditionEmbedding(conditions, size)

    def forward(self, noise: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The vector `(B, size)` for noise `(B,)` = ln(sigma)/4 and conditions by name."""
        return nn.functional.silu(self.noise(noise) + self.conditions(conditions, noise))
