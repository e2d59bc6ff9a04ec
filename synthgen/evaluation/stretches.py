"""What scores of time steps are calibrated on: stretches of a series that the model never saw, in blocks of a window.

A run on one long series is calibrated on windows of it that overlap. Joined again where they share steps they are
stretches, and these are scored as new series are: step by step, by every window that covers a step. Neighbouring steps
share windows, so a step is no draw of its own; as many steps as a window is long are one block of weight 1
(`synthgen.evaluation.blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from synthgen.errors import DataError
from synthgen.evaluation.blocks import shift_between
from synthgen.evaluation.calibration import conformal_p
from synthgen.evaluation.steps import step_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Source
    from synthgen.evaluation.scorer import CalibratedScorer

__all__ = ["StepCalibration", "stretches"]

_WINDOWS = 2000


@dataclass(frozen=True)
class StepCalibration:
    """Scores of time steps that the model never saw.

    Args:
        scores: detector -> `(n,)`.
        blocks: `(n,)` block of each step.
        stretches: contiguous pieces that they come from.
    """

    scores: dict[str, NDArray[np.float64]]
    blocks: NDArray[np.int64]
    stretches: int

    @classmethod
    def of(
        cls,
        scorer: CalibratedScorer,
        source: Source,
        positions: NDArray[np.int64],
        *,
        stride: int | None = None,
        most: int = _WINDOWS,
    ) -> Self:
        """From windows of the run's data at these positions, at most so many of them.

        Where records are series of their own and not windows of longer ones, a record is a stretch and a block, with
        one score for all its steps.

        Raises:
            DataError: nothing is observed in any of them.
        """
        if source.groups is None:
            return cls(dict(scorer.calibration), scorer.blocks, len(scorer.blocks))
        chosen = positions[:most]
        length = scorer.model.schema.shape[1]
        found = stretches(source.read(chosen), np.asarray(source.groups)[chosen])
        parts, blocks, next_block = [], [], 0
        for values in found:
            parts.append(step_scores(scorer, values, stride=stride))
            blocks.append(next_block + np.arange(values.shape[1]) // length)
            next_block = int(blocks[-1][-1]) + 1
        scores = {name: np.concatenate([part[name] for part in parts]) for name in scorer.calibration}
        known = np.isfinite(np.stack(list(scores.values()))).all(axis=0)
        if not known.any():
            raise DataError("no calibration window of the run holds an observed value")
        kept = np.unique(np.concatenate(blocks)[known], return_inverse=True)[1]
        return cls({name: each[known] for name, each in scores.items()}, kept.astype(np.int64), len(found))

    @property
    def size(self) -> int:
        """Blocks: how finely p-values are resolved."""
        return len(np.unique(self.blocks))

    def p_values(self, detector: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Conformal p-values of scores of one detector; NaN where the score is."""
        p = np.full(len(scores), np.nan)
        known = ~np.isnan(scores)
        p[known] = conformal_p(self.scores[detector], scores[known], blocks=self.blocks)
        return p


def stretches(records: Records, groups: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Windows joined where one begins within the one before it in the same group: `(C, T)` each, NaN is missing.

    Args:
        records: series, in the order of time within a group.
        groups: `(n,)`.
    """
    observed = records["observed"].astype(bool)
    values = np.where(observed, records["values"].astype(np.float64), np.nan)
    comparable = np.concatenate([np.nan_to_num(values, nan=0.0), observed.astype(np.float64)], axis=1)  # (n, 2 C, L)
    joined: list[list[NDArray[np.float64]]] = []
    for i in range(len(values)):
        same = i > 0 and groups[i] == groups[i - 1]
        shift = shift_between(comparable[i - 1], comparable[i]) if same else None
        if shift is None:
            joined.append([values[i]])
        elif shift > 0:
            joined[-1].append(values[i][:, -shift:])
    return [np.concatenate(pieces, axis=1) for pieces in joined]
