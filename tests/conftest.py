"""One tiny run, trained once, for every test that needs a finished one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
