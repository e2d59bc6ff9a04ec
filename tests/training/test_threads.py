"""Threads are taken away where steps get much quicker by it, and only there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from synthgen.config import TrainConfig
from synthgen.training import session, threads, train
from synthgen.training.threads import settle_threads


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_lowered", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def crowded(precision: str) -> None:
    """As beside another program: each thread more makes a step slower, down to two."""
    assert precision == "fp32"
    time.sleep({1: 0.010, 2: 0.011, 4: 0.040}[torch.get_num_threads()])


def quiet(precision: str) -> None:
    time.sleep(0.04 / torch.get_num_threads())


def test_cores_that_others_use_are_left_to_them() -> None:
    said = settle_threads(TrainConfig(), crowded)
    assert torch.get_num_threads() == 2
    assert said is not None
    assert said.startswith("2 instead of 4 CPU threads")


def test_free_cores_are_all_taken() -> None:
    assert settle_threads(TrainConfig(), quiet) is None
    assert torch.get_num_threads() == 4


def test_the_next_training_of_the_process_may_take_all_again() -> None:
    settle_threads(TrainConfig(), crowded)
    assert settle_threads(TrainConfig(), quiet) is None
    assert torch.get_num_threads() == 4


def test_a_stated_number_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settle_threads(TrainConfig(threads=3), crowded) is None
    assert torch.get_num_threads() == 3
    torch.set_num_threads(4)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert settle_threads(TrainConfig(), crowded) is None
    assert torch.get_num_threads() == 4


def test_a_run_keeps_the_threads_it_was_begun_with(
    monkeypatch: pytest.MonkeyPatch, tiny_overrides: dict[str, Any], tmp_path: Path
) -> None:
    def lowered(train: TrainConfig, trial: object) -> str:
        torch.set_num_threads(1)
        return "1 instead of 4 CPU threads"

    told: list[str] = []

    def interrupt(event: Mapping[str, Any]) -> None:
        told.append(str(event.get("message", "")))
        if event["kind"] == "checkpoint":
            raise KeyboardInterrupt

    monkeypatch.setattr(session, "settle_threads", lowered)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_overrides, out=tmp_path / "run", progress=interrupt)
    assert "1 instead of 4 CPU threads" in told[0]
    monkeypatch.delattr(session, "settle_threads")  # is not asked again
    torch.set_num_threads(4)
    assert train(tiny_overrides, out=tmp_path / "run").config.train.threads == 1
    assert torch.get_num_threads() == 1
