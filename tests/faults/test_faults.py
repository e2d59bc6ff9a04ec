"""Faults that are really injected: full and read-only disks, wrong clocks, no memory, values that are no numbers."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch

from synthgen.config import merge
from synthgen.errors import DataError, RunError, StorageError, SynthgenError, TrainingError
from synthgen.evaluation import evaluate
from synthgen.evaluation.anomaly import score
from synthgen.generation import generate, verify
from synthgen.generation.pool import in_processes
from synthgen.io.lock import locked
from synthgen.io.run import Run
from synthgen.training import train

_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from synthgen.cli import main
sys.exit(main(sys.argv[2:]))
"""


def command(*arguments: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with files no larger than `limit` bytes, as on a full disk."""
    begin = ["-m", "synthgen"] if limit is None else ["-c", _LIMITED, str(limit)]
    return subprocess.run(
        [sys.executable, *begin, *arguments], capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def unwritable(tmp_path):
    """A directory in which nothing can be created, for root as well."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)], check=False).returncode == 0:
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)
        return
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere, and may not mount here")
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(where)], check=False).returncode:
        pytest.skip("this process may not mount a small disk")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_full_disk_is_one_sentence_and_a_larger_one_finishes(tiny_run, small_disk, tmp_path):
    asked = {"n": 600, "shards": 6, "steps": 1}
    (small_disk / "filler").write_bytes(bytes(200_000))
    out = small_disk / "d"
    with pytest.raises(StorageError, match="No space left"):
        generate(tiny_run, **asked, out=out)
    assert not list(out.rglob(".tmp-*"))
    (small_disk / "filler").unlink()
    generate(tiny_run, **asked, out=out)
    assert verify(out).faults == ()


def test_files_that_may_not_grow_end_a_training_with_a_sentence(tmp_path):
    done = command(
        *("train", "--modality", "image", "--samples", "64", "--set", "network.width=16", "--out", str(tmp_path / "r")),
        limit=20_000,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot write" in done.stderr
    assert "Check free space" in done.stderr


def test_an_unwritable_directory_is_one_sentence(tiny_run, tiny_overrides, unwritable):
    with pytest.raises(StorageError, match="cannot write"):
        generate(tiny_run, n=4, steps=1, out=unwritable / "d")
    with pytest.raises(StorageError, match="cannot write"):
        train(tiny_overrides, out=unwritable / "r")


def test_two_commands_on_one_directory_do_not_meet(tiny_run, tiny_overrides, tmp_path):
    held = f"in use by process {os.getpid()}"
    with locked(tmp_path / "r", "something else"), pytest.raises(StorageError, match=held):
        train(tiny_overrides, out=tmp_path / "r")
    for work in (partial(generate, n=4), evaluate, score):
        with locked(tmp_path / "d", "something else"), pytest.raises(StorageError, match=held):
            work(tiny_run, out=tmp_path / "d")


def test_what_a_kill_after_the_last_file_leaves_goes_with_the_same_call(tiny_run, tiny_overrides, tmp_path):
    train(tiny_overrides, out=tmp_path / "run")
    generate(tiny_run, n=4, out=tmp_path / "set")
    remains = [tmp_path / "run" / "state" / "checkpoint.safetensors", tmp_path / "set" / ".shards" / "00000.json"]
    for path in remains:
        path.parent.mkdir()
        path.write_bytes(b"left")
    train(tiny_overrides, out=tmp_path / "run")
    generate(tiny_run, n=4, out=tmp_path / "set")
    assert not any(path.parent.exists() for path in remains)


@pytest.mark.parametrize("force", [False, True])
def test_a_training_killed_while_it_wrote_its_first_file_begins_anew(force, tiny_overrides, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".tmp-1.json").write_text("{")
    train(tiny_overrides, out=tmp_path / "run", force=force)
    assert not (tmp_path / "run" / ".tmp-1.json").exists()


def test_a_clock_that_jumps_changes_no_byte(tiny_run, tmp_path, monkeypatch):
    asked = {"n": 12, "shards": 3, "steps": 1}
    generate(tiny_run, **asked, out=tmp_path / "a")
    wall, jumps = time.time(), iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: wall + (-1) ** next(jumps) * 10**6)
    generate(tiny_run, **asked, out=tmp_path / "b")
    one, other = ({p.name: p.read_bytes() for p in (tmp_path / d / "data").iterdir()} for d in "ab")
    assert one == other


