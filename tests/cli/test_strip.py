"""Pictures in a terminal that can show them, JSON events for programs, plain lines in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.cli.console import Console
from synthgen.cli.strip import can_show_pictures, half_blocks, strip
from synthgen.training.prepare import prepare
from synthgen.training.preview import Preview

TINY = ["--samples", "320", "--set", "network.width=8", "--set", "network.blocks=1", "--set", "optim.batch_size=32"]


def test_a_line_holds_two_rows_of_pixels_as_foreground_and_background() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 1] = (1, 2, 3)
    pixels[1, 0] = (250, 251, 252)
    (line,) = half_blocks(pixels)
    cells = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+)m\x1b\[48;2;(\d+);(\d+);(\d+)m▀", line)
    assert [tuple(map(int, cell)) for cell in cells] == [(0, 0, 0, 250, 251, 252), (1, 2, 3, 0, 0, 0)]
    assert line.endswith("\x1b[0m")


def test_only_a_terminal_with_many_colours_gets_pictures() -> None:
    assert can_show_pictures({"COLORTERM": "truecolor"})
    assert not can_show_pictures({"COLORTERM": "truecolor", "NO_COLOR": "1"})
    assert not can_show_pictures({"TERM": "xterm-256color"})


@pytest.mark.parametrize("modality", ["image", "timeseries"])
def test_records_of_any_modality_are_drawn_side_by_side(modality: str) -> None:
    prepared = prepare({"modality": modality})
    records = prepared.source.read(np.arange(3))
    lines = strip(Preview(prepared.modality, records, prepared.schema))
    assert len(lines) == 12
    assert all(line.count("▀") == 72 for line in lines)
    assert len(set(re.findall(r"38;2;(\d+;\d+;\d+)m", "".join(lines)))) > 5


def test_training_in_a_terminal_shows_what_the_model_makes(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "synthgen", "train", "--modality", "image", "--out", "run", *TINY]
    environment = {**os.environ, "COLORTERM": "truecolor", "TERM": "xterm-256color", "COLUMNS": "160"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        seen += part
    assert process.wait() == 0, seen.decode(errors="replace")
    os.close(ours)
    assert process.stdout is not None
    assert b"run" in process.stdout.read()
    process.stdout.close()
    assert "▀" in seen.decode(errors="replace")


def test_with_json_progress_is_an_object_a_line_and_notes_too(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("train", "--modality", "image", "--out", "run", *TINY, "--json")
    assert ran.code == 0
    assert ran.document["modality"] == "image"
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    assert {event["event"] for event in events} == {"train", "note"}
    steps = [event for event in events if event.get("kind") == "step" and "loss" in event]
    assert steps[-1]["samples"] <= 320
    assert any(event.get("held_out") for event in events)
    assert "synthgen generate" in events[-1]["text"]


def test_quiet_silences_events_too(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json=True, verbosity=-1)
    with console.progress("train") as progress:
        progress({"kind": "step", "samples": 1})
    console.note("done")
    assert capsys.readouterr().err == ""
