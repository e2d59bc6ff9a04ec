"""Several processes train as one does: same weights within rounding, checkpoints for any number, restarts after a kill.

The processes are forks of one that has everything imported, joined by gloo as torchrun would join them; the slow test
launches torchrun itself. Dropout is 0: its masks are the one thing that differs with the number of processes.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from synthgen.config import merge
from synthgen.errors import ConfigError, RunError
from synthgen.io.run import Run, load_tensors
from synthgen.nn.sharded import as_cut, as_parts_of, local, whole
from synthgen.training import train
from synthgen.training.starting import check_sharding

TOLERANCE = 2e-5
"""Of weights after 10 steps; they differ by the order of float32 sums, 3e-6 as measured."""

_FORKS = """
import datetime, json, os, signal, socket, sys, time
import synthgen.distributed, synthgen.training.session, synthgen_image.modality, torch.distributed.fsdp
from synthgen.cli.failures import explain
from synthgen.training import train
from synthgen.training.draw import Objective

def starve(most, after):
    # no memory for more than so many records at a time, from this step on
    forward, seen = Objective.forward, []

    def hungry(self, part, device):
        seen.append(len(part.x))
        if len(seen) > after and len(part.x) > most:
            raise MemoryError("an allocation failed")
        return forward(self, part, device)

    Objective.forward = hungry

def work(rank, size, port, asked, out, hungry, patience):
    synthgen.distributed._PATIENCE = datetime.timedelta(seconds=patience)
    if hungry and rank == hungry["rank"]:
        starve(hungry["most"], hungry["after"])
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    try:
        train(asked, out=out)
    except BaseException as error:
        failure = explain(error)
        sys.stderr.write(failure.text() + chr(10))
        return 130 if isinstance(error, KeyboardInterrupt) else failure.exit_code
    return 0

for line in sys.stdin:
    task = json.loads(line)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(task["size"]):
        child = os.fork()
        if child == 0:
            os._exit(work(rank, task["size"], port, task["asked"], task["out"], task["hungry"], task["patience"]))
        children.append(child)
    if task["signal"] is not None:
        while not os.path.exists(os.path.join(task["out"], "state", "checkpoint.safetensors")):
            time.sleep(0.002)
        os.kill(children[task["rank"]], task["signal"])
    codes = {}
    for child in sorted(children, key=lambda child: child == children[task["rank"]]):
        if task["signal"] == signal.SIGSTOP and len(codes) == len(children) - 1:
            os.kill(child, signal.SIGKILL)
        codes[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([codes[child] for child in children]), flush=True)
"""


class Launcher:
    """Starts trainings of several processes."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._stderr = log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", _FORKS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )

    def __call__(
        self,
        asked: dict[str, Any],
        out: Path,
        size: int,
        *,
        send: signal.Signals | None = None,
        to: int = 0,
        hungry: dict[str, int] | None = None,
        patience: int = 600,
    ) -> list[int]:
        """Exit codes; `send` reaches process `to` once there is a checkpoint; `hungry`: which one lacks memory.

        A process that was stopped is killed once the others have ended; `patience`: seconds after which they do.
        """
        task = {"asked": asked, "out": str(out), "size": size, "signal": send, "rank": to}
        task |= {"hungry": hungry, "patience": patience}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        codes: list[int] = json.loads(self._process.stdout.readline())
        return codes

    def close(self) -> None:
        self._process.communicate(timeout=60)
        self._stderr.close()


@pytest.fixture(scope="module")
def launch(tmp_path_factory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("launcher") / "stderr")
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def asked(tiny_overrides: dict[str, Any]) -> dict[str, Any]:
    """A training of 10 steps, its batches in two parts."""
    short = {
        "network": {"dropout": 0.0},
        "optim": {"accumulate": 2},
        "train": {"samples": 320, "sample_checks": 0, "held_out_every": 2},
    }
    return merge(tiny_overrides, short)


@pytest.fixture(scope="module")
def alone(asked, tmp_path_factory) -> Run:
    """The same with one process."""
    return train(asked, out=tmp_path_factory.mktemp("alone") / "run")