def test_a_value_that_is_not_a_number_in_the_data_is_refused(tmp_path):
    values = np.zeros((40, 3))
    values[7, 1] = np.inf
    np.savez(tmp_path / "d.npz", X=values)
    with pytest.raises(DataError, match="record 7 holds an infinite"):
        train(modality="vectors", data=tmp_path / "d.npz", out=tmp_path / "r")


def test_weights_that_are_not_numbers_end_training_with_advice(tiny_overrides, tmp_path, monkeypatch):
    from synthgen.training.loop import Trainer

    steps = Trainer.steps

    def poisoned(self):
        for step in steps(self):
            with torch.no_grad():
                for weight in self.denoiser.parameters():
                    weight.fill_(torch.nan)
            yield step

    monkeypatch.setattr(Trainer, "steps", poisoned)
    with pytest.raises(TrainingError, match="not finite") as caught:
        train(tiny_overrides, out=tmp_path / "r")
    assert caught.value.hint


def test_a_training_that_runs_out_of_memory_goes_on_with_its_batches_in_parts(tiny_overrides, tmp_path, monkeypatch):
    from synthgen.training.draw import Objective

    forward = Objective.forward

    def hungry(self, part, device):
        if len(part.x) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")
        return forward(self, part, device)

    short = merge(tiny_overrides, {"network": {"dropout": 0.0}, "train": {"samples": 320}})
    whole = train(short, out=tmp_path / "whole")
    monkeypatch.setattr(Objective, "forward", hungry)
    run = train(short, out=tmp_path / "cut")
    assert run.facts["parts"] == 4
    assert any("out of memory" in row.get("text", "") and "4 parts" in row["text"] for row in run.history())
    losses = [[row["loss"] for row in r.history() if row["kind"] == "held_out"] for r in (whole, run)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_generation_that_runs_out_of_memory_goes_on_with_smaller_batches(tiny_run, tmp_path, monkeypatch, caplog):
    from synthgen.diffusion.denoiser import Denoiser

    forward = Denoiser.forward

    def hungry(self, x, *rest):
        if len(x) > 3:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory")
        return forward(self, x, *rest)

    whole = generate(tiny_run, n=10, steps=2, out=tmp_path / "whole")
    monkeypatch.setattr(Denoiser, "forward", hungry)
    cut = generate(tiny_run, n=10, steps=2, out=tmp_path / "cut")
    assert "out of memory: batches of 2 records from here on" in caplog.text
    assert cut.n == whole.n == 10
    assert verify(cut.path).faults == ()


_TASKS = """
import os, time

def makes(directory, fault, shard):
    if shard == 1:
        try:
            os.close(os.open(directory + "/met", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            if fault == "dies":
                os.kill(os.getpid(), 9)
            time.sleep(600)
    with open(f"{directory}/{shard}", "x") as file:
        file.write("made")
    return 5

def dies(shard):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A module that other processes can import."""
    (tmp_path / "faulty_tasks.py").write_text(_TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("faulty_tasks")
    del sys.modules["faulty_tasks"]


@pytest.mark.parametrize("fault", ["dies", "hangs"])
def test_a_worker_that_dies_or_hangs_is_replaced_and_its_shards_are_made_again(fault, tasks, tmp_path, caplog):
    told: list[int] = []
    in_processes(
        partial(tasks.makes, str(tmp_path), fault),
        lambda: [shard for shard in range(4) if not (tmp_path / str(shard)).exists()],
        workers=2,
        timeout=None if fault == "dies" else 15,
        tell=told.append,
    )
    assert all((tmp_path / str(shard)).read_text() == "made" for shard in range(4))
    assert "its shards are made again" in caplog.text
    assert sum(told) <= 20


def test_workers_that_always_die_end_with_a_sentence(tasks):
    with pytest.raises(SynthgenError, match="a worker died, 4 times in a row"):
        in_processes(tasks.dies, lambda: [0, 1], workers=1, timeout=None, tell=lambda _: None)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b"9" * 5_000, b"[" * 100_000])
def test_a_damaged_list_of_files_or_loss_curve_is_one_sentence(content, tiny_run, tmp_path):
    shutil.copytree(tiny_run.path, tmp_path / "r")
    run = Run.open(tmp_path / "r")
    (run.path / "metrics.jsonl").write_bytes(content + b"x")
    with pytest.raises(RunError, match=r"metrics\.jsonl is unreadable"):
        run.history()
    facts = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**facts, "files": 3}))
    with pytest.raises(RunError, match="does not list its files"):
        Run.open(run.path)
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        Run.open(run.path)
