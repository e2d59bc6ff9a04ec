"""The plugin page, followed to the letter: its files written, its commands run, its test run, its lines counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
TUTORIAL = PAGE.partition("## A modality in ten minutes")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", TUTORIAL, re.DOTALL))
COMMANDS = [line for block in TUTORIAL.split("```")[1::2] if block.startswith("\n") for line in block.split("\n")[1:-1]]


def test_the_whole_plugin_takes_at_most_80_lines_of_python() -> None:
    source = [text for path, text in FILES.items() if path.endswith(".py") and "/tests/" not in path]
    assert len(source) == 2
    assert sum(1 for text in source for line in text.splitlines() if line.strip()) <= 80


@pytest.mark.slow
def test_every_command_of_the_tutorial_works_on_the_modality_and_its_own_test_passes(
    tmp_path: Path, stranger: Any
) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert COMMANDS[0] == "pip install -e my-spectra"  # the one line that needs a network; its effect comes from here
    stranger.install(tmp_path / "my-spectra", tmp_path / "site")
    env = stranger.environment(tmp_path / "site", tmp_path / "my-spectra")
    programs, arguments = zip(*(command.split(maxsplit=1) for command in COMMANDS[1:]), strict=True)
    assert set(programs) == {"synthgen"}
    documents = stranger.synthgen(*arguments, cwd=tmp_path, env=env)
    printed = dict(zip((words.split()[0] for words in arguments), documents, strict=True))
    assert {plugin["name"]: plugin["state"] for plugin in printed["plugins"]}["spectra"] == "active"
    assert printed["train"]["modality"] == "spectra"
    assert printed["generate"]["labels"] == {"copper": 150, "iron": 150}
    tests = stranger.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "my-spectra", cwd=tmp_path, env=env)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "1 passed" in tests.stdout


@pytest.mark.parametrize("path", FILES)
def test_each_file_of_the_tutorial_is_shown_once(path: str) -> None:
    assert PAGE.count(f"# {path}\n") == 1
