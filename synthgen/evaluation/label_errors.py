"""Labels that the model doubts: how much better another label explains a record than its own.

    doubt_i = l[i, own label] - min over other labels c of l[i, c]       l: mean log error, `denoising.class_errors`

the log ratio of the denoising error under the record's label to that under the best other one: positive when another
label explains the record better. It is not a novelty score: a record that no label explains has a small doubt. On the
calibration records, whose labels are taken to be mostly right, it gives conformal p-values as every other score does.
The idea is that of a diffusion classifier (Li et al. 2023, arXiv:2303.16203).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from synthgen.errors import UsageError
from synthgen.evaluation.calibration import conformal_p
from synthgen.evaluation.denoising import class_errors
from synthgen.evaluation.scorer import pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Batch, Condition, Records, Source
    from synthgen.evaluation.measuring import Setting
    from synthgen.evaluation.scorer import Model

__all__ = ["Doubt", "LabelJudge"]

_CALIBRATION_RECORDS = 1000


@dataclass(frozen=True)
class Doubt:
    """What the model thinks of the labels of N records."""

    margin: NDArray[np.float64]
    """(N,); NaN for records without a label that the run knows."""
    p: NDArray[np.float64]
    """(N,) conformal p-values of the margin; 1 where it is NaN."""
    best: NDArray[np.int64]
    """(N,) the label that explains the record best, its own included."""


class LabelJudge:
    """Doubts labels by a run that was trained with classes.

    Args:
        model: denoiser, codec and schema.
        setting: noise levels, seed and batch size.

    Raises:
        UsageError: the model knows fewer than two classes.
    """

    def __init__(self, model: Model, setting: Setting) -> None:
        classes = [item for item in model.schema.conditions if item.kind == "class" and item.name == "label"]
        if not classes or classes[0].size < 2:
            raise UsageError(
                "label errors need a model that was trained with at least two labels",
                hint="Train with --label-column, or leave out --label-errors.",
            )
        self._model, self._setting, self._classes = model, setting, classes[0]

    @property
    def evaluations(self) -> int:
        """Network evaluations a record."""
        return 6 * self._classes.size

    def fit(self, source: Source, calibration: NDArray[np.int64]) -> Self:
        """Calibrate on labelled records that the model never saw, at most 1,000 of them."""
        step = max(1, -(-len(calibration) // _CALIBRATION_RECORDS))
        margins = [
            self._margin(source.read(piece))[0]
            for piece in pieces(calibration[::step], self._model.schema, self._setting.levels)
        ]
        found = np.concatenate([*margins, np.empty(0)])
        self._calibration = found[np.isfinite(found)]
        return self

    def doubt(self, records: Records) -> Doubt:
        """Judge the labels of records."""
        margin, best = self._margin(records)
        p = np.ones(len(margin))
        known = np.isfinite(margin)
        p[known] = conformal_p(self._calibration, margin[known])
        return Doubt(margin, p, best)

    def _margin(self, records: Records) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        batch: Batch = self._model.codec.encode(records)
        classes: Condition = self._classes
        errors = class_errors(
            self._model.denoiser,
            batch,
            self._setting.sigmas,
            classes,
            seed=self._setting.seed,
            batch_size=self._setting.batch_size,
        )  # (N, classes)
        label = np.full(len(errors), -1, dtype=np.int64) if records.label is None else records.label
        rows = np.arange(len(errors))
        own = errors[rows, np.maximum(label, 0)]
        others = errors.copy()
        others[rows, np.maximum(label, 0)] = np.inf
        margin = np.where(label >= 0, own - others.min(axis=1), np.nan)
        return margin, np.asarray(np.where(np.isnan(errors), np.inf, errors).argmin(axis=1), dtype=np.int64)
