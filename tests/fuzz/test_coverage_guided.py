"""The coverage-guided search keeps what it finds, and finds nothing in what we read.

`benchmarks/coverage_fuzzing.py` searches every reader and loader for as long as one likes; here is a moment of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the extra `fuzz` is not installed")

SOME = [
    *("image/image_npz", "mask/mask_coco", "timeseries/series_arff", "vectors/vector_csv", "config"),
    *("run/codec.json", "plan.json", "set/provenance.json"),
]
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_PLANTED = """
def opens(path):
    content = path.read_bytes()
    if len(content) > 6:
        if content[0] != 48:
            if content[-1] % 2:
                raise KeyError("found")
    return 0, ()
"""
_SEARCH = """
import json, sys
from pathlib import Path
import coverage_fuzzing as fuzzing

place = Path(sys.argv[1])
sys.path.insert(0, sys.argv[1])
with fuzzing.atheris.instrument_imports(include=["planted"]):
    from planted import opens
file = place / "x.bin"
print(json.dumps(fuzzing.search(fuzzing.Target("planted", file, file, opens, [b"0000"]), 20, place / "search")))
"""


def python(*arguments: str) -> str:
    """What a process of its own prints."""
    known = os.pathsep.join([str(BENCHMARKS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**os.environ, "PYTHONPATH": known},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_fault_behind_three_branches_is_found(tmp_path):
    (tmp_path / "planted.py").write_text(_PLANTED)
    found = json.loads(python("-c", _SEARCH, str(tmp_path)).splitlines()[-1])["findings"]
    assert [finding["outcome"] for finding in found] == ["traceback"]
    led_there = (tmp_path / "search" / "found" / found[0]["file"]).read_bytes()
    assert len(led_there) > 6
    assert led_there[0] != 48
    assert led_there[-1] % 2


def test_a_moment_of_searching_finds_nothing(tmp_path):
    python(str(BENCHMARKS / "coverage_fuzzing.py"), "--only", *SOME, "--seconds", "16", "--results", str(tmp_path))
    results = json.loads((tmp_path / "coverage_fuzzing.json").read_text())["results"]
    assert {target["target"]: target["findings"] for target in results["targets"] if target["findings"]} == {}
    assert all(target["inputs"] > 2 and target["covered"] for target in results["targets"])
