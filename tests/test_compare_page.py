"""The comparison: every tool's cells have a source, no cell is left out, and what is said of us names what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", PAGE))
COMPARED = ("Generating series", "Judging synthetic data and finding anomalies")


def table(section: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of the first table of a section."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return cells[0], cells[2:]


@pytest.mark.parametrize("section", COMPARED)
def test_every_row_has_a_cell_for_every_tool(section: str) -> None:
    header, rows = table(section)
    assert header[1] == "synthgen"
    for row in rows:
        assert len(row) == len(header), row[0]
        assert all(row), row[0]


def test_every_tool_has_a_version_and_a_source() -> None:
    sources = {row[0]: row for row in table("Where it was looked up")[1]}
    compared = {tool for section in COMPARED for tool in table(section)[0][2:]}
    assert compared == set(sources)
    assert all(len(row) == 3 and all(row) for row in sources.values())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|benchmarks)/[\w/.*-]+)`", PAGE))))
def test_what_a_cell_names_as_its_proof_exists(path: str) -> None:
    assert list(ROOT.glob(path)), path


GENERATORS = {
    "synthgen `tabular`": "synthgen",
    "SDV GaussianCopula": "gaussian-copula",
    "SDV CTGAN": "ctgan",
    "synthcity ddpm": "synthcity-ddpm",
}


@pytest.mark.parametrize("line", table("Tables: measured")[1], ids=lambda line: " ".join(line[:2]))
def test_the_measured_tables_are_the_recorded_ones(line: list[str]) -> None:
    name, generator = line[0].split()[0], GENERATORS[line[1]]
    kept = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"tabular_peers_{name}*.json"))]
    found = next(record["results"]["seed 0"][generator] for record in kept if generator in record["results"]["seed 0"])
    prefix = "r2_" if "r2_tstr" in found["rows"] else ""
    rows = {row: entry["value"] for row, entry in found["rows"].items()}
    shown = [f"{found['cpu_seconds']:.0f} s", f"{rows[prefix + 'tstr']:.3f} ({rows[prefix + 'trtr']:.3f})"]
    shown += [f"{rows[row]:.3f}" for row in ("c2st_auc", "column_shapes", "pair_trends", "dcr_share")]
    assert line[2:] == shown
