"""What a reader sees of a row: numbers as text, sections of a table, classes as a table, data sets side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.evaluation.catalogue import describe
from synthgen.evaluation.figures import Picture
from synthgen.evaluation.metric import MetricRow
from synthgen.evaluation.verdict import LEAKS, Answer

__all__ = ["Finding", "cell", "classes_of", "contest", "mood", "number", "sections_of"]

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Does it help?": ("trtr", "tstr", "tstr_ratio", "tstr_worst_class", "gain", "gain_25", "gain_10",
                      "tstr_25", "tstr_10", "gain_worst_class", "trts", "label_fidelity"),
    "Does it look right?": ("c2st_auc", "c2st_linear", "c2st_raw", "fd", "kd", "precision", "density", "anomaly_shift",
                            "denoising_shift"),
    "Is it varied?": ("recall", "coverage", "vendi_ratio", "vendi_worst_class", "intra_diversity", "duplicate_rate"),
    "Does it leak?": ("copy_rate", "authenticity", "dcr_share", "nndr_share", "mia_auc", "mia_tpr", "mia_samples_auc",
                      "mia_samples_tpr"),
}  # fmt: skip
_MOST_CLASSES = 60
_SHARES = {"copy_rate", "duplicate_rate", "authenticity", "dcr_share", "nndr_share", "mia_tpr", "mia_samples_tpr"}


@dataclass(frozen=True)
class Finding:
    """What is known of one data set.

    Args:
        facts: its part of `report.json`: `synthetic`, `gates`, `notes`, `not_applicable`, `records`, ...
        rows: of the table.
        answers: of the verdict.
        pictures: in order.
    """

    facts: Mapping[str, Any]
    rows: tuple[MetricRow, ...]
    answers: tuple[Answer, ...]
    pictures: tuple[Picture, ...]


def contest(findings: Sequence[Finding]) -> dict[str, Any]:
    """Several data sets side by side: decisions, and for each metric the values with the best ones marked.

    A value is marked as best when it is the best and its interval does not reach the next one's value.
    """
    names = list(dict.fromkeys(row.name for one in findings for row in one.rows if "/" not in row.name))
    lines = []
    for name in names:
        found = [next((row for row in one.rows if row.name == name), None) for one in findings]
        best = _best([row for row in found if row is not None])
        known = next(row for row in found if row is not None)
        lines.append(
            {
                "name": name,
                "title": describe(name).title,
                "floor": number(known.floor, name=name),
                "cells": [None if row is None else cell(row) | {"best": row is best} for row in found],
            }
        )
    return {
        "names": [Path(str(one.facts["synthetic"])).name or str(one.facts["synthetic"]) for one in findings],
        "answers": [
            {
                "question": answers[0].question,
                "cells": [{"decision": one.decision, "mood": mood(one)} for one in answers],
            }
            for answers in zip(*(one.answers for one in findings), strict=True)
        ],
        "lines": lines,
    }


def _best(rows: Sequence[MetricRow]) -> MetricRow | None:
    """The row that is better than every other beyond its own interval; None when there is none."""
    usable = [row for row in rows if row.error is None and row.value is not None]
    if len(usable) < 2:
        return None

    def badness(row: MetricRow, value: float | None) -> float:
        if row.better == "floor":
            return abs((value or 0.0) - (row.floor or 0.0))
        return -(value or 0.0) if row.better == "higher" else (value or 0.0)

    best, second = sorted(usable, key=lambda row: badness(row, row.value))[:2]
    worst_end = max(badness(best, end) for end in best.ci or (best.value, best.value))
    return best if worst_end < badness(second, second.value) else None


def mood(one: Answer) -> str:
    """good, bad or unknown."""
    if one.decision == "cannot tell":
        return "unknown"
    return "good" if (one.decision == "yes") != (one.question == LEAKS) else "bad"


def number(value: float | None, *, name: str = "") -> str:
    """A value as people read it: shares in per cent, small numbers with three digits."""
    if value is None:
        return "–"
    if name.partition("/")[0] in _SHARES:
        return f"{100 * value:.1f} %"
    magnitude = abs(value)
    for least, decimals in ((100, 0), (10, 1), (0.01, 3), (0.0001, 4)):
        if magnitude >= least:
            return f"{value:,.{decimals}f}"
    return f"{value:.1e}" if magnitude else "0"


def cell(row: MetricRow) -> dict[str, Any]:
    """A row as text."""

    def between(pair: tuple[float, float] | None) -> str:
        return "" if pair is None else f"{number(pair[0], name=row.name)} to {number(pair[1], name=row.name)}"

    about = describe(row.name)
    return {
        "name": row.name,
        "base": row.name.partition("/")[0],
        "extractor": row.label.removeprefix(row.name),
        "title": about.title,
        "value": number(row.value, name=row.name),
        "ci": between(row.ci),
        "floor": number(row.floor, name=row.name),
        "floor_ci": between(row.floor_ci),
        "n": f"{row.n:,}",
        "good": about.good,
        "note": str(row.facts.get("note", "")),
        "error": row.error,
        "strip": _strip(row),
    }


def _strip(row: MetricRow) -> dict[str, float] | None:
    """Positions in per cent of value, interval and floor on one line; None when there is nothing to draw."""
    if row.error is not None or row.value is None:
        return None
    low, high = row.ci or (row.value, row.value)
    floor = row.value if row.floor is None else row.floor
    floor_low, floor_high = row.floor_ci or (floor, floor)
    marks = (row.value, low, high, floor, floor_low, floor_high)
    about = describe(row.name)
    spread = max(max(marks) - min(marks), 1e-9)
    left, right = min(marks) - 0.35 * spread, max(marks) + 0.35 * spread
    left = left if about.low is None else max(left, min(about.low, min(marks)))
    right = right if about.high is None else min(right, max(about.high, max(marks)))
    width = max(right - left, 1e-9)

    def place(x: float) -> float:
        return round(4 + 92 * (x - left) / width, 2)

    return {
        "value": place(row.value),
        "low": place(low),
        "width": round(max(place(high) - place(low), 0.8), 2),
        "floor": place(floor),
        "floor_low": place(floor_low),
        "floor_width": round(max(place(floor_high) - place(floor_low), 0.8), 2),
    }


def sections_of(rows: Sequence[MetricRow]) -> list[dict[str, Any]]:
    """The rows that are not by class, by the question that they bear on."""
    whole = [row for row in rows if "/" not in row.name]
    sections = []
    placed: set[str] = set()
    for title, names in _SECTIONS.items():
        members = [row for name in names for row in whole if row.name == name or row.name.endswith(f"_{name}")]
        members = [row for row in members if row.name not in placed and not placed.add(row.name)]  # type: ignore[func-returns-value]
        if members:
            sections.append({"title": title, "rows": [cell(row) for row in members]})
    rest = [cell(row) for row in whole if row.name not in placed]
    return [*sections, {"title": "From plugins", "rows": rest}] if rest else sections


def classes_of(rows: Sequence[MetricRow]) -> dict[str, Any]:
    """The per-class rows as a table: a line a class, a column a metric."""
    table: dict[str, dict[str, MetricRow]] = {}
    columns: list[str] = []
    for row in rows:
        name, slash, label = row.name.partition("/")
        if slash:
            table.setdefault(label, {})[name] = row
            columns += [] if name in columns else [name]
    lines = [
        {"label": label, "cells": [cell(found[name]) if name in found else None for name in columns]}
        for label, found in table.items()
    ]
    return {
        "columns": [{"name": name, "title": describe(name).title} for name in columns],
        "lines": lines[:_MOST_CLASSES],
        "left_out": max(0, len(lines) - _MOST_CLASSES),
    }
