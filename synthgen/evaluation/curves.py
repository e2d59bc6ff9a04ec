"""What the score report draws and counts where labels say what is anomalous, and where they do not.

receiver operating characteristic     false-alarm rate -> share of anomalies found
precision and recall                  share of anomalies found -> share of flags that are right
false alarms by class                 share of p <= 0.05 among the normal records of each label
agreement                             rank correlation of every detector with every other one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen.evaluation.calibration import false_alarm_interval

__all__ = ["ClassAlarms", "Curve", "alarms_by_class", "correlations", "curve"]

_POINTS = 200
_ALPHA = 0.05


@dataclass(frozen=True)
class Curve:
    """Both curves of one detector, thinned to at most 200 points."""

    false_alarms: tuple[float, ...]
    found: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


def curve(scores: NDArray[np.floating], anomalous: NDArray[np.bool_]) -> Curve:
    """The curves of scores `(n,)`; ties are one point."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, flags = np.cumsum(anomalous[order])[last], last + 1
    alarms = flags - hits
    found, false = hits / max(1, int(anomalous.sum())), alarms / max(1, int((~anomalous).sum()))
    chosen = np.unique(np.linspace(0, len(last) - 1, min(_POINTS, len(last))).astype(int))
    return Curve(
        false_alarms=(0.0, *false[chosen].tolist()),
        found=(0.0, *found[chosen].tolist()),
        recall=tuple(found[chosen].tolist()),
        precision=tuple((hits / flags)[chosen].tolist()),
    )


@dataclass(frozen=True)
class ClassAlarms:
    """False alarms among the records of one label."""

    label: str
    records: int
    share: float
    expected: tuple[float, float]
    """95 % interval of the share when the calibration holds for this label."""


def alarms_by_class(
    p: NDArray[np.floating], labels: Sequence[str] | NDArray[np.str_], normal: NDArray[np.bool_], *, calibration: int
) -> tuple[ClassAlarms, ...]:
    """The share of p <= 0.05 among the normal records of each label, the most alarming label first.

    Args:
        p: `(n,)` p-values.
        labels: `(n,)` names; the empty one is left out.
        normal: `(n,)` records to count.
        calibration: calibration blocks.
    """
    names, found = np.asarray(labels), []
    for name in sorted(set(names[normal].tolist()) - {""}):
        rows = normal & (names == name)
        low, high = false_alarm_interval(calibration, int(rows.sum()), _ALPHA)
        size = int(rows.sum())
        found.append(ClassAlarms(name, size, float(np.mean(p[rows] <= _ALPHA)), (low / size, high / size)))
    return tuple(sorted(found, key=lambda item: -item.share))


def correlations(scores: Mapping[str, NDArray[np.floating]]) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of each detector with each; empty for fewer than three records."""
    names = list(scores)
    if not names or len(scores[names[0]]) < 3:
        return {}
    ranks = np.stack([stats.rankdata(scores[name]) for name in names])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(ranks).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = (ranks @ ranks.T) / np.outer(norms, norms)
    return {name: {other: float(matrix[i, j]) for j, other in enumerate(names)} for i, name in enumerate(names)}
