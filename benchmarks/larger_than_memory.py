"""Training from a Parquet file that is larger than the memory allowed to hold it: does the trainer wait?

    python benchmarks/larger_than_memory.py                           # 10 million records, about ten minutes
    python benchmarks/larger_than_memory.py --records 1000000 --samples 300000

Each training runs in a process of its own. `data.memory_gib` is an eighth of the size of the decoded set, so that its
row groups are read, decoded and dropped again; with `--compare` the same training with the whole set in memory stands
beside it. Recorded: the share of training time in which the next batch was not there yet, the peak resident set
in all and less that of a training on a thousand records, and seconds from start to first step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from record import Recording

_PIECE = 1_000_000

_CHILD = """
import json, sys, time
import torch
from record import peak_mb
from synthgen.training import train

torch.set_num_threads(1)
path, out, samples, memory = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
began, first = time.monotonic(), []

def watch(event):
    if event["kind"] == "start" and not first:
        first.append(time.monotonic() - began)

run = train(
    {
        "modality": "vectors",
        "data": {"path": path, "memory_gib": memory},
        "train": {"samples": samples, "precision": "fp32", "early_stop": False},
    },
    out=out,
    progress=watch,
)
facts = run.facts
print(json.dumps({
    "records": facts["records"],
    "samples": facts["samples"],
    "seconds_before_the_first_step": first[0],
    "seconds": facts["seconds"],
    "waited": facts["waited_for_data"],
    "waited_share": facts["waited_for_data"] / facts["seconds"],
    "peak_mb": peak_mb(),
}))
"""


def write(path: Path, records: int, columns: int) -> int:
    """A file of correlated numbers in row groups of 50,000; bytes once decoded to float32."""
    draw = np.random.default_rng(0)
    mix = draw.standard_normal((columns, columns)).astype(np.float32)
    writer = None
    for start in range(0, records, _PIECE):
        rows = min(_PIECE, records - start)
        label = draw.integers(0, 4, rows)
        values = draw.standard_normal((rows, columns), dtype=np.float32) @ mix + label[:, None].astype(np.float32)
        table = pa.table({**{f"x{j}": values[:, j] for j in range(columns)}, "label": label})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=50_000)
    assert writer is not None
    writer.close()
    return records * columns * 4


def in_a_process(path: Path, out: Path, samples: int, memory_gib: float) -> dict[str, Any]:
    """Train in a fresh process."""
    command = [sys.executable, "-c", _CHILD, str(path), str(out), str(samples), str(memory_gib)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parent)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Write, train and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=32)
    parser.add_argument("--samples", type=int, default=1_000_000, help="of each training")
    parser.add_argument("--compare", action="store_true", help="with the whole set in memory as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Recording("larger_than_memory", seeds=[0]) as recording:
        place = Path(folder)
        small, large = place / "small.parquet", place / "large.parquet"
        write(small, 1_000, arguments.columns)
        size = write(large, arguments.records, arguments.columns)
        limit = size / 2**30 / 8
        cases = [("thousand", small, 2.0), ("streamed", large, limit)]
        cases += [("in memory", large, 64.0)] if arguments.compare else []
        found = {}
        for name, path, memory in cases:
            work = partial(in_a_process, path, place / name.replace(" ", "-"), arguments.samples, memory)
            found[name] = recording.once(name, work)
            print(name, found[name], flush=True)
        recording.results = {
            "decoded_mb": size / 2**20,
            "limit_mb": limit * 1024,
            "file_mb": large.stat().st_size / 2**20,
            "extra_mb": found["streamed"]["peak_mb"] - found["thousand"]["peak_mb"],
            "load_at_the_end": [round(value, 1) for value in os.getloadavg()],
            **found,
        }
        print(recording.results["extra_mb"], "MB more than with a thousand records")


if __name__ == "__main__":
    main()
