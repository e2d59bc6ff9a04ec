"""Run the command line in this process and look at what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synthgen.cli import main


@dataclass(frozen=True)
class Ran:
    """Exit code and both streams of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Standard output as JSON; the whole of it, or it fails."""
        return json.loads(self.stdout)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in its own empty directory, untouched by the caller's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHGEN_SET", raising=False)


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`run_cli("plugins", "--json").document`."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
