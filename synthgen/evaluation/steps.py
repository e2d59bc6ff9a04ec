"""A score for each time step of one long series, from the scores of windows that cover it.

    score_t = sum over windows w with t in w of h(t - start_w) s_w / sum of h(t - start_w)          h: Hann window

Windows are as long as the model's records and at most half of that apart, so each step lies in several; the weight
favours windows that hold the step in their middle. The map gives each step its own residuals instead
(`MapCalibration`), averaged likewise. The first and last steps are covered by fewer windows; a window in which nothing
is observed has no say, and a step that only such windows cover has no score (NaN).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synthgen.api import Records
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.channels import ChannelMaps, has_channels
from synthgen.evaluation.scorer import CalibratedScorer, pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StepScores", "score_steps", "step_scores", "window_length", "window_starts"]

_WINDOWS, _LONGEST = 8, 128


@dataclass(frozen=True)
class StepScores:
    """Scores of T time steps; higher is more anomalous, NaN where nothing is observed nearby."""

    scores: dict[str, NDArray[np.float64]]
    """Detector -> `(T,)`, from the scores of windows."""
    map: NDArray[np.float64]
    """`(T,)`, from the residuals at each step."""
    channels: NDArray[np.float64] | None = None
    """`(C, T)`, the same for each channel by itself; None where there is one."""


def window_length(training_steps: int, period: int = 1) -> int:
    """How long the windows of one long series should be: as long as leaves eight side by side in its training part.

    Anomalies are often far longer than a period, and no short window of such a range is odd by itself. So the period
    is the least, the training part decides, and 128 steps are the most.

    Args:
        training_steps: length of the part that is known to be normal.
        period: the series' usual period, see `synthgen.evaluation.volume.period`.
    """
    most = max(2, training_steps // _WINDOWS)
    return int(min(most, max(_LONGEST, period)))


def score_steps(
    scorer: CalibratedScorer,
    values: NDArray[np.floating],
    *,
    stride: int | None = None,
    channels: ChannelMaps | None = None,
    progress: Callable[[int], None] | None = None,
) -> StepScores:
    """Score one long series, and each channel of it where there are several.

    Args:
        scorer: fitted, for series.
        values: `(C, T)`; NaN is missing.
        stride: steps between windows; None: a quarter of a window.
        channels: of this scorer; None: fitted here.
        progress: called with the number of windows done.

    Raises:
        DataError: the series is shorter than a window or has other channels.
        UsageError: the stride is larger than half a window.
    """
    if channels is None and has_channels(scorer):
        channels = ChannelMaps.fit(scorer)
    return _from_windows(scorer, values, stride, channels, progress)


def step_scores(
    scorer: CalibratedScorer, values: NDArray[np.floating], *, stride: int | None = None
) -> dict[str, NDArray[np.float64]]:
    """The scores of `score_steps` alone, which has the arguments: detector -> `(T,)`."""
    return _from_windows(scorer, values, stride, None, None).scores


def window_starts(steps: int, length: int, stride: int | None = None) -> NDArray[np.int64]:
    """Where the windows of a series begin; the last one ends with it.

    Raises:
        UsageError: the stride is larger than half a window.
    """
    stride = max(1, length // 4) if stride is None else stride
    if not 1 <= stride <= max(1, length // 2):
        raise UsageError(
            f"windows {stride} steps apart leave time steps that only one holds; use {length // 2} at most"
        )
    return np.unique(np.append(np.arange(0, steps - length + 1, stride), steps - length)).astype(np.int64)


def _from_windows(
    scorer: CalibratedScorer,
    values: NDArray[np.floating],
    stride: int | None,
    by_channel: ChannelMaps | None,
    progress: Callable[[int], None] | None,
) -> StepScores:
    channels, length = scorer.model.schema.shape
    if values.ndim != 2 or values.shape[0] != channels or values.shape[1] < length:
        raise DataError(f"a series of shape {values.shape} does not hold windows of {channels} x {length}")
    steps = values.shape[1]
    starts = window_starts(steps, length, stride)
    known_steps = np.cumsum(np.append(0, np.isfinite(values).any(axis=0)))
    starts = starts[known_steps[starts + length] > known_steps[starts]]  # in the others nothing is observed
    weight = np.hanning(length + 2)[1:-1]
    covered, mapped, cells = np.zeros(steps), np.zeros(steps), np.zeros((channels, steps))
    sums: dict[str, NDArray[np.float64]] = {}
    done = 0
    for piece in pieces(starts, scorer.model.schema, scorer.setting.levels):
        records = _cut(values, piece, length)
        found = scorer.score(records)
        heat = scorer.maps(found.residuals)
        odd = None if by_channel is None else by_channel(records)[1]
        for row, start in enumerate(piece):
            place = slice(int(start), int(start) + length)
            covered[place] += weight
            mapped[place] += weight * heat[row]
            if odd is not None:
                cells[:, place] += weight * odd[row]
            for name, scores in found.scores.items():
                sums.setdefault(name, np.zeros(steps))[place] += weight * scores[row]
        done += len(piece)
        if progress is not None:
            progress(done)
    known = np.where(covered > 0, covered, np.nan)
    mean = {name: sums.get(name, np.zeros(steps)) / known for name in scorer.calibration}
    return StepScores(mean, mapped / known, None if by_channel is None else cells / known)


def _cut(values: NDArray[np.floating], starts: NDArray[np.int64], length: int) -> Records:
    cut = np.stack([values[:, start : start + length] for start in starts]).astype(np.float32)
    observed = np.isfinite(cut)
    return Records(
        {
            "values": np.where(observed, cut, 0.0).astype(np.float32),
            "observed": observed,
            "length": np.full(len(starts), length, dtype=np.int32),
        }
    )
