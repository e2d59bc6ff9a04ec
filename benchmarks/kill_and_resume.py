"""`kill -9` at random moments of train, generate, evaluate and score, then the same call again: as if undisturbed?

    python benchmarks/kill_and_resume.py                                      # 100 kills of each, about fifteen minutes
    python benchmarks/kill_and_resume.py --only evaluate score --kills 10

Each round forks a process, kills it after a random share of the undisturbed time, up to three times, starts the same
request once more and compares every file with the undisturbed result. After each kill stands the question whether what
was left passes for whole: where the file that is written last is there, everything must be as undisturbed.

What must differ is left out: the times in `run.json`, `metrics.jsonl`, `card.md`, `provenance.json` and the
descriptions that quote them, and the seconds and the date of a report.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import RESULTS, Recording

from synthgen.evaluation import evaluate
from synthgen.evaluation.anomaly import score
from synthgen.generation import generate, verify
from synthgen.training import train

WORKING = ("state", ".shards")
"""What only the unfinished need; a kill after the last file leaves them there until the next call."""
TIMED = {
    *("run.json", "metrics.jsonl", "card.md", "provenance.json", "README.md"),
    *("croissant.json", "manifest.json", ".owner.json"),
}
PART = 10  # kills after which a benchmark that is cut off goes on
WRITTEN = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC, after [\d.]+ s")
TINY: dict[str, Any] = {
    "modality": "vectors",
    "network": {"width": 32, "blocks": 1},
    "optim": {"batch_size": 32},
    "train": {"samples": 1280, "precision": "fp32", "checkpoint_seconds": 0.001},
    "sampling": {"steps": 4},
}


@dataclass(frozen=True)
class Command:
    """One of the four.

    Args:
        name: of the command.
        work: does it; takes the place where results go.
        whole: whether what lies there says of itself that it is finished.
        sound: raises where it does not agree with itself.
        before: what to do before each round.
    """

    name: str
    work: Callable[[Path], Any]
    whole: Callable[[Path], bool]
    sound: Callable[[Path], Any] = lambda place: None
    before: Callable[[], Any] = lambda: None


def comparable(path: Path) -> bytes:
    """What may not differ in a file."""
    content = path.read_bytes()
    if path.name == "report.json":
        return json.dumps({key: value for key, value in json.loads(content).items() if key != "seconds"}).encode()
    return WRITTEN.sub(b"", content) if path.name == "report.html" else content


def digests(directory: Path, *, but: Sequence[str] = ()) -> dict[str, str]:
    """Hashes of what may not differ, `but` these folders."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in TIMED)
    names = {path.relative_to(directory): path for path in files}
    return {
        name.as_posix(): hashlib.sha256(comparable(path)).hexdigest()
        for name, path in names.items()
        if name.parts[0] not in but
    }


def in_a_child(work: Callable[[], Any], *, kill_after: float | None = None) -> bool:
    """Run `work` in a forked process; whether it finished."""
    child = os.fork()
    if child == 0:
        try:
            os.close(1)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status == 0


def rounds(command: Command, kills: int, place: Path, draw: random.Random) -> dict[str, Any]:
    """Kill and resume until `kills` processes have died; how often the files came out as undisturbed."""
    shutil.rmtree(place / command.name, ignore_errors=True)
    out = place / command.name
    command.before()
    started = time.monotonic()
    if not in_a_child(lambda: command.work(out)):
        raise SystemExit(f"the undisturbed {command.name} failed")
    seconds = time.monotonic() - started
    expected = digests(out)
    died = finished_before = same = done = leftovers = too_early = 0
    different: list[str] = []
    while died < kills:
        shutil.rmtree(out)
        command.before()
        for _ in range(draw.randint(1, 3)):
            if in_a_child(lambda: command.work(out), kill_after=draw.random() * seconds):
                finished_before += 1
            else:
                died += 1
            too_early += command.whole(out) and digests(out, but=WORKING) != expected
        if not in_a_child(lambda: command.work(out)):
            raise SystemExit(f"{command.name} did not recover in {out}")
        found = digests(out)
        same += found == expected
        leftovers += sum(1 for _ in place.rglob(".tmp-*"))
        different += sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        command.sound(out)
        done += 1
    result = {
        "undisturbed_seconds": round(seconds, 2),
        "killed": died,
        "finished_before_the_kill": finished_before,
        "results": done,
        "as_undisturbed": same,
        "passed_for_whole_and_were_not": too_early,
        "leftover_files": leftovers,
        "different": different,
    }
    print(command.name, result, flush=True)
    return result


def added(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several parts of one command as one."""
    counts = [key for key, value in parts[0].items() if isinstance(value, int)]
    return {
        "undisturbed_seconds": sorted(part["undisturbed_seconds"] for part in parts)[len(parts) // 2],
        **{key: sum(part[key] for part in parts) for key in counts},
        "different": sorted({name for part in parts for name in part["different"]}),
    }


def sound(directory: Path) -> None:
    """Stop where a directory does not agree with its own manifest."""
    if verify(directory).faults:
        raise SystemExit(f"{directory} does not agree with its own manifest")


def finished(run: Path) -> bool:
    """Whether a run says that it is."""
    try:
        return json.loads((run / "run.json").read_text(encoding="utf-8"))["status"] == "finished"
    except FileNotFoundError:
        return False


def commands(place: Path) -> dict[str, Command]:
    """The four, on a run and a data set of their own below `place`."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, 400)
    np.savez(place / "data.npz", X=(draw.normal(size=(400, 4)) + label[:, None]).astype(np.float32), y=label)
    asked = {**TINY, "data": {"path": str(place / "data.npz")}}
    run = train(asked, out=place / "run")
    made = generate(run, n=200, out=place / "made")

    def forget() -> None:
        shutil.rmtree(run.path / "cache", ignore_errors=True)

    known = [
        Command("train", lambda out: train(asked, out=out), finished, sound),
        Command(
            "generate",
            lambda out: generate(run, n=400, shards=40, out=out),
            lambda out: (out / "provenance.json").exists(),
            sound,
        ),
        Command(
            "evaluate",
            lambda out: evaluate(run, made.path, out=out, fast=True),
            lambda out: (out / "report.json").exists(),
            before=forget,
        ),
        Command(
            "score",
            lambda out: score(run, place / "data.npz", out=out),
            lambda out: (out / "score.json").exists(),
        ),
    ]
    return {command.name: command for command in known}


def main() -> None:
    """Kill, resume, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--only", nargs="+", choices=("train", "generate", "evaluate", "score"), help="these commands")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the record")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [arguments.seed]
    with (
        tempfile.TemporaryDirectory() as folder,
        Recording("kill_and_resume", seeds=seeds, directory=arguments.results) as recording,
    ):
        place = Path(folder)
        for name, command in commands(place).items():
            if name in (arguments.only or [name]):
                parts = []
                for start in range(0, arguments.kills, PART):
                    draw = random.Random(f"{arguments.seed} {name} {start}")
                    work = partial(rounds, command, min(PART, arguments.kills - start), place, draw)
                    parts.append(recording.once(f"{name} from {start}", work))
                recording.results[name] = added(parts)


if __name__ == "__main__":
    main()
