"""Ray workers killed in the middle of a shard: the data set that one undisturbed process makes?

    python benchmarks/ray_kills.py                # until 20 workers have died, a few minutes

`generate --executor ray` is started, and every now and then one of the processes that is making a shard is sent
SIGKILL, at most `--at-once` of them in a launch, until enough have died; each launch is given a data set of its own.
Every data set must have the bytes of one that a single process made with one thread, and agree with its own manifest.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, Recording

from synthgen.generation import generate, verify
from synthgen.training import train

TINY: dict[str, Any] = {
    "modality": "image",
    "network": {"width": 16, "multipliers": [1, 2], "blocks": 1},
    "optim": {"batch_size": 32},
    "train": {"samples": 1280, "precision": "fp32"},
}
DRIVER = """
import sys
from synthgen.generation import generate

generate(sys.argv[1], n=240, shards=24, steps=16, out=sys.argv[2], executor="ray")
"""
PATIENCE = 900


def busy_workers() -> set[int]:
    """Ray's worker processes that are making a shard now."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_bytes().startswith(b"ray::_task"):
                    found.add(int(process.name))
    return found


def launch(run: Path, out: Path, most: int, draw: random.Random) -> tuple[int, float]:
    """Generate with Ray and kill up to `most` workers on the way; how many died, and the seconds that it took."""
    started = time.monotonic()
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(run), str(out)])
    killed: set[int] = set()
    while driver.poll() is None:
        if time.monotonic() - started > PATIENCE:
            driver.kill()
            raise SystemExit(f"the launch did not end within {PATIENCE} s")
        met = sorted(busy_workers() - killed)
        if met and len(killed) < most:
            time.sleep(draw.random() * 0.3)
            victim = draw.choice(met)
            with contextlib.suppress(OSError):
                if (Path("/proc") / str(victim) / "cmdline").read_bytes().startswith(b"ray::_task"):
                    os.kill(victim, signal.SIGKILL)
                    killed.add(victim)
        time.sleep(0.05)
    if driver.returncode:
        raise SystemExit(f"the launch ended with {driver.returncode} after {len(killed)} kills")
    return len(killed), time.monotonic() - started


def files(directory: Path) -> dict[str, bytes]:
    """The shards."""
    return {path.name: path.read_bytes() for path in (directory / "data").iterdir()}


def main() -> None:
    """Kill, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=10, help="most kills in one launch")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the record")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as a Ray worker has
    draw, seeds = random.Random(arguments.seed), [arguments.seed]
    with (
        tempfile.TemporaryDirectory() as folder,
        Recording("ray_kills", seeds=seeds, directory=arguments.results) as recording,
    ):
        place = Path(folder)
        run = train(TINY, out=place / "run")
        expected = files(generate(run, n=240, shards=24, steps=16, out=place / "alone").path)
        died, launches = 0, []
        while died < arguments.kills:
            out = place / f"ray-{len(launches)}"
            killed, seconds = launch(run.path, out, min(arguments.at_once, arguments.kills - died), draw)
            same = files(out) == expected and not verify(out).faults
            died += killed
            launches.append({"killed": killed, "same_bytes": same, "seconds": round(seconds, 1)})
            print(launches[-1], flush=True)
        recording.results = {
            "killed_in_mid_shard": died,
            "data_sets": len(launches),
            "same_bytes": sum(one["same_bytes"] for one in launches),
            "launches": launches,
        }


if __name__ == "__main__":
    main()
