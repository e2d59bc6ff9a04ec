"""What a judge of attributes answered on test records: ranking for members, explained variance for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

__all__ = ["MemberOutcome", "NumberOutcome"]


@dataclass(frozen=True)
class MemberOutcome:
    """Truth and scores of K members on N records; the measure is the mean average precision over the members.

    Args:
        truth: `(N, K)`, 0 or 1.
        score: `(N, K)`, higher is more likely.
        names: of the members.
    """

    truth: NDArray[np.int8]
    score: NDArray[np.float32]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.truth)

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """Mean over the members that some counted record has; NaN where none has any."""
        found = self.per_class(weights)
        return float(np.mean(list(found.values()))) if found else float("nan")

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """Average precision by member."""
        counted = np.ones(len(self.truth)) if weights is None else np.asarray(weights, dtype=np.float64)
        rows = counted > 0
        return {
            name: float(average_precision_score(self.truth[rows, k], self.score[rows, k], sample_weight=counted[rows]))
            for k, name in enumerate(self.names)
            if (self.truth[rows, k] > 0).any()
        }


@dataclass(frozen=True)
class NumberOutcome:
    """Truth and prediction of a number on N records; the measure is R^2, the share of variance that is explained.

    Args:
        truth: `(N,)`.
        predicted: `(N,)`.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """R^2 with record i counted `weights[i]` times; NaN where the counted truth does not vary."""
        counted = np.ones(len(self.truth)) if weights is None else np.asarray(weights, dtype=np.float64)
        total = counted.sum()
        if total <= 0:
            return float("nan")
        centre = float(counted @ self.truth) / total
        spread = float(counted @ (self.truth - centre) ** 2)
        return 1 - float(counted @ (self.truth - self.predicted) ** 2) / spread if spread > 0 else float("nan")

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """A number has no classes."""
        return {}
