"""A ready codec for records that are one numeric column: each channel z-scored on the training split, times 0.5.

    x = 0.5 (v - mean_c) / std_c,   missing values 0 with weight 0

A plugin whose records need no more takes it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Batch, Records, Schema
from synthgen.data.attribute_codec import attribute_columns, attribute_conditions
from synthgen.errors import DataError, RunError

__all__ = ["ScaledCodec"]

_SCALE = 0.5


class ScaledCodec:
    """Codec of one float32 column of shape `(N, *schema.shape)`, channels first.

    Decoded values stay in the range seen in training. NaN in a record means missing.

    Args:
        schema: of the records.
        column: name of the column.
    """

    def __init__(self, schema: Schema, column: str) -> None:
        self._schema = schema
        self._column = column
        channels = schema.shape[0]
        self._facts = {name: torch.zeros(channels) for name in ("mean", "std", "low", "high")}

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean, standard deviation and range of each channel, in one pass.

        Raises:
            DataError: a channel without any value.
        """
        channels = self._schema.shape[0]
        count, total, squares = (np.zeros(channels) for _ in range(3))
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for records in batches:
            rows = self._values(records).astype(np.float64).swapaxes(0, 1).reshape(channels, -1)
            seen = np.isfinite(rows)
            filled = np.where(seen, rows, 0.0)
            count, total, squares = count + seen.sum(1), total + filled.sum(1), squares + (filled**2).sum(1)
            low = np.minimum(low, np.where(seen, rows, np.inf).min(axis=1))
            high = np.maximum(high, np.where(seen, rows, -np.inf).max(axis=1))
        if not (count > 0).all():
            raise DataError(f"channel {int(np.argmin(count))} of {self._column!r} holds no value in the training split")
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        std = np.where(std > 1e-9 * np.maximum(np.abs(mean), 1.0), std, 1.0)  # a constant channel stays constant
        found = {"mean": mean, "std": std, "low": low, "high": high}
        self._facts = {name: torch.tensor(value, dtype=torch.float32) for name, value in found.items()}
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, *schema.shape)`."""
        values = torch.from_numpy(np.ascontiguousarray(self._values(records)))
        seen = values.isfinite()
        x = torch.where(seen, (values - self._of("mean")) * (_SCALE / self._of("std")), torch.zeros(()))
        conditions: dict[str, Tensor] = {}
        if self._schema.labels:
            label = np.full(len(records), -1) if records.label is None else records.label
            conditions["label"] = torch.from_numpy(label.astype(np.int64))
        conditions |= attribute_conditions(records, self._schema)
        return Batch(x, None if bool(seen.all()) else seen.float(), conditions)

    def decode(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Records:
        """From any real values to the range of the training split."""
        values = x.detach().float().cpu() * (self._of("std") / _SCALE) + self._of("mean")
        values = torch.where(values.isfinite(), values, self._of("mean"))
        values = values.maximum(self._of("low")).minimum(self._of("high"))
        label = conditions.get("label") if self._schema.labels else None
        columns = {self._column: values.numpy(), **attribute_columns(conditions, self._schema, len(x))}
        return Records(columns, None if label is None else label.cpu().numpy().astype(np.int64))

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Mean, standard deviation and range."""
        return {"column": self._column}, {name: tensor.clone() for name, tensor in self._facts.items()}

    def load_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The inverse of `state`.

        Raises:
            RunError: the state is not one of this codec and schema.
        """
        for name, own in self._facts.items():
            if name not in tensors or tensors[name].shape != own.shape:
                raise RunError(f"the codec's state has no usable {name!r} for {len(own)} channels")
        self._facts = {name: tensors[name].float() for name in self._facts}
        return self

    def _of(self, name: str) -> Tensor:
        return self._facts[name].reshape(-1, *[1] * (len(self._schema.shape) - 1))

    def _values(self, records: Records) -> NDArray[np.float32]:
        values = np.asarray(records[self._column], dtype=np.float32)
        if values.shape[1:] != tuple(self._schema.shape):
            raise DataError(
                f"records of shape {values.shape[1:]} in {self._column!r}, but the model's are {self._schema.shape}"
            )
        return values
