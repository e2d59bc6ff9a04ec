"""Writes a report: `report.html` (one self-contained file), `report.json` and `report.md`."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from synthgen.config import RunConfig, dump_toml
from synthgen.evaluation.figures import Picture
from synthgen.evaluation.metric import MetricRow, describe, jsonable
from synthgen.evaluation.verdict import LEAKS, Answer
from synthgen.io.atomic import write_text

__all__ = ["markdown", "number", "render", "versions", "write"]

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Does it help?": ("trtr", "tstr", "tstr_ratio", "gain", "label_fidelity"),
    "Does it look right?": ("c2st_auc", "fd", "kd", "precision", "density", "anomaly_shift"),
    "Is it varied?": ("recall", "coverage", "vendi_ratio"),
    "Does it leak?": ("copy_rate", "dcr_share", "mia_auc"),
}
_MOST_CLASSES = 60
_SHARES = {"copy_rate", "dcr_share"}


def write(
    directory: Path,
    facts: Mapping[str, Any],
    *,
    rows: Sequence[MetricRow],
    answers: Sequence[Answer],
    pictures: Sequence[Picture],
    config: RunConfig,
) -> None:
    """Write the three files, each atomically.

    Args:
        directory: made when missing.
        facts: what `report.json` holds.
        rows: of the table.
        answers: of the verdict.
        pictures: of the page, in order.
        config: of the run.

    Raises:
        StorageError: the directory cannot be written.
    """
    write_text(
        directory / "report.json", json.dumps(jsonable(facts), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )
    write_text(directory / "report.md", markdown(facts, rows))
    write_text(directory / "report.html", render(facts, rows=rows, answers=answers, pictures=pictures, config=config))


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("synthgen", "torch", "numpy", "scipy", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def render(
    facts: Mapping[str, Any],
    *,
    rows: Sequence[MetricRow],
    answers: Sequence[Answer],
    pictures: Sequence[Picture],
    config: RunConfig,
) -> str:
    """The page as text; every string that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("synthgen.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    provenance = facts["provenance"]
    return environment.get_template("report.html.j2").render(
        facts=facts,
        answers=[
            {"mood": _mood(one), "question": one.question, "decision": one.decision, "because": one.because}
            for one in answers
        ],
        sections=_sections(rows),
        classes=_classes(rows),
        pictures=pictures,
        config=dump_toml(config),
        generated=[
            ("run", facts["run"]),
            ("model", provenance["run_fingerprint"]),
            ("training data", provenance["data"]),
            ("synthetic data", facts["synthetic"]),
            *(
                (f"synthetic: {key}", value if isinstance(value, str) else json.dumps(jsonable(value)))
                for key, value in provenance["synthetic"].items()
                if not isinstance(value, Mapping | list | tuple)
            ),
            ("records", ", ".join(f"{name} {n}" for name, n in provenance["records"].items())),
            ("training seed", str(provenance["training_seed"])),
            ("judge seeds", ", ".join(map(str, provenance["judge_seeds"]))),
            ("versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
            ("again", provenance["command"]),
            ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, after {facts['seconds']} s"),
        ],
    )


def markdown(facts: Mapping[str, Any], rows: Sequence[MetricRow]) -> str:
    """A short summary for a terminal, a pull request or a card."""
    lines = ["# Evaluation", ""]
    lines += [f"- {_plain(sentence)}" for sentence in facts["verdict"]]
    lines += ["", "| metric | value | 95 % interval | real against real | n |", "|---|---|---|---|---|"]
    for row in rows:
        if "/" not in row.name:
            cell = _cell(row)
            value = f"failed: {row.error}" if row.error else cell["value"]
            lines.append(f"| `{_plain(row.label)}` | {_plain(value)} | {cell['ci']} | {cell['floor']} | {row.n} |")
    for gone in facts["not_applicable"]:
        lines.append(f"| `{_plain(gone['name'])}` | does not apply: {_plain(gone['reason'])} | | | |")
    lines += ["", *(f"- {_plain(note)}" for note in facts["notes"])]
    lines += ["", f"Run `{_plain(facts['run'])}`, synthetic data `{_plain(facts['synthetic'])}`.", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")


def _mood(one: Answer) -> str:
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


def _cell(row: MetricRow) -> dict[str, Any]:
    def between(pair: tuple[float, float] | None) -> str:
        return "" if pair is None else f"{number(pair[0], name=row.name)} to {number(pair[1], name=row.name)}"

    about = describe(row.name)
    return {
        "name": row.label,
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


def _sections(rows: Sequence[MetricRow]) -> list[dict[str, Any]]:
    whole = [row for row in rows if "/" not in row.name]
    sections = []
    placed: set[str] = set()
    for title, names in _SECTIONS.items():
        members = [row for name in names for row in whole if row.name == name or row.name.endswith(f"_{name}")]
        members = [row for row in members if row.name not in placed and not placed.add(row.name)]  # type: ignore[func-returns-value]
        if members:
            sections.append({"title": title, "rows": [_cell(row) for row in members]})
    rest = [_cell(row) for row in whole if row.name not in placed]
    return [*sections, {"title": "From plugins", "rows": rest}] if rest else sections


def _classes(rows: Sequence[MetricRow]) -> dict[str, Any]:
    """The per-class rows as a table: a line a class, a column a metric."""
    table: dict[str, dict[str, MetricRow]] = {}
    columns: list[str] = []
    for row in rows:
        name, slash, label = row.name.partition("/")
        if slash:
            table.setdefault(label, {})[name] = row
            columns += [] if name in columns else [name]
    lines = [
        {"label": label, "cells": [_cell(found[name]) if name in found else None for name in columns]}
        for label, found in table.items()
    ]
    return {
        "columns": [{"name": name, "title": describe(name).title} for name in columns],
        "lines": lines[:_MOST_CLASSES],
        "left_out": max(0, len(lines) - _MOST_CLASSES),
    }
