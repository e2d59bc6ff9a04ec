"""Vectors <-> model tensors: each column standardised on training values, times 0.5.

Missing values stand at the mean and carry no weight. A constant column has spread 1 and decodes to its constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from synthgen.api import Batch, Records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Schema

__all__ = ["VectorCodec"]

_SIGMA_DATA = 0.5
_MARGIN = 0.1  # decoded values may leave the training range by this share of it
_STATE = ("mean", "std", "low", "high")


class VectorCodec:
    """Codec of the vectors modality; `decode(encode(r))` returns float32 values within their precision.

    Decoded values are clipped to the training range widened by 10 %, and whole-number columns are rounded.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._learnt: dict[str, NDArray[np.float64]] = {}

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean, deviation and range of each column, one pass (Chan et al. 1979 for joining pieces)."""
        width = self._schema.shape[1]
        count, mean, squares = np.zeros(width), np.zeros(width), np.zeros(width)
        low, high = np.full(width, np.inf), np.full(width, -np.inf)
        for records in batches:
            values = records["values"].astype(np.float64)
            known = ~np.isnan(values)
            n = known.sum(axis=0)
            piece = np.where(known, values, 0.0).sum(axis=0) / np.maximum(n, 1)
            shift, total = piece - mean, np.maximum(count + n, 1)
            squares += np.where(known, (values - piece) ** 2, 0.0).sum(axis=0) + shift**2 * count * n / total
            mean, count = mean + shift * n / total, count + n
            low = np.fmin(low, np.where(known, values, np.inf).min(axis=0))
            high = np.fmax(high, np.where(known, values, -np.inf).max(axis=0))
        std = np.sqrt(squares / np.maximum(count, 1))
        unseen = count == 0  # a column that has values, but none in the training split
        self._learnt = {
            "mean": mean,
            "std": np.where(std > 1e-9 * np.maximum(np.abs(mean), 1e-30), std, 1.0),
            "low": np.where(unseen, 0.0, low),
            "high": np.where(unseen, 0.0, high),
        }
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, 1, D)`, weights (None when nothing is missing) and the label."""
        values = records["values"].astype(np.float64)
        missing = np.isnan(values)
        z = np.where(missing, 0.0, (values - self._learnt["mean"]) / self._learnt["std"])
        x = torch.from_numpy((z * _SIGMA_DATA).astype(np.float32))[:, None]  # (B, 1, D)
        observed = torch.from_numpy((~missing).astype(np.float32))[:, None] if missing.any() else None
        conditions: dict[str, torch.Tensor] = {}
        if self._schema.labels:
            label = np.full(len(records), -1) if records.label is None else records.label
            conditions["label"] = torch.from_numpy(np.asarray(label, dtype=np.int64))
        return Batch(x, observed, conditions)

    def decode(self, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
        """From `(B, 1, D)` of any real values to legal records."""
        mean, std, low, high = (self._learnt[name] for name in _STATE)
        z = np.nan_to_num(x.detach().cpu().numpy().astype(np.float64), nan=0.0)[:, 0] / _SIGMA_DATA
        margin = _MARGIN * (high - low)
        values = np.clip(z * std + mean, low - margin, high + margin)
        whole = np.array([channel.kind == "integer" for channel in self._schema.channels])
        values = np.where(whole, np.rint(values), values)
        label = conditions.get("label")
        kept = None if label is None or not self._schema.labels else label.detach().cpu().numpy().astype(np.int64)
        return Records({"values": values.astype(np.float32)}, kept)

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Scale and range as float64 tensors."""
        return {"sigma_data": _SIGMA_DATA, "margin": _MARGIN}, {
            name: torch.from_numpy(self._learnt[name].copy()) for name in _STATE
        }

    def load_state(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Self:
        """The inverse of `state`."""
        self._learnt = {name: tensors[name].numpy().astype(np.float64) for name in _STATE}
        return self
