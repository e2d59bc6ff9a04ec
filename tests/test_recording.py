"""A benchmark that is cut off continues where it was: `benchmarks/record.py`."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def record() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", Path(__file__).parents[1] / "benchmarks" / "record.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_done_is_not_done_again_and_the_record_says_that_it_was_continued(
    record: ModuleType, tmp_path: Path
) -> None:
    made = []

    def part(key: str) -> str:
        made.append(key)
        if key == "second" and len(made) == 2:
            raise KeyboardInterrupt
        return key.upper()

    def run() -> None:
        with record.Recording("some", seeds=[0], directory=tmp_path) as recording:
            recording.results = {key: recording.once(key, lambda key=key: part(key)) for key in ("first", "second")}

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "some.json").exists()
    run()
    assert made == ["first", "second", "second"]
    written = json.loads((tmp_path / "some.json").read_text())
    assert written["results"] == {"first": "FIRST", "second": "SECOND"}
    assert list(written["continued"]) == ["first"]
    assert list((tmp_path / ".progress").iterdir()) == []


def test_progress_of_another_command_is_not_taken_over(
    record: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = record.Recording("some", seeds=[0], directory=tmp_path)
    interrupted.once("part", lambda: 1)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--other"])
    with record.Recording("some", seeds=[0], directory=tmp_path) as recording:
        assert recording.once("part", lambda: 2) == 2
