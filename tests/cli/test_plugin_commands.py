"""A command from a plugin: shown without being imported, run when called, and harmless when broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from synthgen.api import Spec, hookimpl

@hookimpl
def synthgen_commands():
    return [
        Spec("greet", "Say hello to somebody.", "greeting_command:app"),
        Spec("train", "Try to take the place of train.", "greeting_command:app"),
        Spec("not-typer", "Is no Typer application.", "greeting_command:main"),
        Spec("broken", "Cannot be imported.", "greeting_broken:app"),
    ]
"""

COMMAND = """
import sys
import typer
from synthgen.errors import DataError

sys.stderr.write("imported\\n")
app = typer.Typer()

@app.command()
def main(name: str = "world", fail: bool = False) -> None:
    "Say hello."
    if fail:
        raise DataError("nobody is here", hint="Call later.")
    print(f"hello {name}")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an installed distribution that adds commands."""
    info = tmp_path / "greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[synthgen]\ngreeting = greeting_plugin\n")
    (tmp_path / "greeting_plugin.py").write_text(PLUGIN)
    (tmp_path / "greeting_command.py").write_text(COMMAND)
    (tmp_path / "greeting_broken.py").write_text("raise RuntimeError('no licence')\n")
    return tmp_path


def synthgen(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "synthgen", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120"},
    )


def test_help_names_it_without_importing_it(site: Path) -> None:
    done = synthgen(site, "--help")
    assert done.returncode == 0
    assert "Say hello to somebody." in done.stdout
    assert "Try to take the place" not in done.stdout
    assert "imported" not in done.stderr


def test_it_runs_with_its_own_options(site: Path) -> None:
    done = synthgen(site, "greet", "--name", "you")
    assert (done.returncode, done.stdout) == (0, "hello you\n")
    assert "--name" in synthgen(site, "greet", "--help").stdout


def test_its_errors_are_sentences_with_our_exit_codes(site: Path) -> None:
    done = synthgen(site, "greet", "--fail")
    assert done.returncode == 1
    assert "Error: nobody is here\nCall later." in done.stderr
    assert synthgen(site, "greet", "--nmae", "x").returncode == 2


@pytest.mark.parametrize(("name", "reason"), [("not-typer", "not a typer.Typer"), ("broken", "no licence")])
def test_a_broken_one_is_named_and_exits_with_4(site: Path, name: str, reason: str) -> None:
    done = synthgen(site, name)
    assert done.returncode == 4
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_may_mean_it(site: Path) -> None:
    assert "greet" in synthgen(site, "gret").stderr
