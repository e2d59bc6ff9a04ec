"""One tiny run, trained once, for every test that needs a finished one; a small disk; a stranger's distribution."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Tiny tensors gain nothing from threads, and several test processes with several threads each wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TINY: dict[str, Any] = {
    "network": {"width": 16, "multipliers": [1, 2], "blocks": 1, "dropout": 0.1},
    "optim": {"batch_size": 32},
    "train": {"samples": 1280, "precision": "fp32", "checkpoint_seconds": 0.001},
    "sampling": {"steps": 4},
}
"""Overrides for a training of about two seconds."""


@pytest.fixture(scope="session")
def tiny_overrides() -> dict[str, Any]:
    """What `tiny_run` was trained with."""
    return {"modality": "image", **TINY}


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: dict[str, Any]) -> Any:
    """A finished run on scikit-learn's digits; read only."""
    from synthgen.training import train

    return train(tiny_overrides, out=tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB, mounted for the test; skipped where mounting is not permitted."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    try:
        yield place
    finally:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["umount", "-l", str(place)], check=False)


class Stranger:
    """Somebody else's distribution, found through its metadata as `pip install` would leave it; no pip, no network."""

    def install(self, project: Path, site: Path) -> None:
        """Write the `dist-info` of a project into `site`, which must stand on the path beside the project itself."""
        facts = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        place = site / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n")
        points = "\n".join(f"{name} = {target}" for name, target in facts["entry-points"]["synthgen"].items())
        (place / "entry_points.txt").write_text(f"[synthgen]\n{points}\n")

    def environment(self, *paths: Path) -> dict[str, str]:
        """The environment of this process with these paths first, one thread, strict about plugins."""
        known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*(str(path) for path in paths), *known]),
            "SYNTHGEN_STRICT_PLUGINS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def python(self, *arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run Python; the caller looks at the return code."""
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    def synthgen(self, *commands: str, cwd: Path, env: dict[str, str]) -> list[Any]:
        """What each command prints with `--json`, all in one process; one that fails fails the test."""
        done = self.python("-c", _COMMANDS, *commands, cwd=cwd, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(document) for document in done.stdout.split("\0")[:-1]]


_COMMANDS = """
import shlex, sys
from synthgen.cli import main
for command in sys.argv[1:]:
    code = main([*shlex.split(command), "--json"])
    if code:
        sys.exit(f"{command}: exit code {code}")
    sys.stdout.write(chr(0))
"""


@pytest.fixture
def stranger() -> Stranger:
    """For tests with a distribution that is not ours."""
    return Stranger()
