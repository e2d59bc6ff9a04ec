"""What a classifier answered on test records, by record, so that any resampling can be scored from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

__all__ = ["ClassificationOutcome"]


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
