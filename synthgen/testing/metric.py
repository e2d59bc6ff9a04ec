"""`check_metric`: a metric answers with a row, always the same one, and can do without what data may lack."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from synthgen import registry
from synthgen.api import Metric, Records, Source
from synthgen.errors import SynthgenError
from synthgen.evaluation.catalogue import CATALOGUE
from synthgen.evaluation.metric import MetricRow, jsonable
from synthgen.testing.conformance import demand, guarded, same
from synthgen.testing.subject import Subject, subject

__all__ = ["check_metric"]

Measure = Metric | Callable[[Records, Records, Mapping[str, Any]], Any]

_FIELDS = frozenset({"value", "ci", "floor", "better", "n", "error", "facts"})
_WAYS = ("higher", "lower", "floor")
_COSTS = ("cheap", "moderate", "costly")


def check_metric(
    name: str, *, modality: str, metric: Measure | None = None, source: Source | None = None, records: int = 64
) -> None:
    """Run every check on a registered metric with records of a modality's demo set.

    Args:
        name: of the metric, as registered.
        modality: whose records are measured; for a metric of every modality, any.
        metric: check this `Metric` or function instead of the registered one.
        source: measure this data instead of the demo set's.
        records: how many records of the data are used; a quarter is "synthetic", a quarter held out, half training.

    Raises:
        ConformanceError: at the first broken promise.
    """
    it = subject(modality, source=source, records=records)

    def everything() -> None:
        chosen: Measure = registry.load("metrics", name, modality) if metric is None else metric
        right = callable(chosen)
        demand(right, f"the target is a {type(chosen).__name__}; it must be a synthgen.api.Metric or a function")
        if isinstance(chosen, Metric):
            _check_description(chosen)
        taken = name in CATALOGUE
        demand(not taken, f"the report has a row {name!r} already; give the metric another name")
        _check_rows(chosen, it)

    guarded(f"metric {name}", everything)


def _check_description(metric: Metric) -> None:
    demand(bool(metric.definition.strip()), "its `definition` is empty; say in a sentence what exactly is computed")
    demand(metric.cost in _COSTS, f"its `cost` is {metric.cost!r}; it must be one of {', '.join(_COSTS)}")


def _check_rows(metric: Measure, it: Subject) -> None:
    order = np.random.default_rng(0).permutation(len(it.records))
    quarter = len(order) // 4
    real, synthetic = it.records.take(order[:quarter]), it.records.take(order[quarter : 2 * quarter])
    train = it.records.take(order[2 * quarter :])
    context = {"schema": it.schema, "modality": it.modality, "train": train}
    kept = [Records({k: v.copy() for k, v in side.columns.items()}, side.label) for side in (real, synthetic, train)]
    row = metric(real, synthetic, context)
    _check_row(row)
    for before, after in zip(kept, (real, synthetic, train), strict=True):
        same(before, after, "it changes the records that it is given; work on copies")
    again = metric(real, synthetic, context)
    right = _plain(row) == _plain(again)
    demand(right, "measuring twice gave different rows; draw from synthgen.seeding.generator(seed, purpose)")
    _may_refuse(metric, real, synthetic.take(slice(0, quarter // 2)), context, "sides of unequal size")
    _may_refuse(metric, real, synthetic.take([0] * quarter), context, "one record repeated")
    if it.records.label is not None:
        plain = {**context, "train": Records(train.columns)}
        _may_refuse(metric, Records(real.columns), Records(synthetic.columns), plain, "records without labels")


def _may_refuse(metric: Measure, real: Records, synthetic: Records, context: Mapping[str, Any], what: str) -> None:
    """A row, or an error of synthgen's own that says what is lacking; anything else is an accident."""
    try:
        row = metric(real, synthetic, context)
    except SynthgenError:
        return
    except Exception as error:
        demand(
            False,
            f"with {what} it raised {type(error).__name__}: {error}; measure what can be measured, or raise "
            "synthgen.errors.DataError saying what it needs",
        )
        return
    _check_row(row)


def _check_row(row: Any) -> None:
    found = _plain(row)
    unknown = sorted(set(found) - _FIELDS)
    demand(not unknown, f"its row has {unknown}, which no row has; fields are {', '.join(sorted(_FIELDS))}")
    demand("value" in found, "its row has no `value`")
    value = found["value"]
    number = isinstance(value, int | float) and math.isfinite(value)
    demand(number, f"`value` is {value!r}; it must be a finite number, or let the metric raise")
    better = found.get("better", "higher")
    demand(better in _WAYS, f"`better` is {better!r}; it must be one of {', '.join(_WAYS)}")
    ci = found.get("ci")
    ordered = ci is None or (len(ci) == 2 and all(isinstance(end, int | float) for end in ci) and ci[0] <= ci[1])
    demand(ordered, f"`ci` is {ci!r}; it must be (low, high), the 95 % interval")
    floor = found.get("floor")
    known = floor is None or (isinstance(floor, int | float) and math.isfinite(floor))
    demand(known, f"`floor` is {floor!r}; it must be the number that real data gives, or None")


def _plain(row: Any) -> dict[str, Any]:
    """A row as a dictionary of JSON values."""
    if isinstance(row, MetricRow):
        row = {key: getattr(row, key) for key in _FIELDS}
    right = isinstance(row, Mapping)
    demand(right, f"it returned {type(row).__name__}; return a mapping with `value`")
    plain: dict[str, Any] = json.loads(json.dumps({key: _kept(value) for key, value in row.items()}))
    return plain


def _kept(value: Any) -> Any:
    """As JSON, numbers that are not finite as text, so that they can be named."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else jsonable(value)
