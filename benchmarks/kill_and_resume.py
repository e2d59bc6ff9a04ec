"""`kill -9` at random moments of train and generate, then the same call again: the bytes of an undisturbed one?

    python benchmarks/kill_and_resume.py --kills 100

Each round forks a process, kills it after a random share of the undisturbed time, up to three times, starts the same
request once more and compares every file with the undisturbed result by its SHA-256. What must differ is left out: the
times in `run.json`, `metrics.jsonl`, `card.md`, `provenance.json` and the descriptions that quote them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from record import Recording

from synthgen.generation import generate, verify
from synthgen.io.atomic import sha256_of
from synthgen.training import train

OVERRIDES: dict[str, Any] = {
    "modality": "image",
    "network": {"width": 16, "multipliers": [1, 2], "blocks": 1},
    "optim": {"batch_size": 32},
    "train": {"samples": 2560, "precision": "fp32", "checkpoint_seconds": 0.05},
    "sampling": {"steps": 4},
}
TIMED = {
    *("run.json", "metrics.jsonl", "card.md", "provenance.json", "README.md"),
    *("croissant.json", "manifest.json", ".owner.json"),
}


def digests(directory: Path) -> dict[str, str]:
    """Hashes of the files that may not differ."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(directory)): sha256_of(path) for path in files}


def in_a_child(work: Callable[[], Any], *, kill_after: float | None = None) -> bool:
    """Run `work` in a forked process; whether it finished."""
    child = os.fork()
    if child == 0:
        os.close(1)
        work()
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status == 0


def rounds(name: str, work: Callable[[Path], Any], kills: int, place: Path, draw: random.Random) -> dict[str, Any]:
    """Kill and resume until `kills` processes have died; how often the files came out as undisturbed."""
    whole = place / f"{name}-whole"
    started = time.monotonic()
    if not in_a_child(lambda: work(whole)):
        raise SystemExit(f"the undisturbed {name} failed")
    seconds = time.monotonic() - started
    expected = digests(whole)
    died = finished_before = same = done = leftovers = 0
    different: list[str] = []
    while died < kills:
        out = place / f"{name}-{done}"
        for _ in range(draw.randint(1, 3)):
            if in_a_child(lambda out=out: work(out), kill_after=draw.random() * seconds):
                finished_before += 1
            else:
                died += 1
        if not in_a_child(lambda out=out: work(out)):
            raise SystemExit(f"{name} did not recover in {out}")
        found = digests(out)
        same += found == expected
        leftovers += sum(1 for _ in out.rglob(".tmp-*"))
        different += sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        if verify(out).faults:
            raise SystemExit(f"{out} does not agree with its own manifest")
        shutil.rmtree(out)
        done += 1
    result = {
        "undisturbed_seconds": seconds,
        "killed": died,
        "finished_before_the_kill": finished_before,
        "results": done,
        "same_bytes": same,
        "leftover_files": leftovers,
        "different": different,
    }
    print(name, result, flush=True)
    return result


def main() -> None:
    """Kill, resume, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, Recording("kill_and_resume", seeds=[arguments.seed]) as recording:
        place = Path(folder)
        trained = rounds("train", lambda out: train(OVERRIDES, out=out), arguments.kills, place, draw)
        run = place / "train-whole"
        generated = rounds(
            "generate", lambda out: generate(run, n=400, shards=40, out=out), arguments.kills, place, draw
        )
        recording.results = {"train": trained, "generate": generated}


if __name__ == "__main__":
    main()
