"""Metrics that plugins add: a number from two sets of records becomes a row with floor and interval.

A plugin's `synthgen.api.Metric` compares real with synthetic records and knows nothing of either. Its floor is the same
function of held-out and as many training records; intervals come from calling it on records drawn again, centred on the
estimate because repeated records bias distances. A plain function returns a whole row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthgen import registry
from synthgen.api import Metric, Modality, Records, Schema
from synthgen.evaluation.comparison import draw
from synthgen.evaluation.metric import MetricRow, guarded, interval
from synthgen.seeding import generator

__all__ = ["measure"]

_RESAMPLES = {"cheap": 200, "moderate": 20, "costly": 20}
_ENOUGH = 20


def measure(
    modality: Modality, schema: Schema, train: Records, holdout: Records, synthetic: Records, *, costly: bool = False
) -> tuple[list[MetricRow], dict[str, str]]:
    """Rows of plugins' metrics, and which were left out and why.

    Args:
        modality: whose metrics, and those for all.
        schema, train, holdout, synthetic: of the evaluation.
        costly: measure the costly ones too.
    """
    rows: list[MetricRow] = []
    absent: dict[str, str] = {}
    context = {"schema": schema, "modality": modality, "train": train}
    for name in registry.names("metrics", modality.name):

        def measured(name: str = name) -> list[MetricRow]:
            target = registry.load("metrics", name, modality.name)
            if isinstance(target, Metric):
                reason = None if target.inapplicable is None else target.inapplicable(schema)
                if reason is not None:
                    absent[name] = reason
                    return []
                if target.cost == "costly" and not costly:
                    absent[name] = "costly: measured with --full"
                    return []
                return [_row(name, target, train, holdout, synthetic, context)]
            found = target(holdout, synthetic, context)
            row = found if isinstance(found, MetricRow) else MetricRow(**{"name": name, "n": len(synthetic), **found})
            return [replace(row, name=name)]

        rows += guarded([name], measured)
    return rows, absent


def _row(
    name: str, metric: Metric, train: Records, holdout: Records, synthetic: Records, context: Mapping[str, Any]
) -> MetricRow:
    chosen = draw(train, holdout, synthetic)
    real = holdout.take(chosen.holdout)
    ours, fresh = synthetic.take(chosen.synthetic), train.take(chosen.train)
    resamples = metric.resamples or _RESAMPLES[metric.cost]
    value, ci = _estimate(metric.function, real, ours, context, resamples, f"plugin-{name}")
    floor, floor_ci = _estimate(metric.function, real, fresh, context, resamples, f"plugin-{name}-floor")
    facts = {"floor_ci": floor_ci, "cost": metric.cost, "note": "; ".join(chosen.notes)}
    return MetricRow(name, value, ci, floor, len(real), metric.better, facts=facts)


def _estimate(
    function: Callable[[Records, Records, Mapping[str, Any]], float],
    real: Records,
    other: Records,
    context: Mapping[str, Any],
    resamples: int,
    purpose: str,
) -> tuple[float, tuple[float, float]]:
    value = float(function(real, other, context))
    rng = generator(0, purpose)
    n, m = len(real), len(other)
    found = np.array(
        [
            float(function(real.take(rng.integers(0, n, n)), other.take(rng.integers(0, m, m)), context))
            for _ in range(resamples)
        ]
    )
    return value, _around(value, found)


def _around(value: float, drawn: NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of the draws about the estimate; of few draws Student's."""
    if len(drawn) >= _ENOUGH:
        return interval(drawn - np.nanmean(drawn) + value)
    half = float(stats.t.ppf(0.975, max(len(drawn) - 1, 1)) * drawn.std(ddof=1)) if len(drawn) > 1 else math.nan
    return value - half, value + half
