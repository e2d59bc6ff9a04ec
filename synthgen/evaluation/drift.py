"""Whether the calibration records still look like the data that is scored: a check that needs no label.

Anomalies move p-values down; they cannot move the *bulk*. With less than half of the data anomalous, records that score
below the calibration median are normal, and among them scores must be distributed as among the calibration records
below the median (two-sample Kolmogorov-Smirnov). And more records below the median than chance allows means that the
data is easier than what calibrated the model: p-values are then too large and anomalies are missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Drift", "drift"]

_FEWEST = 40
_SIGNIFICANT = 0.01

Kind = Literal["none", "easier", "harder", "other"]


@dataclass(frozen=True)
class Drift:
    """How the bulk of the scored records compares with the calibration records."""

    records: int
    below_median: float
    """Share of records that score below the calibration median; at most about one half without drift."""
    most: float
    """Upper end of its 99 % interval when nothing drifted and nothing is anomalous."""
    p: float
    """Of the test that scores below the median are distributed alike."""

    @property
    def kind(self) -> Kind:
        """What happened, if anything."""
        if self.below_median > self.most:
            return "easier"
        if self.below_median < _HARDER:
            return "harder"
        return "other" if self.p < _SIGNIFICANT else "none"


_HARDER = 0.3
"""Fewer records below the median: at least two fifths of the data are anomalous, or the calibration is out of date."""


def drift(
    calibration: NDArray[np.floating], scores: NDArray[np.floating], *, blocks: int | None = None
) -> Drift | None:
    """Compare `scores` `(m,)` of new records with calibration scores `(n,)`; None for fewer than 40 on either side.

    Args:
        calibration: scores of the calibration records.
        scores: of records that the model was not trained on.
        blocks: independent calibration blocks; None: every record is one.
    """
    n, m = len(calibration) if blocks is None else blocks, len(scores)
    if min(n, m) < _FEWEST:
        return None
    median = float(np.median(calibration))
    below = scores[scores < median]
    half = max(1, (n + 1) // 2)
    most = float(stats.betabinom(m, half, n + 1 - half).ppf(0.995)) / m
    lower = calibration[calibration < median]
    p = 1.0
    if len(below) and len(lower):
        test = stats.ks_2samp(lower, below)
        p = float(test.pvalue)
        if n < len(calibration):  # blocks count once, as in `calibration.uniformity`
            effective = n / len(calibration) * len(lower)
            p = float(stats.kstwo.sf(test.statistic, max(1, round(effective * len(below) / (effective + len(below))))))
    return Drift(m, len(below) / m, most, p)
