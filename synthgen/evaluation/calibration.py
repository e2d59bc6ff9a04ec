"""From raw anomaly scores to statements with a guarantee: robust z, p-values, false discovery rates, map thresholds.

With calibration records that the model never saw, exchangeable with the normal records to come,

    p_i = (1 + #{calibration: s >= s_i}) / (n_cal + 1)

is a valid p-value at any sample size: P(p_i <= a) <= a for a normal record (Vovk et al. 2005). Such p-values are
positively dependent, so Benjamini-Hochberg at q keeps the expected share of false flags at or below q
(Bates et al. 2023, "Testing for outliers with conformal p-values", theorem 2).

Given the calibration records, the share of normal records with p <= a is Beta(k, n_cal + 1 - k) with
k = floor(a (n_cal + 1))
(Vovk 2012, "Conditional validity of inductive conformal predictors", proposition 2a), so of m of them the count is
beta-binomial: that, and no fixed margin, says whether a calibration holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import ndimage, stats

from synthgen.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MapCalibration",
    "RobustZ",
    "Uniformity",
    "benjamini_hochberg",
    "check_alpha",
    "conformal_p",
    "false_alarm_interval",
    "smallest_p",
    "uniformity",
]

_MAD_TO_SIGMA = 1.4826  # the median absolute deviation of N(0, 1) is 0.6745
_TOLD_APART = 0.01


@dataclass(frozen=True)
class RobustZ:
    """`(value - median) / (1.4826 MAD)`, each column by its own calibration values; unmoved by a few odd records."""

    location: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.floating]) -> Self:
        """Learn location and scale from calibration values `(n,)` or `(n, K)`.

        Where the MAD is zero (more than half of the values are equal) the standard deviation takes its place, then 1.
        """
        location = np.median(values, axis=0)
        scale = _MAD_TO_SIGMA * np.median(np.abs(values - location), axis=0)
        scale = np.where(scale > 0, scale, np.std(values, axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        return cls(np.asarray(location, dtype=np.float64), np.asarray(scale, dtype=np.float64))

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """The z-scores of values of the fitted width."""
        return np.asarray((values - self.location) / self.scale, dtype=np.float64)


def conformal_p(
    calibration: NDArray[np.floating], scores: NDArray[np.floating], *, blocks: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Conformal p-values of `scores` `(n,)`, higher being more anomalous, against calibration scores `(n_cal,)`.

    With `blocks`, the block of each calibration score, a block counts as one record (`synthgen.evaluation.blocks`).
    """
    order = np.argsort(calibration, kind="stable")
    weight = np.ones(len(order)) if blocks is None else 1.0 / np.bincount(blocks)[blocks[order]]
    above = np.concatenate([[0.0], np.cumsum(weight[::-1])])[::-1]  # weight of the scores from position i on
    at_least = above[np.searchsorted(calibration[order], scores, side="left")]
    return np.asarray(np.round((1.0 + at_least) / (weight.sum() + 1.0), 12), dtype=np.float64)


def smallest_p(calibration_records: int) -> float:
    """The smallest p-value that this many calibration records can give."""
    return 1.0 / (calibration_records + 1)


