"""What a classifier answered on test records, by record, so that any resampling can be scored from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

__all__ = ["ClassificationOutcome", "own_probability", "softmax_of_margins"]


@dataclass(frozen=True)
class ClassificationOutcome:
    """Truth and prediction of N records; the measure is accuracy, by class it is recall.

    Args:
        truth: int64 `(N,)`, index into `labels`.
        predicted: int64 `(N,)`, index into `labels`.
        labels: class names.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.truth) != len(self.predicted):
            raise DataError(f"{len(self.truth)} labels, but {len(self.predicted)} predictions")

    def __len__(self) -> int:
        return len(self.truth)

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """Accuracy with record i counted `weights[i]` times; NaN when nothing is counted."""
        right = self.truth == self.predicted
        if weights is None:
            return float(right.mean()) if len(right) else float("nan")
        total = float(np.sum(weights))
        return float(np.dot(right, weights)) / total if total > 0 else float("nan")

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """Recall by class name; classes that no counted record belongs to are left out."""
        counts = np.ones(len(self.truth)) if weights is None else np.asarray(weights, dtype=np.float64)
        size = len(self.labels)
        total = np.bincount(self.truth, counts, minlength=size)
        right = np.bincount(self.truth, counts * (self.truth == self.predicted), minlength=size)
        return {label: float(right[k] / total[k]) for k, label in enumerate(self.labels) if total[k] > 0}


def own_probability(probability: NDArray[np.floating[Any]], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """The table of `AgreementJudge.agreement` for a classifier: the probability of each record's own label.

    Args:
        probability: `(N, K)`.
        label: `(N,)`.

    Returns:
        `(N, K)`, not-a-number but for the own label.
    """
    table = np.full(probability.shape, np.nan)
    rows = np.arange(len(label))
    table[rows, label] = probability[rows, label]
    return table


def softmax_of_margins(margins: NDArray[Any], present: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Margins of a scikit-learn classifier as values that add up to 1; they rank records, and are no probabilities.

    Args:
        margins: `decision_function`, `(N,)` for two classes, else `(N, K')`.
        present: `(K',)` the classes that the classifier was trained on.
        classes: K.
    """
    table = np.column_stack([-margins, margins]) if margins.ndim == 1 else np.asarray(margins)
    shifted = np.exp(table - table.max(axis=1, keepdims=True))
    found = np.zeros((len(table), classes))
    found[:, present] = shifted / shifted.sum(axis=1, keepdims=True)
    return found