def farthest(one: Run, other: Run) -> float:
    """The largest difference between two runs' weights."""
    a, b = (load_tensors(run.path / "model.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_what_one_trains(sharding, launch, asked, alone, tmp_path):
    seldom = {"sharding": sharding, "checkpoint_seconds": 60}
    assert launch(merge(asked, {"train": seldom}), tmp_path / "run", 2) == [0, 0]
    run = Run.open(tmp_path / "run")
    assert run.facts["processes"] == 2
    assert farthest(alone, run) < TOLERANCE
    losses = [[row["loss"] for row in r.history() if row["kind"] == "held_out"] for r in (alone, run)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert run.facts["held_out"] == pytest.approx(alone.facts["held_out"], rel=1e-4)
    assert "Warning" not in launch.log.read_text()


@pytest.mark.parametrize(("sharding", "before", "after"), [("ddp", 2, 1), ("fsdp", 2, 1), ("fsdp", 1, 2)])
def test_another_number_of_processes_takes_a_training_up(sharding, before, after, launch, asked, alone, tmp_path):
    asked = merge(asked, {"train": {"sharding": sharding}})
    assert launch(asked, tmp_path / "run", before, send=signal.SIGTERM) == [130] * before
    assert launch(asked, tmp_path / "run", after) == [0] * after
    assert farthest(alone, Run.open(tmp_path / "run")) < TOLERANCE


def test_a_missing_part_of_a_checkpoint_is_one_sentence(launch, asked, tmp_path):
    asked = merge(asked, {"train": {"sharding": "fsdp"}})
    assert launch(asked, tmp_path / "run", 2, send=signal.SIGTERM) == [130, 130]
    parts = sorted((tmp_path / "run" / "state").glob("shards-*/*.safetensors"))
    assert len(parts) == 2
    parts[0].unlink()
    with pytest.raises(RunError, match="missing or cut"):
        train(asked, out=tmp_path / "run")


@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_a_killed_process_ends_the_others_with_a_sentence_and_costs_nothing(sharding, launch, asked, alone, tmp_path):
    asked = merge(asked, {"train": {"sharding": sharding}})
    assert launch(asked, tmp_path / "run", 2, send=signal.SIGKILL) == [-signal.SIGKILL, 1]
    assert sharding == "ddp" or len(list((tmp_path / "run" / "state").glob("shards-*/*.safetensors"))) >= 2
    assert "process 1 of 2 lost the others" in launch.log.read_text()
    assert launch(asked, tmp_path / "run", 2) == [0, 0]
    assert farthest(alone, Run.open(tmp_path / "run")) < TOLERANCE


def test_a_hanging_process_ends_the_others_with_a_sentence_and_costs_nothing(launch, asked, alone, tmp_path):
    ends = launch(asked, tmp_path / "run", 2, send=signal.SIGSTOP, to=1, patience=20)
    assert ends == [1, -signal.SIGKILL]
    assert "process 0 of 2 lost the others" in launch.log.read_text()
    assert launch(asked, tmp_path / "run", 2) == [0, 0]
    assert farthest(alone, Run.open(tmp_path / "run")) < TOLERANCE


def test_one_process_without_memory_makes_all_take_smaller_parts(launch, asked, alone, tmp_path):
    whole = merge(asked, {"optim": {"accumulate": 1}})
    assert launch(whole, tmp_path / "run", 2, hungry={"rank": 1, "most": 5, "after": 0}) == [0, 0]
    run = Run.open(tmp_path / "run")
    assert run.facts["parts"] == 4
    assert [row["text"] for row in run.history() if "out of memory" in row.get("text", "")] == [
        "out of memory: batches go through the network in 4 parts from here on"
    ]
    assert farthest(alone, run) < TOLERANCE


@pytest.mark.parametrize(("sharding", "after"), [("ddp", 6), ("fsdp", 0), ("fsdp", 6)])
def test_where_the_others_cannot_wait_the_same_command_goes_on_in_smaller_parts(
    sharding, after, launch, asked, alone, tmp_path
):
    asked = merge(asked, {"optim": {"accumulate": 1}, "train": {"sharding": sharding}})
    lacking = {"rank": 1, "most": 12, "after": after}
    assert launch(asked, tmp_path / "run", 2, hungry=lacking) == [1, 1]
    assert "process 1 of 2 ran out of memory" in launch.log.read_text()
    assert launch(asked, tmp_path / "run", 2, hungry=lacking | {"after": 0}) == [0, 0]
    run = Run.open(tmp_path / "run")
    assert run.facts["parts"] == 2
    assert farthest(alone, run) < TOLERANCE


def test_memory_for_not_even_one_record_ends_all(launch, asked, tmp_path):
    assert launch(asked, tmp_path / "run", 2, hungry={"rank": 1, "most": 0, "after": 0}) == [1, 1]
    said = launch.log.read_text()
    assert "out of memory in another process" in said
    assert "an allocation failed" in said


def test_an_error_of_one_process_is_the_same_sentence_in_all(launch, asked, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert launch(asked, tmp_path, 2) == [2, 2]
    assert launch.log.read_text().count("exists and is not a run") == 2


def test_more_processes_than_records_in_a_batch_are_refused(launch, asked, tmp_path):
    assert launch(merge(asked, {"optim": {"batch_size": 1}}), tmp_path / "run", 2) == [2, 2]
    assert "2 processes cannot share a batch of 1" in launch.log.read_text()


@pytest.mark.slow
def test_torchrun_starts_a_training_again_whose_process_was_killed(asked, alone, tmp_path):
    out = tmp_path / "run"
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, sys; from synthgen.training import train; train(json.loads(sys.argv[1]), out=sys.argv[2])"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("--max-restarts", "2", str(script), json.dumps(asked), str(out)),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = None
    deadline = time.monotonic() + 240
    while killed is None and process.poll() is None and time.monotonic() < deadline:
        if (out / "state" / "checkpoint.safetensors").exists():
            killed = json.loads((out / ".owner.json").read_text())["pid"]
            subprocess.run(["kill", "-9", str(killed)], check=False)
        time.sleep(0.005)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert killed is not None, "training ended before a process could be killed"
    assert farthest(alone, Run.open(out)) < TOLERANCE


def test_what_cannot_be_cut_is_refused(tiny_run):
    for choice in ({"optim": {"name": "muon"}}, {"train": {"lora_rank": 2}}, {"train": {"precision": "fp16"}}):
        layers = merge(tiny_run.config.model_dump(), choice, {"train": {"sharding": "fsdp"}})
        with pytest.raises(ConfigError, match="fsdp"):
            check_sharding(type(tiny_run.config).model_validate(layers))


def test_a_whole_tensor_passes_where_nothing_is_cut():
    tensor = torch.arange(6.0)
    for back in (whole(tensor), local(tensor), as_cut(tensor, tensor), as_parts_of(tensor, tensor)):
        assert back is tensor
