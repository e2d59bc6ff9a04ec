"""Tables <-> model tensors `(N, 1, D)`: the columns' places one after the other.

A number goes through the empirical distribution of its column to a normal deviate, so that no unit, skew or outlier
matters: z = Phi^-1(F(v)), x = z / 2, with F linear between the training values (mid-ranks, so ties share one place).
Beyond the training range it goes on in a straight line, so that an anomaly stays one. A category is one-hot, scaled to
deviation 1/2 a place. A missing value is 0 with weight 0, and a flag of +-1/2 says so. Decoding takes the largest of
the one-hot places and the sign of the flag, and stays in the training range.

Source of the quantile transform and one-hot Gaussian places: Kotelnikov et al. 2023, arXiv:2209.15421 (TabDDPM) use the
same transform; it treats categories by a multinomial diffusion, which ours does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor

from synthgen.api import Batch, Records, Schema
from synthgen.errors import DataError, RunError
from synthgen_tabular.table import Column, columns_of

__all__ = ["TableCodec"]

_MOST_KNOTS = 2001
_SCALE = 0.5

Values = NDArray[np.float64]


class TableCodec:
    """Codec of tables.

    Args:
        schema: of the table.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._columns = columns_of(schema)
        self._knots: dict[str, tuple[Values, Values]] = {}  # column -> values and their deviates z, both ascending
        self._shares: dict[str, Values] = {}  # column -> share of each category

    def fit(self, batches: Iterable[Records]) -> Self:
        """Learn the distribution of each column.

        Raises:
            DataError: a column without any value in the training split.
        """
        records = Records.concatenate(list(batches))
        for column in self._columns:
            values = records[column.name]
            if column.kind == "categorical":
                counts = _one_hot(values, column).sum(axis=0) + 0.5
                self._shares[column.name] = counts / counts.sum()
                continue
            seen = values[np.isfinite(values)]
            if not len(seen):
                raise DataError(f"column {column.name} holds no value in the training split")
            self._knots[column.name] = _knots(seen)
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, 1, D)`."""
        parts: list[Values] = []
        weights: list[Values] = []
        for column in self._columns:
            gone = _missing(records[column.name], column)
            part = self._encode(records[column.name], column)
            part[gone] = 0.0
            weight = np.where(gone[:, None], 0.0, np.ones_like(part))
            if column.missing:
                part = np.column_stack([part, np.where(gone, _SCALE, -_SCALE)])
                weight = np.column_stack([weight, np.ones(len(part))])
            parts.append(part)
            weights.append(weight)
        x = torch.from_numpy(np.concatenate(parts, axis=1)).float().unsqueeze(1)
        observed = torch.from_numpy(np.concatenate(weights, axis=1)).float().unsqueeze(1)
        conditions: dict[str, Tensor] = {}
        if self._schema.labels:
            label = np.full(len(records), -1) if records.label is None else records.label
            conditions["label"] = torch.from_numpy(label.astype(np.int64))
        return Batch(x, None if bool((observed == 1).all()) else observed, conditions)

    def decode(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Records:
        """From any real values to legal rows."""
        flat = np.nan_to_num(x.detach().cpu().double().numpy()[:, 0])
        arrays: dict[str, NDArray[Any]] = {}
        start = 0
        for column in self._columns:
            part = flat[:, start : start + column.width]
            start += column.width
            gone = part[:, -1] > 0 if column.missing else np.zeros(len(part), dtype=bool)
            arrays[column.name] = self._decode(part[:, :-1] if column.missing else part, column, gone)
        label = conditions.get("label") if self._schema.labels else None
        return Records(arrays, None if label is None else label.cpu().numpy().astype(np.int64))

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Knots and shares of each column, by its position."""
        tensors: dict[str, Tensor] = {}
        for position, column in enumerate(self._columns):
            if column.kind == "categorical":
                tensors[f"{position}.shares"] = torch.from_numpy(self._shares[column.name])
            else:
                values, deviates = self._knots[column.name]
                tensors[f"{position}.values"] = torch.from_numpy(values)
                tensors[f"{position}.deviates"] = torch.from_numpy(deviates)
        return {"columns": [column.name for column in self._columns]}, tensors

    def load_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The inverse of `state`.

        Raises:
            RunError: the state belongs to other columns.
        """
        if facts.get("columns") != [column.name for column in self._columns]:
            raise RunError("the codec's state belongs to a table with other columns")
        for position, column in enumerate(self._columns):
            try:
                if column.kind == "categorical":
                    self._shares[column.name] = tensors[f"{position}.shares"].numpy()
                else:
                    pair = tensors[f"{position}.values"].numpy(), tensors[f"{position}.deviates"].numpy()
                    self._knots[column.name] = pair
            except KeyError as error:
                raise RunError(f"the codec's state lacks {error} of column {column.name}") from error
        return self

    def _encode(self, values: NDArray[Any], column: Column) -> Values:
        if column.kind == "categorical":
            return np.asarray((_one_hot(values, column) - self._shares[column.name]) * self._spread(column))
        known, deviates = self._knots[column.name]
        numbers = np.asarray(values, dtype=float)
        z = np.interp(numbers, known, deviates)
        unit = _unit(known)
        z = np.where(numbers < known[0], deviates[0] + (numbers - known[0]) / unit, z)
        z = np.where(numbers > known[-1], deviates[-1] + (numbers - known[-1]) / unit, z)
        return np.asarray(z * _SCALE)[:, None]

    def _decode(self, part: Values, column: Column, gone: NDArray[np.bool_]) -> NDArray[Any]:
        if column.kind == "categorical":
            chosen = (part / self._spread(column) + self._shares[column.name]).argmax(axis=1)
            texts = np.array(column.categories, dtype=object)[chosen]
            texts[gone] = None
            return np.asarray(texts)
        known, deviates = self._knots[column.name]
        numbers = np.interp(part[:, 0] / _SCALE, deviates, known)
        if column.kind == "integer":
            numbers = np.round(numbers)
        return np.where(gone, np.nan, numbers)

    def _spread(self, column: Column) -> float:
        """What makes the one-hot places of a column deviate by 1/2 in the root mean square."""
        shares = self._shares[column.name]
        return float(_SCALE / np.sqrt(max(float((shares * (1 - shares)).mean()), 1e-3)))


def _one_hot(values: NDArray[Any], column: Column) -> Values:
    """`(N, K)`; a value that is missing or unknown is all zeros."""
    return np.stack([values == category for category in column.categories], axis=1).astype(float)


def _missing(values: NDArray[Any], column: Column) -> NDArray[np.bool_]:
    if column.kind == "categorical":
        return np.array([value is None for value in values], dtype=bool)
    return ~np.isfinite(values.astype(float))


def _knots(seen: Values) -> tuple[Values, Values]:
    """Distinct values and the normal deviates of their mid-ranks; thinned where there are very many."""
    values, counts = np.unique(seen, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    if len(values) > _MOST_KNOTS:
        chosen = np.unique(np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], _MOST_KNOTS)))
        values, ranks = values[chosen], ranks[chosen]
    return values, np.asarray(ndtri(ranks))


def _unit(known: Values) -> float:
    """What counts as one deviation beyond the training range: half of the range between its outer sixths."""
    low, high = np.interp(ndtr([-1.0, 1.0]), np.linspace(0, 1, len(known)), known)
    return float(high - low) / 2 or 1.0
