"""A file of one's own to a report of one's own in the three commands of the README, as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def commands_of(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.search(r"three commands\n\n```\n(.*?)```", text, re.DOTALL)[1].splitlines()  # type: ignore[index]


COMMANDS = commands_of("README.md")
QUICK = {
    "train": "--samples 1500 --set network.width=8 --set network.blocks=1 --set train.sample_checks=0",
    "generate": "",
    "evaluate": "--fast",
}


def write_sensors(path: Path) -> None:
    """Ninety rows of 24 readings, in the state `calm` or `shaking`."""
    rng = np.random.default_rng(0)
    lines = ["state," + ",".join(f"t{k}" for k in range(24))]
    for index in range(90):
        wave = np.sin(np.arange(24) * (0.3 if index % 2 else 1.5) + rng.uniform(0, 6)) + 0.1 * rng.normal(size=24)
        lines.append(("shaking", "calm")[index % 2] + "," + ",".join(f"{value:.4f}" for value in wave))
    path.write_text("\n".join(lines) + "\n")


def test_the_first_page_of_the_documentation_shows_the_same_three() -> None:
    assert commands_of("docs/index.md") == COMMANDS


@pytest.mark.slow
def test_three_commands_lead_from_a_csv_file_to_its_report(
    run_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sensors(tmp_path / "sensors.csv")
    assert len(COMMANDS) == 3
    for line in COMMANDS:
        program, name, *arguments = shlex.split(line.replace("--minutes 10", "").replace("--n 1000", "--n 60"))
        assert program == "synthgen"
        ran = run_cli(name, *arguments, *shlex.split(QUICK[name]), "--json")
        assert ran.code == 0, ran.stderr
    report = Path(json.loads(ran.stdout)["report"])
    assert report.is_file()
    labels = {row["name"] for row in json.loads(ran.stdout)["metrics"] if row["name"].startswith("tstr/")}
    assert labels == {"tstr/calm", "tstr/shaking"}
