"""The pieces of `benchmarks/first_report.py`, with a stand-in for the installed program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """#!/bin/sh
mkdir -p demo/image/report && sleep 0.3 && touch demo/image/report/report.html
sleep 60
touch too_late
"""


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "first_report", raising=False)
    import first_report

    return first_report


def test_what_is_measured_is_the_line_of_the_readme() -> None:
    script = ROOT / "benchmarks" / "first_report.py"
    shown = subprocess.run([sys.executable, str(script), "--dry"], capture_output=True, text=True, check=True).stdout
    commands = shown.splitlines()[1:]
    assert commands[-1] == ".venv/bin/synthgen demo"
    assert " && ".join(commands) in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_clock_stops_at_the_first_report_and_the_demo_is_stopped(benchmark: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "synthgen" / ".venv" / "bin" / "synthgen"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    found = benchmark.measure(tmp_path, ["unused", ".venv/bin/synthgen demo"], whole=False, reuse=True)
    assert found["demo"]["reports"].keys() == {"image"}
    assert found["first_report_seconds"] == found["demo"]["seconds"]
    assert not (tmp_path / "synthgen" / "too_late").exists()


def test_a_demo_that_fails_is_shown_with_what_it_said(benchmark: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "synthgen").mkdir()
    with pytest.raises(SystemExit, match=r"(?s)ended with 3.*not today"):
        benchmark.until_report("sh -c 'echo not today; exit 3'", tmp_path, {"PATH": "/usr/bin:/bin"}, whole=True)
