"""A real torchrun launch of two processes: they share the shards, and one of them speaks."""

from __future__ import annotations

import subprocess
import sys

from synthgen.generation import verify


def test_two_ranks_fill_one_data_set_and_one_of_them_prints_the_result(tiny_run, tmp_path):
    out = tmp_path / "d"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "--", "synthgen", "generate", "--run", str(tiny_run.path), "--n", "20", "--shards", "4"),
            *("--executor", "torchrun", "--out", str(out), "--quiet"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("20 records") == 1
    assert verify(out).faults == ()
    assert len(list(out.glob("data/*.parquet"))) == 4
