"""Ray as the executor: the same shards as one process makes, and workers that die or hang in mid-shard cost nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synthgen.generation import generate, verify

pytest.importorskip("ray", reason="the extra `ray` is not installed")

_DRIVER = """
import sys
from synthgen.generation import generate

generate(sys.argv[1], n=120, shards=12, out=sys.argv[2], executor="ray", worker_timeout=float(sys.argv[3]))
"""


def busy_workers() -> set[int]:
    """Ray's worker processes that are making a shard now."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_bytes().startswith(b"ray::_task"):
                    found.add(int(process.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "most"), [(signal.SIGKILL, 2), (signal.SIGSTOP, 1)], ids=["die", "hang"])
def test_ray_workers_that_die_or_hang_leave_the_same_data_set(fault, most, tiny_run, tmp_path):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as a Ray worker has
    try:
        generate(tiny_run, n=120, shards=12, out=tmp_path / "one")
    finally:
        torch.set_num_threads(before)
    out = tmp_path / "ray"
    patience = "45" if fault == signal.SIGSTOP else "600"  # longer than a worker takes to start; else it begins anew
    driver = subprocess.Popen([sys.executable, "-c", _DRIVER, str(tiny_run.path), str(out), patience])
    met: set[int] = set()
    deadline = time.monotonic() + 300
    try:
        while driver.poll() is None and time.monotonic() < deadline:
            for worker in sorted(busy_workers() - met)[: most - len(met)]:
                with contextlib.suppress(OSError):
                    os.kill(worker, fault)
                    met.add(worker)
            time.sleep(0.05)
        assert driver.wait(timeout=60) == 0
    finally:
        for worker in met if fault == signal.SIGSTOP else ():
            with contextlib.suppress(OSError):
                os.kill(worker, signal.SIGKILL)
    assert met, "no worker was met while it was working"
    assert verify(out).faults == ()
    one, many = (
        {path.name: path.read_bytes() for path in (tmp_path / place / "data").iterdir()} for place in ("one", "ray")
    )
    assert one == many
