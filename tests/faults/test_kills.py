"""`kill -9` in the middle of evaluate and score, at any moment and right after each of the files that count.

What is left never passes for whole, and the same call again ends with the files of one that nobody disturbed.
`benchmarks/kill_and_resume.py`, whose commands these are, kills each of the four commands a hundred times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "evaluate": ["*/cache/*", "*/report.md", "*/report.html"],
    "score": ["*/scores.parquet", "*/maps/*", "*/score.html"],
}
_DRIVER = """
import fnmatch, json, os, random, shutil, signal, sys, tempfile
from pathlib import Path
import torch
from kill_and_resume import commands, digests, in_a_child

def dying_after(pattern, work):
    replace = Path.replace

    def put(self, target):
        moved = replace(self, target)
        if fnmatch.fnmatch(str(target), pattern):
            os.kill(os.getpid(), signal.SIGKILL)
        return moved

    Path.replace = put
    work()

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    place = Path(folder)
    known = commands(place)
    for name, patterns in json.loads(sys.argv[1]).items():
        command, out = known[name], place / name
        command.before()
        assert in_a_child(lambda: command.work(out))
        expected = digests(out)
        shutil.rmtree(out)
        command.before()
        ends, whole = [], []
        ends.append(in_a_child(lambda: command.work(out), kill_after=random.random()))
        whole.append(command.whole(out))
        for pattern in patterns:
            ends.append(in_a_child(lambda: dying_after(pattern, lambda: command.work(out))))
            whole.append(command.whole(out))
        ends.append(in_a_child(lambda: command.work(out)))
        same = digests(out) == expected and (out / ".owner.json").exists() is False
        left = sum(1 for _ in place.rglob(".tmp-*"))
        print(json.dumps({"ends": ends, "whole": whole, "same": same, "left": left}), flush=True)
"""


@pytest.fixture(scope="module")
def told():
    """What the driver says of each command."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", _DRIVER, json.dumps(FILES)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), *sys.path])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(FILES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_killed_command_is_as_if_undisturbed_after_the_same_call(name, told):
    found = told[name]
    assert found["ends"] == [False, False, False, False, True]  # killed at some moment, then after each of the files
    assert found["whole"] == [False] * 4
    assert found["same"]
    assert found["left"] == 0
