"""Writes a report: `report.html` (one self-contained file), `report.json` and `report.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from synthgen.config import RunConfig, dump_toml
from synthgen.evaluation.catalogue import describe
from synthgen.evaluation.figures import Picture
from synthgen.evaluation.metric import jsonable
from synthgen.evaluation.presentation import Finding, cell, classes_of, contest, mood, sections_of
from synthgen.io.atomic import remove, write_text

__all__ = ["markdown", "render", "write"]


def write(
    directory: Path,
    facts: Mapping[str, Any],
    *,
    findings: Sequence[Finding],
    training: Sequence[Picture],
    config: RunConfig,
) -> None:
    """Write the three files, each atomically; where `report.json` is, which comes last, all are of one evaluation.

    Args:
        directory: made when missing.
        facts: what `report.json` holds.
        findings: one for each data set.
        training: the pictures of the run's training.
        config: of the run.

    Raises:
        StorageError: the directory cannot be written.
    """
    text = json.dumps(jsonable(facts), indent=2, ensure_ascii=False, allow_nan=False)
    page = render(facts, findings=findings, training=training, config=config)
    remove(directory / "report.json")
    write_text(directory / "report.md", markdown(facts, findings))
    write_text(directory / "report.html", page)
    write_text(directory / "report.json", text + "\n")


def render(
    facts: Mapping[str, Any], *, findings: Sequence[Finding], training: Sequence[Picture], config: RunConfig
) -> str:
    """The page as text; every string that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("synthgen.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        facts=facts,
        findings=[_section(index, finding, alone=len(findings) == 1) for index, finding in enumerate(findings)],
        contest=contest(findings) if len(findings) > 1 else None,
        training=training,
        definitions=_definitions(findings),
        config=dump_toml(config),
        generated=_generated(facts),
    )


def _section(index: int, finding: Finding, *, alone: bool) -> dict[str, Any]:
    """What the template shows of one data set."""
    return {
        "id": f"set-{index}",
        "name": str(finding.facts["synthetic"]),
        "alone": alone,
        "answers": [
            {"mood": mood(one), "question": one.question, "decision": one.decision, "because": one.because}
            for one in finding.answers
        ],
        "gates": finding.facts["gates"],
        "notes": finding.facts["notes"],
        "records": finding.facts["records"],
        "not_applicable": finding.facts["not_applicable"],
        "sections": sections_of(finding.rows),
        "classes": classes_of(finding.rows),
        "pictures": finding.pictures,
    }


def _definitions(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Every metric on the page, once, with what it is and who defined it."""
    found: dict[str, dict[str, str]] = {}
    for one in findings:
        for row in one.rows:
            base = row.name.partition("/")[0]
            about = describe(base)
            if base not in found:
                text = _with_code(about.definition)
                found[base] = {"name": base, "title": about.title, "definition": text, "source": about.source}
    return list(found.values())


def _with_code(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _generated(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    provenance = facts["provenance"]
    synthetic = facts["synthetic"]
    return [
        ("run", facts["run"]),
        ("model", provenance["run_fingerprint"]),
        ("training data", provenance["data"]),
        ("synthetic data", synthetic if isinstance(synthetic, str) else ", ".join(synthetic)),
        *(
            (f"synthetic: {key}", value if isinstance(value, str) else json.dumps(jsonable(value)))
            for key, value in provenance["synthetic"].items()
            if not isinstance(value, Mapping | list | tuple)
        ),
        ("records", ", ".join(f"{name} {n}" for name, n in provenance["records"].items())),
        ("training seed", str(provenance["training_seed"])),
        ("judge", str(provenance.get("judge", "default"))),
        ("judge seeds", ", ".join(map(str, provenance["judge_seeds"]))),
        ("versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
        ("again", provenance["command"]),
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, after {facts['seconds']} s"),
    ]


def markdown(facts: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """A short summary for a terminal, a pull request or a card."""
    lines = ["# Evaluation", ""]
    if len(findings) > 1:
        table = contest(findings)
        heads = " | ".join(_plain(name) for name in table["names"])
        lines += [f"| | {heads} | real against real |", "|---|" + "---|" * (len(findings) + 1)]
        for line in table["answers"]:
            lines.append(f"| {line['question']} | " + " | ".join(one["decision"] for one in line["cells"]) + " | |")
        for line in table["lines"]:
            cells = " | ".join(_cell_text(one) for one in line["cells"])
            lines.append(f"| `{_plain(line['name'])}` | {cells} | {line['floor']} |")
        lines += ["", "Bold: better than every other data set beyond its own interval.", ""]
    for finding in findings:
        lines += [f"## {_plain(str(finding.facts['synthetic']))}", ""] if len(findings) > 1 else []
        lines += [f"- {_plain(one.sentence)}" for one in finding.answers]
        for gate in finding.facts["gates"]:
            value = "no value" if gate["value"] is None else f"{gate['value']:.4g}"
            mark = "met" if gate["met"] else "**not met**"
            lines.append(f"- gate `{_plain(gate['metric'])}` {gate['demanded']} {gate['limit']:g}: {value}, {mark}")
        lines.append("")
        if len(findings) == 1:
            lines += _markdown_table(finding)
    lines += [*(f"- {_plain(note)}" for note in facts["notes"]), ""]
    names = ", ".join(f"`{_plain(str(one.facts['synthetic']))}`" for one in findings)
    lines += [f"Run `{_plain(facts['run'])}`, synthetic data {names}.", ""]
    return "\n".join(lines)


def _markdown_table(finding: Finding) -> list[str]:
    lines = ["| metric | value | 95 % interval | real against real | n |", "|---|---|---|---|---|"]
    for row in finding.rows:
        if "/" not in row.name:
            text = cell(row)
            value = f"failed: {row.error}" if row.error else text["value"]
            lines.append(f"| `{_plain(row.label)}` | {_plain(value)} | {text['ci']} | {text['floor']} | {row.n} |")
    for gone in finding.facts["not_applicable"]:
        lines.append(f"| `{_plain(gone['name'])}` | does not apply: {_plain(gone['reason'])} | | | |")
    return [*lines, ""]


def _cell_text(shown: Mapping[str, Any] | None) -> str:
    if shown is None:
        return "–"
    if shown["error"]:
        return _plain(f"failed: {shown['error']}")
    text = f"{shown['value']} ({shown['ci']})" if shown["ci"] else str(shown["value"])
    return f"**{text}**" if shown["best"] else text


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")