def check_alpha(alpha: float, calibration_records: int) -> None:
    """Refuse a false-alarm rate that the calibration records cannot resolve.

    Raises:
        UsageError: `alpha` outside (0, 1), or below `1 / (n_cal + 1)`, where nothing could ever be flagged.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is a false-alarm rate between 0 and 1, not {alpha}")
    if alpha < smallest_p(calibration_records):
        raise UsageError(
            f"alpha {alpha:g} is below {smallest_p(calibration_records):.4g}, the smallest p-value that "
            f"{calibration_records} calibration records can give: no record could be flagged",
            hint=f"Use alpha >= {smallest_p(calibration_records):.4g}, or train with a larger data.calibration share.",
        )


def benjamini_hochberg(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """q-values: flagging the records with q-value <= q keeps the expected share of false flags at or below q.

    Benjamini and Hochberg (1995): `q_(i) = min over j >= i of p_(j) n / j` for the ordered p-values.
    """
    n = len(p)
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p, dtype=np.float64)[order] * n / np.arange(1, n + 1)
    values = np.empty(n)
    values[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return values


def false_alarm_interval(calibration_records: int, normals: int, alpha: float = 0.05) -> tuple[int, int]:
    """How many of `normals` exchangeable records have p <= alpha: the central 95 % of the beta-binomial law.

    It counts both kinds of chance, that of the calibration records and that of the normals; ties between scores make
    fewer alarms, never more.
    """
    rank = int(np.floor(alpha * (calibration_records + 1) + 1e-9))
    if rank == 0:
        return 0, 0
    if rank > calibration_records:
        return normals, normals
    law = stats.betabinom(normals, rank, calibration_records + 1 - rank)
    return int(law.ppf(0.025)), int(law.ppf(0.975))


@dataclass(frozen=True)
class Uniformity:
    """Whether normal records that the model never saw get uniform p-values."""

    records: int
    statistic: float
    """Of Kolmogorov and Smirnov, two samples of scores."""
    p: float
    false_alarms: float
    """Share of them with p <= 0.05; about 0.05 when the calibration holds."""
    expected: tuple[float, float]
    """95 % interval of that share when the calibration holds; see `false_alarm_interval`."""

    @property
    def holds(self) -> bool:
        """The share of false alarms lies in its interval, and the scores as a whole are not told apart (p >= 0.01)."""
        return self.expected[0] <= self.false_alarms <= self.expected[1] and self.p >= _TOLD_APART


def uniformity(
    calibration: NDArray[np.floating],
    normals: NDArray[np.floating],
    *,
    blocks: NDArray[np.int64] | None = None,
    normal_blocks: NDArray[np.int64] | None = None,
) -> Uniformity:
    """Check on unseen normal records that the calibration holds.

    The share of p <= 0.05 is compared with its beta-binomial interval. The Kolmogorov-Smirnov test compares the two
    samples of scores, which is the test of uniform p-values that counts the calibration set's own chance as well: the
    p-values share one calibration set, so a one-sample test against U(0, 1) would reject too often. With blocks, both
    count blocks in the place of records.
    """
    n, m = (
        len(values) if unit is None else len(np.unique(unit))
        for values, unit in ((calibration, blocks), (normals, normal_blocks))
    )
    test = stats.ks_2samp(calibration, normals)
    statistic, p = float(test.statistic), float(test.pvalue)
    if n < len(calibration) or m < len(normals):
        p = float(stats.kstwo.sf(statistic, max(1, round(n * m / (n + m)))))
    alarms = conformal_p(calibration, normals, blocks=blocks) <= 0.05
    low, high = false_alarm_interval(n, m)
    return Uniformity(
        records=len(normals),
        statistic=statistic,
        p=p,
        false_alarms=float(alarms.mean()),
        expected=(low / m, high / m),
    )


@dataclass(frozen=True)
class MapCalibration:
    """Where a record is anomalous: z-scored residual maps, and how high a normal record's highest point reaches.

    `m(u) = mean over noise levels k of (r_k(u) - mean_k(u)) / scale_k(u)`, smoothed over neighbouring positions.
    Comparing with the calibration records' *maxima* over u bounds the chance of any false position in a normal record.
    """

    mean: NDArray[np.float64]
    """(K, *spatial)"""
    scale: NDArray[np.float64]
    """(K, *spatial)"""
    smoothing: float
    """Standard deviation of the Gaussian, in positions."""
    maxima: NDArray[np.float64]
    """(n,) largest value of each calibration map; records other than those behind mean and scale."""
    apart: int = 0
    """So many first axes of `spatial` are not smoothed over, such as channels."""

    @classmethod
    def fit(cls, residuals: NDArray[np.floating], *, apart: int = 0) -> Self:
        """Learn from calibration residuals `(n, K, *spatial)`, n >= 2; `apart` of the axes are not smoothed over.

        Half of them give location and scale, the other half the maxima.
        """
        odd, even = residuals[1::2], residuals[0::2]
        mean = odd.mean(axis=0, dtype=np.float64)
        variance = odd.var(axis=0, dtype=np.float64)
        spatial = tuple(range(1, variance.ndim))
        floor = variance.mean(axis=spatial, keepdims=True)  # positions that hardly vary borrow the level's variance
        scale = np.sqrt(0.5 * (variance + floor))
        scale = np.where(scale > 0, scale, 1.0)
        smoothing = float(np.clip(max(residuals.shape[2 + apart :]) / 32, 0.5, 4.0))
        unfinished = cls(mean, scale, smoothing, np.empty(0), apart)
        maxima = unfinished(even).reshape(len(even), -1).max(axis=1)
        return cls(mean, scale, smoothing, maxima, apart)

    def __call__(self, residuals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Maps `(n, *spatial)` of residuals `(n, K, *spatial)`."""
        z = ((residuals - self.mean) / self.scale).mean(axis=1)
        widths = (0.0,) * (1 + self.apart) + (self.smoothing,) * (z.ndim - 1 - self.apart)
        return np.asarray(ndimage.gaussian_filter(z, widths, mode="nearest"), dtype=np.float64)

    def threshold(self, alpha: float = 0.05) -> float:
        """Positions above it are anomalous; at most a share `alpha` of normal records has any. Infinite if too few."""
        n = len(self.maxima)
        rank = int(np.ceil((1 - alpha) * (n + 1)))
        return float(np.sort(self.maxima)[rank - 1]) if rank <= n else float("inf")
