"""Generation at scale on this machine: memory against n, where the time goes, and what a second worker brings.

    python benchmarks/generation_scaling.py                       # 1e3 .. 1e6 records, about ten minutes
    python benchmarks/generation_scaling.py --records 1000 10000

Memory is the peak resident set of a fresh process for each n, less that of the smallest n. The shares are of the wall
time of one single-thread process: sampling (network and solver), decoding (codec) and writing (encode, compress, fsync,
hash). Workers are single-thread processes on the same plan; their start (Python, torch) is measured apart, on a plan
of one record each, and taken off, because a long run pays it once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import Recording

from synthgen import registry
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import file_metadata, make_records, row_columns
from synthgen.io.run import Run
from synthgen.training import train

TINY: dict[str, Any] = {
    "modality": "image",
    "network": {"width": 16, "multipliers": [1, 2], "blocks": 1},
    "train": {"samples": 2560, "precision": "fp32"},
}

_CHILD = """
import json, sys, time
import torch
from record import peak_mb
from synthgen.generation import generate

run, n, steps, out, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
torch.set_num_threads(workers)
started = time.perf_counter()
generate(run, n=n, steps=steps, out=out, workers=workers, shards=max(workers, n // 5000))
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()}))
"""


def in_a_process(run: Path, n: int, steps: int, out: Path, workers: int = 1) -> dict[str, float]:
    """Generate in a fresh process: seconds of the call and peak resident memory in MB."""
    command = [sys.executable, "-c", _CHILD, str(run), str(n), str(steps), str(out), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def shares(run: Run, n: int, steps: int, out: Path) -> dict[str, float]:
    """Seconds of one single-thread process in making records and in writing them, the codec's part told apart."""
    torch.set_num_threads(1)
    plan = make_plan(run, n=n, steps=steps)
    writer = registry.create("writers", plan.format, plan.modality)
    codec, decoding = run.codec(), 0.0
    seconds = {"make": 0.0, "write": 0.0}
    for shard in range(plan.shards):
        ids = plan.ids(shard)
        started = time.perf_counter()
        records = make_records(run, plan, ids)
        made = time.perf_counter()
        writer.write(out, shard, plan.shards, records, row_columns(plan, ids), run.schema, file_metadata(plan))
        seconds["make"] += made - started
        seconds["write"] += time.perf_counter() - made
        encoded = codec.encode(records)
        started = time.perf_counter()
        codec.decode(encoded.x, encoded.conditions)
        decoding += time.perf_counter() - started
    total = seconds["make"] + seconds["write"]
    return {
        "records_a_second": n / total,
        "sampling": (seconds["make"] - decoding) / total,
        "decoding": decoding / total,
        "writing": seconds["write"] / total,
    }


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--minutes", type=float, default=0.5, help="of training of the default network")
    parser.add_argument("--share-records", type=int, default=4_000, help="of which the shares are taken")
    parser.add_argument("--worker-records", type=int, default=20_000, help="that one and two workers make")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Recording("generation_scaling", seeds=[0]) as recording:
        place = Path(folder)
        tiny = train(TINY, out=place / "tiny")
        memory = {}
        for n in arguments.records:
            memory[n] = in_a_process(tiny.path, n, 1, place / f"memory-{n}")
            print("memory", n, memory[n], flush=True)
        growth = max(m["peak_mb"] for m in memory.values()) - memory[min(memory)]["peak_mb"]
        usual = train({"modality": "image", "train": {"minutes": arguments.minutes}}, out=place / "usual")
        parts = shares(usual, arguments.share_records, 16, place / "shares")
        print("shares", parts, flush=True)
        workers, asked = {}, arguments.worker_records
        for count in (1, 2):
            start = in_a_process(usual.path, count, 16, place / f"start-{count}", count)["seconds"]
            whole = in_a_process(usual.path, asked, 16, place / f"workers-{count}", count)["seconds"]
            workers[count] = {"start": start, "seconds": whole, "records_a_second": asked / (whole - start)}
            print("workers", count, workers[count], flush=True)
        recording.results = {
            "load_at_the_end": [round(value, 1) for value in os.getloadavg()],
            "worker_records": asked,
            "memory": memory,
            "memory_growth_mb": growth,
            "shares": parts,
            "workers": workers,
            "speed_up": workers[2]["records_a_second"] / workers[1]["records_a_second"],
        }
        print("growth", growth, "speed-up", recording.results["speed_up"])


if __name__ == "__main__":
    main()
