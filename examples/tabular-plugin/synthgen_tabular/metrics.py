"""Two rows of the report: how alike each column is distributed, and how alike columns go together.

    column_shapes   mean over columns of 1 - KS (numbers) or 1 - TV (categories), on the values that are there
    pair_trends     mean over pairs of 1 - |r_s - r_r| / 2 (two numbers), or 1 - TV of the joint table, numbers cut at
                    the deciles of the real column

Both lie in [0, 1], higher is better. Definitions: SDMetrics (DataCebo), "Column Shapes" and "Column Pair Trends" of its
Quality Report, where numbers are cut in ten equal bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Metric, Records, Schema
from synthgen.errors import DataError
from synthgen_tabular.table import Column, columns_of

__all__ = ["COLUMN_SHAPES", "PAIR_TRENDS", "column_shapes", "pair_trends"]

_MOST_TABLES = 300
_BINS = 10


def column_shapes(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """Mean similarity of the columns' distributions.

    Args:
        real: held-out records.
        synthetic: the records in question.
        context: `schema`.
    """
    return _shapes(real, synthetic, context["schema"])


def pair_trends(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """Mean similarity of the dependence of each two columns; arguments as `column_shapes`.

    Raises:
        DataError: the table has a single column.
    """
    if len(columns_of(context["schema"])) < 2:
        raise DataError("pair_trends needs at least two columns")
    return _trends(real, synthetic, context["schema"])


COLUMN_SHAPES = Metric(
    column_shapes,
    better="higher",
    definition="Mean over columns of 1 - KS (numbers) or 1 - TV (categories), on the values that are there.",
    source="SDMetrics, Column Shapes",
)
PAIR_TRENDS = Metric(
    pair_trends,
    better="higher",
    definition="Mean over pairs of columns of 1 - |difference of correlations| / 2, or 1 - TV of the joint table.",
    source="SDMetrics, Column Pair Trends",
    cost="moderate",
)


def _shapes(real: Records, other: Records, schema: Schema) -> float:
    scores = []
    for column in columns_of(schema):
        first, second = real[column.name], other[column.name]
        if column.kind == "categorical":
            shares = [_shares(_codes(values, column), len(column.categories)) for values in (first, second)]
            scores.append(1 - 0.5 * float(np.abs(shares[0] - shares[1]).sum()))
        else:
            scores.append(1 - _ks(first.astype(float), second.astype(float)))
    return float(np.mean(scores))


def _trends(real: Records, other: Records, schema: Schema) -> float:
    columns = columns_of(schema)
    numeric = [column for column in columns if column.kind != "categorical"]
    scores: list[float] = []
    if len(numeric) > 1:
        matrices = [_correlations(side, numeric) for side in (real, other)]
        upper = np.triu_indices(len(numeric), 1)
        scores += (1 - np.abs(matrices[0] - matrices[1])[upper] / 2).tolist()
    cut = {column.name: _edges(real[column.name], column) for column in columns}
    pairs = [(a, b) for i, a in enumerate(columns) for b in columns[i + 1 :] if "categorical" in (a.kind, b.kind)]
    for a, b in pairs[:_MOST_TABLES]:
        tables = [_joint(side, a, b, cut) for side in (real, other)]
        scores.append(1 - 0.5 * float(np.abs(tables[0] - tables[1]).sum()))
    return float(np.mean(scores))


def _ks(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest difference of the two empirical distribution functions; 1 where a side has no value."""
    a, b = (np.sort(values[np.isfinite(values)]) for values in (first, second))
    if not len(a) or not len(b):
        return 1.0
    every = np.concatenate([a, b])
    distance = np.searchsorted(a, every, side="right") / len(a) - np.searchsorted(b, every, side="right") / len(b)
    return float(np.abs(distance).max())


def _codes(values: NDArray[Any], column: Column) -> NDArray[np.int64]:
    """Position of each category, missing ones left out."""
    position = {name: index for index, name in enumerate(column.categories)}
    return np.array([position[value] for value in values if value in position], dtype=np.int64)


def _shares(codes: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    return np.bincount(codes, minlength=size) / max(len(codes), 1)


def _correlations(side: Records, numeric: list[Column]) -> NDArray[np.float64]:
    """Pearson correlations `(C, C)`; missing values are the mean, a constant column goes with nothing."""
    table = np.stack([side[column.name].astype(float) for column in numeric], axis=1)
    seen = np.isfinite(table)
    mean = np.where(seen, table, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    centred = np.where(seen, table - mean, 0.0)
    norm = np.sqrt((centred**2).sum(axis=0))
    centred = centred / np.where(norm > 1e-12 * np.maximum(np.abs(mean), 1), norm, np.inf)
    return np.asarray(centred.T @ centred)


def _edges(values: NDArray[Any], column: Column) -> NDArray[np.float64]:
    if column.kind == "categorical":
        return np.zeros(0)
    numbers = values.astype(float)
    numbers = numbers[np.isfinite(numbers)]
    return np.unique(np.quantile(numbers, np.arange(1, _BINS) / _BINS)) if len(numbers) else np.zeros(0)


def _joint(side: Records, a: Column, b: Column, cut: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Shares of each pair of cells, a missing value being a cell of its own, `(cells of a * cells of b,)`."""
    (first, wide), (second, high) = (_cells(side[column.name], column, cut[column.name]) for column in (a, b))
    return _shares(first * high + second, wide * high)


def _cells(values: NDArray[Any], column: Column, edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """(cell of each value, number of cells)."""
    if column.kind == "categorical":
        position = {name: index for index, name in enumerate(column.categories)}
        last = len(column.categories)
        return np.array([position.get(value, last) for value in values], dtype=np.int64), last + 1
    numbers = values.astype(float)
    cells = np.searchsorted(edges, np.nan_to_num(numbers), side="right")
    return np.where(np.isfinite(numbers), cells, len(edges) + 1).astype(np.int64), len(edges) + 2
