"""Help with examples that parse, completion of names, and "did you mean" for commands of groups."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from synthgen.cli import app
from synthgen.cli.examples import EXAMPLES
from synthgen.cli.label_option import spread_label_values

LINES = [line for examples in EXAMPLES.values() for line, _ in examples]


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_help_of_a_command_shows_its_examples(run_cli: Callable[..., Any], command: str) -> None:
    shown = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", run_cli(command, "--help").stdout).split())
    for line, _ in EXAMPLES[command]:
        assert line in shown


@pytest.mark.parametrize("line", LINES)
def test_each_example_parses_and_belongs_to_its_command(line: str) -> None:
    program, name, *arguments = shlex.split(line)
    assert program == "synthgen"
    assert any(line == each for each, _ in EXAMPLES[name])
    root = typer.main.get_command(app)
    command = root.get_command(root.make_context("synthgen", ["list"]), name)  # type: ignore[attr-defined]
    given = spread_label_values(arguments) if name == "generate" else arguments
    context = command.make_context(name, given)
    assert context.params


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("synthgen train --modality ti", {"timeseries"}),
        ("synthgen generate --sampler mul", {"multistep"}),
        ("synthgen eval", {"evaluate"}),
        ("synthgen evaluate --run runs/", {"runs/digits-1"}),
    ],
)
def test_the_shell_completes_commands_names_and_runs(words: str, wanted: set[str], tmp_path: Path) -> None:
    (tmp_path / "runs" / "digits-1").mkdir(parents=True)
    (tmp_path / "runs" / "digits-1" / "run.json").write_text("{}")
    (tmp_path / "runs" / "unrelated").mkdir()
    environment = {
        **os.environ,
        "_SYNTHGEN_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    program = "import sys; from synthgen.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == wanted, done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["confg"], "config"), (["config", "inti"], "init"), (["plugins", "nwe"], "new"), (["plugins", "newt"], "new")],
)
def test_a_mistyped_command_is_answered_with_the_right_one(
    run_cli: Callable[..., Any], words: list[str], meant: str
) -> None:
    ran = run_cli(*words)
    assert ran.code == 2
    assert f"no such command: {' '.join(words)}" in ran.stderr
    assert f"Did you mean {meant}?" in ran.stderr
