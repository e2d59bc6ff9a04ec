"""The metric row: one number with its interval, real-vs-real floor, n and error; and how intervals are made.

The *floor* of a row is the same number with real data in the place of the synthetic data: what a perfect generator
would get. `CATALOGUE` names every metric that a report may hold, says which way is better and what good looks like.

Intervals are 95 % percentile intervals of a bootstrap over records (Efron 1979). Statistics that are biased by the
repeated records of a bootstrap sample (Frechet distance, MMD, Vendi) use the centred interval: the bootstrap
distribution is moved so that its mean is the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "CATALOGUE",
    "UTILITY",
    "Better",
    "Description",
    "MetricRow",
    "bootstrap",
    "describe",
    "guarded",
    "interval",
    "jsonable",
    "proportion_interval",
    "widened",
]

Better = Literal["higher", "lower", "floor"]
"""Which way is better; `floor`: the nearer to the floor the better, on either side."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a metric is.

    Args:
        title: a short name for people.
        better: which way is better.
        good: what good looks like, in a few words.
        low, high: natural range, for drawing; None: open.
        per_class: whether it comes by class too.
        gate: what `fail_under` demands: at least or at most the given number.
    """

    title: str
    better: Better
    good: str
    low: float | None = 0.0
    high: float | None = 1.0
    per_class: bool = False
    gate: Literal["at least", "at most"] = "at least"


CATALOGUE: Mapping[str, Description] = {
    "trtr": Description("trained on real, tested on real", "higher", "the reference for tstr", per_class=True),
    "tstr": Description("trained on synthetic, tested on real", "higher", "as high as trtr", per_class=True),
    "tstr_ratio": Description("synthetic-trained over real-trained", "higher", "1 or more", high=None),
    "gain": Description(
        "real + synthetic minus real alone", "higher", "above 0, interval and all", low=None, high=None
    ),
    "label_fidelity": Description(
        "agreement of a real-trained judge with the synthetic labels", "higher", "at its floor", per_class=True
    ),
    "c2st_auc": Description(
        "how well a classifier tells synthetic from real", "lower", "0.5, or at its floor", low=0.4, gate="at most"
    ),
    "fd": Description("Fréchet distance of features", "lower", "at its floor", high=None, gate="at most"),
    "kd": Description(
        "kernel distance of features", "lower", "0, or at its floor", low=None, high=None, gate="at most"
    ),
    "precision": Description("synthetic records inside the real region", "higher", "at its floor"),
    "recall": Description("real records inside the synthetic region", "higher", "at its floor", per_class=True),
    "density": Description("how densely synthetic records sit among real ones", "higher", "at its floor", high=None),
    "coverage": Description("real neighbourhoods holding a synthetic record", "higher", "at its floor"),
    "vendi_ratio": Description(
        "effective number of distinct records over real's", "floor", "1, or at its floor", high=None, per_class=True
    ),
    "copy_rate": Description(
        "synthetic records suspiciously close to a training record", "lower", "at its floor, 1 %", gate="at most"
    ),
    "dcr_share": Description(
        "synthetic records nearer to training than to held-out data", "floor", "0.5", gate="at most"
    ),
    "mia_auc": Description(
        "how well the model's error tells training from held-out records", "lower", "0.5", low=0.4, gate="at most"
    ),
    "anomaly_shift": Description(
        "anomaly scores of synthetic against held-out records", "lower", "at its floor", gate="at most"
    ),
}

UTILITY = ("trtr", "tstr", "tstr_ratio", "gain")
"""Rows that take the judge's measure as a prefix when it is neither accuracy nor mIoU, such as `r2_tstr`."""


def describe(name: str) -> Description:
    """The description behind a row's name, per-class and measure-prefixed ones included; a plain one for plugins'."""
    base = name.partition("/")[0]
    if base in CATALOGUE:
        return CATALOGUE[base]
    for known in sorted(UTILITY, key=len, reverse=True):
        if base.endswith(f"_{known}"):
            plain = CATALOGUE[known]
            title = f"{plain.title} ({base.removesuffix(f'_{known}')})"
            return Description(title, plain.better, plain.good, None, None, plain.per_class)
    return Description(base, "floor", "at its floor", None, None)


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
        """The name for display: distances carry their extractor, because they mean nothing without it."""
        extractor = self.facts.get("extractor")
        return f"{self.name}[{extractor}]" if extractor and self.name in {"fd", "kd"} else self.name

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
