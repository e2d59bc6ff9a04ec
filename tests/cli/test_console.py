"""What is printed where, and that `--json` is JSON whatever the values are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthgen.cli.console import Console, as_json
from synthgen.cli.progress import Progress, describe
from synthgen.cli.table import table


def test_json_knows_arrays_paths_and_what_is_not_a_number() -> None:
    document = {
        "path": Path("runs/a"),
        "nan": float("nan"),
        "infinite": [float("inf"), 1.5],
        "scalar": np.float32(0.5),
        "whole": np.int64(3),
        "flag": np.bool_(True),
        "array": np.array([[1.0, np.nan]]),
        "names": ("ä", "b"),
        "nothing": None,
        3: True,
    }
    assert json.loads(as_json(document)) == {
        "path": "runs/a",
        "nan": None,
        "infinite": [None, 1.5],
        "scalar": 0.5,
        "whole": 3,
        "flag": True,
        "array": [[1.0, None]],
        "names": ["ä", "b"],
        "nothing": None,
        "3": True,
    }


def test_results_go_to_stdout_and_remarks_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.note("working")
    console.result("done\n", {"state": "done"})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("done\n", "working\n")


def test_quiet_silences_remarks_and_progress_but_not_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(verbosity=-1)
    console.note("working")
    with console.progress("train") as progress:
        progress({"kind": "step", "samples": 10, "total": 20})
        progress({"message": "look"})
    console.result("done", {})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("done\n", "")


def test_details_are_for_those_who_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Console().detail("a")
    Console(verbosity=1).detail("b")
    assert capsys.readouterr().err == "b\n"


def test_progress_in_a_pipe_is_plain_lines_with_the_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("train", shown=True) as progress:
        progress({"kind": "step", "samples": 500, "total": 2000, "loss": 0.25})
        progress({"kind": "held_out", "samples": 500, "held_out": 0.125})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("train: 500 of 2,000 samples")
    assert "loss 0.2500, held-out 0.1250" in captured.err
    assert "\x1b" not in captured.err


def test_a_description_has_rate_remaining_time_and_losses() -> None:
    facts = {"samples": 3000, "total": 9000, "loss": 0.5, "held_out": 0.25}
    assert describe(facts, 20.0, since={"samples": 1000, "total": 9000}) == (
        "3,000 of 9,000 samples, 100/s, 1 min 00 s left, loss 0.5000, held-out 0.2500"
    )


def test_a_description_without_a_known_end_has_no_remaining_time() -> None:
    assert describe({"records": 30}, 10.0) == "30 records, 3.0/s"
    assert describe({}, 3700) == "1 h 01 min"
    # An event that knows how long the whole takes is believed, whatever this stage's own clock says.
    assert describe({"progress": 0.5, "remaining": 75.0}, 1.0) == "1 min 15 s left"


def test_tables_align() -> None:
    assert table(("name", "n"), [("a", 10), ("longer", 2)]) == "name    n\na       10\nlonger  2"


def test_stages_are_announced_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("evaluate", shown=True) as progress:
        progress({"kind": "evaluate", "stage": "reading", "done": 0, "total": 1})
        progress({"kind": "evaluate", "stage": "comparing", "done": 0, "total": 2})
        progress({"kind": "evaluate", "stage": "comparing", "done": 1, "total": 2})
    assert capsys.readouterr().err == "evaluate: reading\nevaluate: comparing\n"


def test_where_time_is_the_budget_the_share_gives_the_remaining_time() -> None:
    facts = {"samples": 5000, "progress": 0.25, "loss": 0.5}
    assert describe(facts, 10.0) == "5,000 (25%) samples, 500/s, 30 s left, loss 0.5000"
    resumed = {"samples": 4000, "progress": 0.15}
    assert describe(facts, 10.0, since=resumed) == "5,000 (25%) samples, 100/s, 1 min 15 s left, loss 0.5000"
