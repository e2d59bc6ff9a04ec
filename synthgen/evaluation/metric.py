"""The metric row: one number with its interval, real-vs-real floor, n and error; and how intervals are made.

The *floor* of a row is the same number with real data in the place of the synthetic data: what a perfect generator
would get.

Intervals are 95 % percentile intervals of a bootstrap over records (Efron 1979). Statistics that are biased by the
repeated records of a bootstrap sample (Frechet distance, MMD, Vendi) use the centred interval: the bootstrap
distribution is moved so that its mean is the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen.evaluation.catalogue import Better, describe

__all__ = [
    "MetricRow",
    "bootstrap",
    "guarded",
    "interval",
    "jsonable",
    "proportion_interval",
    "widened",
]


@dataclass(frozen=True)
class MetricRow:
    """One row of a report.

    Args:
        name: of the metric, `name/<class>` for one class of it.
        value: the number; None when it failed.
        ci: 95 % interval.
        floor: the same number with real data in the place of the synthetic data.
        n: records on each side of the comparison, or test records for judges.
        better: which way is better.
        error: what went wrong; None when nothing did.
        facts: more, such as `floor_ci`, `seeds`, `extractor`, `measure`, `note`; written as further keys in JSON.
    """

    name: str
    value: float | None
    ci: tuple[float, float] | None = None
    floor: float | None = None
    n: int = 0
    better: Better = "higher"
    error: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name for display: what is measured on features carries their extractor, for it means nothing without."""
        extractor = self.facts.get("extractor")
        return f"{self.name}[{extractor}]" if extractor else self.name

    @property
    def floor_ci(self) -> tuple[float, float] | None:
        """95 % interval of the floor, where known."""
        found = self.facts.get("floor_ci")
        return None if found is None else (float(found[0]), float(found[1]))

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dictionary; numbers that are not finite become null."""
        plain = {
            "name": self.name,
            "value": _finite(self.value),
            "ci": None if self.ci is None else [_finite(self.ci[0]), _finite(self.ci[1])],
            "floor": _finite(self.floor),
            "n": self.n,
            "better": self.better,
            "error": self.error,
        }
        return plain | {key: jsonable(value) for key, value in self.facts.items()}


def jsonable(value: Any) -> Any:
    """Numpy and tuples as plain JSON values; numbers that are not finite become None."""
    match value:
        case np.ndarray():
            return jsonable(value.tolist())
        case np.generic():
            return jsonable(value.item())
        case float():
            return _finite(value)
        case Mapping():
            return {str(key): jsonable(item) for key, item in value.items()}
        case tuple() | list():
            return [jsonable(item) for item in value]
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def guarded(names: Iterable[str], measure: Callable[[], Sequence[MetricRow]]) -> list[MetricRow]:
    """The rows of `measure`, or, when it raises, a row with the error for each name: what failed is never missing."""
    try:
        rows = list(measure())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip().rstrip(":")
        return [MetricRow(name, None, better=describe(name).better, error=reason) for name in names]
    return [_checked(row) for row in rows]


def _checked(row: MetricRow) -> MetricRow:
    if row.error is None and (row.value is None or not math.isfinite(row.value)):
        return MetricRow(
            row.name, None, None, row.floor, row.n, row.better, "the result is not a finite number", row.facts
        )
    return row


def interval(draws: Any, *, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds `level` of the draws, not-a-number left out."""
    values = np.asarray(draws, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return (math.nan, math.nan)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    centre: float | None = None,
) -> tuple[float, float]:
    """95 % interval of a statistic of n records.

    Args:
        statistic: of indices `(n,)` into the records, drawn with replacement.
        n: number of records.
        rng: where the draws come from.
        draws: number of bootstrap samples.
        centre: the estimate to centre the interval on, for statistics that repeated records bias; None: as drawn.
    """
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(draws)])
    return interval(values if centre is None else values - np.nanmean(values) + centre)


def proportion_interval(successes: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share; sound at 0 and at n, where a bootstrap is not."""
    if n == 0:
        return (0.0, 1.0)
    z = float(stats.norm.ppf((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def widened(
    ci: tuple[float, float], n: int, *, low: float | None = None, high: float | None = None
) -> tuple[float, float]:
    """An interval that a bootstrap of n shares left without width, as wide as the rule of three allows.

    What was never seen in n records may still happen at a rate of 3 / n (95 %): no error in 20 is not certainty.

    Args:
        ci: the interval.
        n: number of records.
        low, high: the natural range, not to be left.
    """
    if not n or ci[1] - ci[0] > 1e-12:
        return ci
    lowest, highest = -math.inf if low is None else low, math.inf if high is None else high
    return max(lowest, ci[0] - 3 / n), min(highest, ci[1] + 3 / n)
