"""`synthgen list KIND`: what can be named, by us and by plugins.

`--json`: `{"KIND": [{"name", "modality", "summary", "plugin", "distribution"}]}`, a key for each kind asked for;
techniques have also `"group"`, `"setting"` and `"sources"`.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import ModalityOption
from synthgen.cli.table import table
from synthgen.errors import UsageError

__all__ = ["KINDS", "list_names"]

KINDS = (
    "modalities",
    "datasets",
    "networks",
    "samplers",
    "readers",
    "writers",
    "metrics",
    "commands",
    "loggers",
    "techniques",
)


@reporting
def list_names(
    console: Console,
    *,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}, or all.", show_default=False)
    ] = "all",
    modality: ModalityOption = None,
) -> None:
    """List what can be named: modalities, demo sets, networks, samplers, readers, writers, metrics, techniques."""
    if kind not in (*KINDS, "all"):
        close = difflib.get_close_matches(kind, KINDS, n=1)
        raise UsageError(
            f"nothing of the kind {kind} to list",
            hint=f"Did you mean {close[0]}?" if close else f"The kinds are {', '.join(KINDS)}.",
        )
    if modality is not None:
        from synthgen import registry

        registry.find("modalities", modality)
    document = {each: _entries(each, modality) for each in (KINDS if kind == "all" else (kind,))}
    console.result(_text(document), document)


def _techniques() -> list[dict[str, Any]]:
    from synthgen.cli.citations import TECHNIQUES
    from synthgen.cli.techniques import OFFERED

    papers = {paper.key: f"{paper.text().partition('.')[0]}" for paper in TECHNIQUES}
    return [
        {
            "name": offered.name,
            "modality": "",
            "summary": offered.summary,
            "plugin": "synthgen",
            "distribution": "synthgen",
            "group": offered.group,
            "setting": offered.setting,
            "sources": [papers[key] for key in offered.sources],
        }
        for offered in OFFERED
    ]


def _entries(kind: str, modality: str | None) -> list[dict[str, Any]]:
    if kind == "techniques":
        return _techniques()
    from synthgen import registry

    return [
        {
            "name": registered.spec.name,
            "modality": registered.spec.modality,
            "summary": registered.spec.summary,
            "plugin": registered.plugin,
            "distribution": registered.distribution,
        }
        for registered in registry.specs(kind)
        if modality is None or registered.spec.modality in ("", modality)
    ]


def _text(document: dict[str, list[dict[str, Any]]]) -> str:
    blocks = []
    for kind, entries in document.items():
        if not entries and len(document) > 1:
            continue
        title = f"{kind}\n" if len(document) > 1 else ""
        if kind == "techniques":
            heads: tuple[str, ...] = ("name", "chosen by", "what it is", "source")
            rows: list[tuple[str, ...]] = [
                (entry["name"], entry["setting"], entry["summary"], "; ".join(entry["sources"])) for entry in entries
            ]
        else:
            heads = ("name", "modality", "summary")
            rows = [(entry["name"], entry["modality"] or "-", entry["summary"]) for entry in entries]
        blocks.append(title + (table(heads, rows) if rows else f"no {kind}"))
    return "\n\n".join(blocks)
