"""VUS-PR: the volume under the precision-recall surface of scores for each time step.

Anomalies of a series are ranges with blurred borders. For each tolerance w = 0 ... W the labels are extended by w/2 on
both sides, falling as sqrt(1 - distance / w), and at each of 250 thresholds (evenly spaced ranks of the scores)

    TP = sum of the extended label over flagged steps         precision = TP / flagged steps
    recall = min(1, 2 TP / (P + P')) x share of ranges with a flagged step      P' = anomalous steps + flagged extension

The area under each curve is summed stepwise and averaged over the tolerances. No point adjustment: that counts a range
as found by one lucky step and rewards random scores (Kim et al. 2022, "Towards a rigorous evaluation of time-series
anomaly detection").

Sources: Paparrizos et al. 2022, "Volume under the surface" (VLDB 15); the definition is that of TSB-AD (Liu &
Paparrizos 2024), `RangeAUC_volume_opt`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import UsageError

__all__ = ["period", "vus_pr"]

Ranges = list[tuple[int, int]]

_LAGS, _FIRST_LAG, _USUAL = 400, 3, 125
_LONGEST_PERIOD = 300
_STEPS = 20_000


def vus_pr(scores: NDArray[np.floating], anomalous: NDArray[np.bool_], window: int, *, thresholds: int = 250) -> float:
    """Volume under the precision-recall surface, between 0 and 1.

    Args:
        scores: `(T,)`, higher is more anomalous.
        anomalous: `(T,)`, with at least one anomalous step and one normal one.
        window: W, the largest tolerance, in steps; see `period`.
        thresholds: how many.

    Raises:
        UsageError: no anomalous or no normal step, unequal lengths, or scores that are not finite.
    """
    labels = np.asarray(anomalous, dtype=bool)
    if scores.shape != labels.shape or not np.isfinite(scores).all():
        raise UsageError("VUS-PR needs a finite score and a label for each time step")
    if not labels.any() or labels.all():
        raise UsageError("VUS-PR needs anomalous and normal time steps")
    ranges = _ranges(labels)
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    cuts = descending[np.linspace(0, len(scores) - 1, thresholds).astype(int)]
    flagged = np.searchsorted(-descending, -cuts, side="right")  # steps with a score of at least the threshold
    positives = float(labels.sum())
    areas = []
    for tolerance in range(window + 1):
        extended = _extended(labels, ranges, tolerance)
        hits = np.cumsum(extended[order])[flagged - 1]
        halo = np.cumsum(np.where(labels, 0.0, extended)[order])[flagged - 1]
        merged = _merged(ranges, tolerance, len(labels))
        highest = np.array([scores[start : end + 1].max() for start, end in merged])
        existence = (highest[None] >= cuts[:, None]).mean(axis=1)
        recall = np.minimum(hits / ((2 * positives + halo) / 2), 1.0) * existence
        precision = hits / flagged
        areas.append(float(np.sum(np.diff(recall, prepend=0.0) * precision)))
    return float(np.mean(areas))


def period(series: NDArray[np.floating]) -> int:
    """The usual period of a series `(T,)`: the lag of the highest peak of its autocorrelation, 125 where there is none.

    As TSB-AD finds the tolerance: lags from 3 to 400 of the first 20,000 steps; a peak beyond 300 counts as none.
    """
    x = np.asarray(series[:_STEPS], dtype=np.float64)
    x = x - x.mean()
    size = 1 << (2 * len(x) - 1).bit_length()
    transformed = np.fft.rfft(x, size)
    covariance = np.fft.irfft(transformed * np.conj(transformed), size)[: min(_LAGS, len(x) - 1) + 1]
    if covariance[0] <= 0:
        return _USUAL
    correlation = (covariance / covariance[0])[_FIRST_LAG:]
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:]))
    if not len(peaks):
        return _USUAL
    best = int(peaks[np.argsort(correlation[peaks])[-1]])
    return _USUAL if best < _FIRST_LAG or best > _LONGEST_PERIOD else best + _FIRST_LAG


def _ranges(labels: NDArray[np.bool_]) -> Ranges:
    """First and last step of each run of anomalous steps."""
    edges = np.diff(np.concatenate([[0], labels.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def _extended(labels: NDArray[np.bool_], ranges: Ranges, tolerance: int) -> NDArray[np.float64]:
    """Labels that fall off over half the tolerance on both sides."""
    extended, reach = labels.astype(np.float64), tolerance // 2
    for start, end in ranges:
        after = np.arange(end + 1, min(end + reach + 1, len(labels)))
        extended[after] += np.sqrt(1 - (after - end) / tolerance) if tolerance else 0.0
        before = np.arange(max(start - reach, 0), start)
        extended[before] += np.sqrt(1 - (start - before) / tolerance) if tolerance else 0.0
    return np.minimum(extended, 1.0)


def _merged(ranges: Ranges, tolerance: int, steps: int) -> Ranges:
    """The ranges with their extension; those that touch are one."""
    reach = tolerance // 2
    merged: Ranges = []
    for start, end in ranges:
        first, last = max(start - reach, 0), min(end + reach, steps - 1)
        if merged and merged[-1][1] >= start - reach:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
