"""Long work on cores that other programs use begins with a remark, and only there."""

from __future__ import annotations

import pytest
import torch

from synthgen.cli import crowding
from synthgen.cli.console import Console


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)


def _times(monkeypatch: pytest.MonkeyPatch, together: float, alone: float) -> None:
    times = iter([together, alone])
    monkeypatch.setattr(crowding, "_seconds", lambda: next(times))


def test_a_crowded_machine_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _times(monkeypatch, 0.5, 0.05)
    Console().progress("generate")
    assert "one thread alone is 10.0 times as quick as 2 now" in capsys.readouterr().err


@pytest.mark.parametrize("title", ["generate", "verify"])
def test_elsewhere_nothing_is_said(
    title: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _times(monkeypatch, 0.05, 0.06)
    Console().progress(title)
    assert capsys.readouterr().err == ""


def test_whoever_chose_the_threads_hears_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    _times(monkeypatch, 0.5, 0.05)
    Console().progress("generate")
    assert capsys.readouterr().err == ""


def test_looking_draws_no_random_number_and_restores_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    crowding.remark()
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)
