"""What users would train on unlabelled series: a linear model that predicts the next step of every channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from synthgen.errors import DataError
from synthgen_timeseries.series import ChannelScale, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from synthgen.api import Outcome, Records, Schema

__all__ = ["ForecastJudge", "ForecastOutcome"]

_LONGEST_PAST = 24
_MOST_INPUTS = 512
_ALPHAS = np.logspace(-6, 2, 9)  # relative to the mean square of an input
_CHUNK = 1024


@dataclass(frozen=True)
class ForecastOutcome:
    """Sums over the predicted steps of each record, `(N, C)` each, so that any weighting of records can be scored.

    Args:
        error: sum of squared errors.
        count: number of predicted steps.
        total: sum of the true values.
        squares: sum of their squares.
    """

    error: NDArray[np.float64]
    count: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.error)

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """Coefficient of determination, the mean over channels that vary; NaN when none does."""
        weight = np.ones(len(self)) if weights is None else np.asarray(weights, dtype=np.float64)
        error, count, total, squares = (weight @ part for part in (self.error, self.count, self.total, self.squares))
        spread = squares - total**2 / np.maximum(count, 1e-300)
        varies = spread > 1e-9 * np.maximum(squares, 1e-300)
        return float(np.mean(1.0 - error[varies] / spread[varies])) if varies.any() else float("nan")

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """Nothing: there are no classes."""
        return {}


class ForecastJudge:
    """Ridge regression from the last steps of all channels to the next step; measured by R2, the mean over channels.

    Inputs are the last steps relative to the latest value of their channel, the target is the change to the next step:
    a level that drifts from training to test (prices, say) does not break it, and without a signal it is persistence.
    The number of steps looked back is a third of the series, at most 24. The penalty is chosen on a fifth of the
    records. The fit is in closed form, so there is no number of optimiser steps.
    """

    measure = "next_step_r2"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        channels, steps = len(schema.channels), schema.shape[1]
        self._schema = schema
        self._seed = seed
        self._past = max(1, min(max(2, min(_LONGEST_PAST, steps // 3, _MOST_INPUTS // channels)), steps - 1))
        self._scale: ChannelScale | None = None
        self._weights: NDArray[np.float64] | None = None

    def fit(self, records: Records) -> Self:
        """Choose the penalty, then solve on all records.

        Raises:
            DataError: the series are too short to predict a step from the one before.
        """
        self._scale = ChannelScale.fit([records])
        chosen = np.random.default_rng(self._seed).permutation(len(records)) < max(1, len(records) // 5)
        held = self._moments(records.take(chosen))
        kept = self._moments(records.take(~chosen))
        if not kept[3] + held[3]:
            raise DataError("the series are too short to predict a step from the steps before it")
        losses = [_loss(held, _solve(kept, alpha)) for alpha in _ALPHAS]
        everything = (kept[0] + held[0], kept[1] + held[1], kept[2] + held[2], kept[3] + held[3])
        self._weights = _solve(everything, float(_ALPHAS[int(np.argmin(losses))]))
        return self

    def evaluate(self, records: Records) -> Outcome:
        """Predict every step that has enough past."""
        assert self._weights is not None
        parts = []
        for inputs, latest, targets, known in self._examples(records):
            error = (latest + inputs @ self._weights - targets) ** 2
            sums = (error * known, known, targets * known, targets**2 * known)
            parts.append([np.asarray(part, dtype=np.float64).sum(axis=1) for part in sums])
        error, count, total, squares = (np.concatenate(column) for column in zip(*parts, strict=True))
        return ForecastOutcome(error, count, total, squares)

    def _examples(
        self, records: Records
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]:
        """Inputs `(B, T, C past + 1)`, latest value, next value, next observed, `(B, T, C)` each, in pieces."""
        assert self._scale is not None
        steps = self._schema.shape[1]
        for start in range(0, len(records), _CHUNK):
            piece = records.take(slice(start, start + _CHUNK))
            x = self._scale.standardise(piece, steps)
            windows = np.lib.stride_tricks.sliding_window_view(x, self._past, axis=2)[:, :, :-1]  # (B, C, T, past)
            relative = windows - windows[..., -1:]
            flat = relative.transpose(0, 2, 1, 3).reshape(len(piece), windows.shape[2], -1)
            inputs = np.concatenate([flat, np.ones((*flat.shape[:2], 1))], axis=2)
            seen = piece["observed"] & inside(piece["length"], piece["observed"].shape[2])[:, None, :]
            seen = np.pad(seen, ((0, 0), (0, 0), (0, max(0, steps - seen.shape[2]))))[:, :, :steps]
            latest, following = (part.transpose(0, 2, 1) for part in (windows[..., -1], x[:, :, self._past :]))
            yield inputs, latest, following, seen[:, :, self._past :].transpose(0, 2, 1)

    def _moments(self, records: Records) -> _Moments:
        channels = len(self._schema.channels)
        size = channels * self._past + 1
        xx, xy, yy, count = np.zeros((size, size)), np.zeros((size, channels)), np.zeros(channels), 0.0
        for inputs, latest, targets, known in self._examples(records):
            complete = known.all(axis=2)
            x, y = inputs[complete], (targets - latest)[complete]
            xx, xy, yy, count = xx + x.T @ x, xy + x.T @ y, yy + (y**2).sum(axis=0), count + len(x)
        return xx, xy, yy, count


_Moments = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]", float]


def _solve(moments: _Moments, alpha: float) -> NDArray[np.float64]:
    xx, xy, _, count = moments
    penalty = np.full(len(xx), alpha * max(count, 1.0))
    penalty[-1] = 1e-9 * max(count, 1.0)  # the intercept
    return np.asarray(np.linalg.solve(xx + np.diag(penalty), xy))


def _loss(moments: _Moments, weights: NDArray[np.float64]) -> float:
    """Sum of squared errors, from the moments alone."""
    xx, xy, yy, _ = moments
    return float((weights * (xx @ weights)).sum() - 2 * (weights * xy).sum() + yy.sum())
