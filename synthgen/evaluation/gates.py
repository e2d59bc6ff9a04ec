"""Quality gates: limits on metrics that make `evaluate` fail when they are not met."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen import registry
from synthgen.errors import GateError, UsageError
from synthgen.evaluation import utility
from synthgen.evaluation.catalogue import CATALOGUE, describe
from synthgen.evaluation.metric import MetricRow

__all__ = ["check_gates", "judge_gates", "raise_unmet"]


def check_gates(limits: Mapping[str, float], *, measure: str | None = None, classes: Sequence[str] = ()) -> None:
    """Refuse names that no report can hold.

    Args:
        limits: as `fail_under`.
        measure: of the judge, once known: allows names such as `r2_tstr`.
        classes: class names, once known.

    Raises:
        UsageError: an unknown name, or a limit that is not a number.
    """
    for name, limit in limits.items():
        if not math.isfinite(limit):
            raise UsageError(f"the limit of {name} must be a finite number, not {limit}")
        base, slash, label = name.partition("/")
        prefixed = any(base.endswith(f"_{known}") for known in utility.row_names("accuracy"))
        known = {*CATALOGUE, *registry.names("metrics"), *(utility.row_names(measure) if measure else ())}
        if base not in known and not (measure is None and prefixed):
            close = difflib.get_close_matches(base, sorted(known), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Metrics: {', '.join(sorted(known))}."
            raise UsageError(f"no metric is called {base}", hint=hint)
        if slash and not describe(base).per_class:
            raise UsageError(f"{base} is not measured by class")
        if slash and classes and label not in classes:
            raise UsageError(f"no class is called {label}", hint=f"Classes: {', '.join(classes[:20])}.")


def judge_gates(
    limits: Mapping[str, float], rows: Sequence[MetricRow], absent: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What each limit came to: metric, demand, limit, value, whether it was met and, without a value, why."""
    gates = []
    for name, limit in limits.items():
        row = next((row for row in rows if row.name == name), None)
        value = None if row is None or row.error is not None else row.value
        direction = describe(name).gate
        met = value is not None and (value <= limit if direction == "at most" else value >= limit)
        reason = absent.get(name.partition("/")[0], "it was not measured") if row is None else row.error
        gates.append(
            {"metric": name, "demanded": direction, "limit": limit, "value": value, "met": met, "reason": reason}
        )
    return gates


def raise_unmet(gates: Sequence[Mapping[str, Any]], page: Path) -> None:
    """Fail when a gate was not met.

    Raises:
        GateError: naming each with its value and limit.
    """
    unmet = [
        f"{gate['metric']} is {gate['value']:.4g}, {gate['demanded']} {gate['limit']:g} is demanded"
        if gate["value"] is not None
        else f"{gate['metric']} has no value ({gate['reason']})"
        for gate in gates
        if not gate["met"]
    ]
    if unmet:
        raise GateError(f"quality gate not met: {'; '.join(unmet)}", hint=f"The report is {page}.")
