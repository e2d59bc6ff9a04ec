"""What users train on tables: gradient boosting, for the label or for a numeric target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from synthgen.api import Judge, Records, Schema
from synthgen.data.vectors import VectorJudge
from synthgen_tabular.table import columns_of

__all__ = ["RegressionOutcome", "TargetJudge", "label_judge", "numbers"]

_ROUNDS = 100


def numbers(records: Records, schema: Schema, *, without: str | None = None) -> NDArray[np.float32]:
    """One number a column, `(N, C)`: categories by their position, NaN where missing or unknown."""
    parts = []
    for column in columns_of(schema):
        if column.name == without:
            continue
        values = records[column.name]
        if column.kind == "categorical":
            position = {name: index for index, name in enumerate(column.categories)}
            parts.append(np.array([position.get(value, np.nan) for value in values], dtype=float))
        else:
            parts.append(values.astype(float))
    return np.stack(parts, axis=1).astype(np.float32)


def _categorical(schema: Schema, *, without: str | None = None) -> list[bool]:
    return [column.kind == "categorical" for column in columns_of(schema) if column.name != without]


def label_judge(schema: Schema, *, seed: int) -> Judge:
    """Gradient boosting of the label, measured by accuracy."""

    def make() -> Any:
        return HistGradientBoostingClassifier(
            max_iter=_ROUNDS, early_stopping=False, random_state=seed, categorical_features=_categorical(schema)
        )

    return VectorJudge(schema, numbers, make=make)


@dataclass(frozen=True)
class RegressionOutcome:
    """Truth and prediction of N rows; the measure is R2, 1 - sum (t - p)^2 / sum (t - mean t)^2.

    Args:
        truth, predicted: float64 `(N,)`.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """R2 with row i counted `weights[i]` times; NaN where the target does not vary."""
        weight = np.ones(len(self)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weight.sum() <= 0:
            return float("nan")
        centre = np.average(self.truth, weights=weight)
        spread = float(weight @ (self.truth - centre) ** 2)
        return 1 - float(weight @ (self.truth - self.predicted) ** 2) / spread if spread > 0 else float("nan")

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """Nothing: there are no classes."""
        return {}


class TargetJudge:
    """Gradient boosting of a numeric column from all others, measured by R2.

    Args:
        schema: of the table.
        target: name of the column.
        seed: of the booster.
    """

    measure = "r2"

    def __init__(self, schema: Schema, target: str, *, seed: int) -> None:
        self._schema = schema
        self._target = target
        self._model = HistGradientBoostingRegressor(
            max_iter=_ROUNDS,
            learning_rate=0.05,
            max_leaf_nodes=8,
            early_stopping=False,
            random_state=seed,
            categorical_features=_categorical(schema, without=target),
        )

    def fit(self, records: Records) -> Self:
        """Train on the rows whose target is known."""
        target = records[self._target].astype(float)
        known = np.isfinite(target)
        self._model.fit(numbers(records, self._schema, without=self._target)[known], target[known])
        return self

    def evaluate(self, records: Records) -> RegressionOutcome:
        """Predict the rows whose target is known; the others count as predicted."""
        target = records[self._target].astype(float)
        predicted = np.asarray(self._model.predict(numbers(records, self._schema, without=self._target)), dtype=float)
        return RegressionOutcome(np.where(np.isfinite(target), target, predicted), predicted)
