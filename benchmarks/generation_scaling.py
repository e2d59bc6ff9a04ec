"""Generation at scale on this machine: memory against n, where time goes, what a second worker brings, what it costs.

    python benchmarks/generation_scaling.py                       # everything, up to 1e6 records, about twenty minutes
    python benchmarks/generation_scaling.py --only workers        # one part; the others stay as they were measured
    python benchmarks/generation_scaling.py --records 1000 10000

Memory is the peak resident set of a fresh process for each n, less that of the smallest n. The shares are of the wall
time of one single-thread process: sampling (network and solver), decoding (codec) and writing (encode, compress, fsync,
hash). Workers are single-thread processes on the same plan; their start (Python, torch) is measured apart, on a plan
of one record each, and taken off, because a long run pays it once. Costs are what `synthgen.generation.costs` takes as
constants: a whole process that makes one record, and what finishing takes with few and with many shards.

Each figure is a row of `results/generation_scaling.rows.jsonl`, with the load of the machine at its time; the same
command measures what is missing there, and the record holds all that is known. Delete a row to measure it again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from record import Recording
from rows import Rows

from synthgen import registry
from synthgen.generation import generate
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import file_metadata, make_records, row_columns, write_shard
from synthgen.io.atomic import write_text
from synthgen.io.run import Run
from synthgen.training import train

TINY: dict[str, Any] = {
    "modality": "image",
    "network": {"width": 16, "multipliers": [1, 2], "blocks": 1},
    "train": {"samples": 2560, "precision": "fp32"},
}

USUAL: dict[str, Any] = {"modality": "image", "train": {"samples": 2560, "precision": "fp32"}}  # time needs no quality

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
PARTS = ("memory", "shares", "workers", "costs")
FEW, MANY = 100, 2_000  # shards between which finishing is compared


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


def process_seconds(run: Run, out: Path) -> float:
    """Wall time of a fresh process that makes one record, from its start to its end."""
    started = time.perf_counter()
    in_a_process(run, 1, 1, out)
    return time.perf_counter() - started


def finishing_seconds(run: Run, shards: int, place: Path) -> float:
    """What is left to do where every shard is made: manifest, card, Croissant file; the median of three."""
    plan = make_plan(run, n=shards, shards=shards, steps=1)
    made = place / "made"
    made.mkdir(parents=True)
    write_text(made / "plan.json", plan.to_json())
    for shard in range(shards):
        write_shard(run, plan, made, shard)
    found = []
    for copy in range(3):
        out = place / str(copy)
        shutil.copytree(made, out)
        started = time.perf_counter()
        generate(run, n=shards, shards=shards, steps=1, out=out)
        found.append(time.perf_counter() - started)
    return sorted(found)[1]


class Parts:
    """What is measured, each figure once; runs and data sets lie below `place`."""

    def __init__(self, place: Path) -> None:
        self.rows = Rows("generation_scaling", budget={"steps": 16})
        self._place = place
        self._runs: dict[str, Run] = {}

    def _run(self, name: str) -> Run:
        """The tiny run or that of the default network; trained when first asked for."""
        if name not in self._runs:
            self._runs[name] = train(TINY if name == "tiny" else USUAL, out=self._place / name)
        return self._runs[name]

    def _row(self, part: str, n: int, measure: Callable[[], dict[str, float]], **more: int) -> None:
        def loaded() -> dict[str, Any]:
            return {"found": measure(), "load": [round(value, 1) for value in os.getloadavg()]}

        print(self.rows.get({"part": part, "n": n, **more}, loaded), flush=True)

    def memory(self, records: Sequence[int]) -> None:
        for n in records:
            self._row("memory", n, lambda n=n: in_a_process(self._run("tiny").path, n, 1, self._place / f"memory-{n}"))

    def shares(self, n: int) -> None:
        self._row("shares", n, lambda: shares(self._run("usual"), n, 16, self._place / "shares"))

    def workers(self, n: int) -> None:
        for count in (1, 2):
            self._row("workers", n, lambda count=count: self._workers(count, n), count=count)

    def _workers(self, count: int, n: int) -> dict[str, float]:
        run = self._run("usual").path
        start = in_a_process(run, count, 16, self._place / f"start-{count}", count)["seconds"]
        whole = in_a_process(run, n, 16, self._place / f"workers-{count}", count)["seconds"]
        return {"start": start, "seconds": whole, "records_a_second": n / (whole - start)}

    def costs(self) -> None:
        self._row("costs", 1, self._costs)

    def _costs(self) -> dict[str, float]:
        run = self._run("tiny")
        few, many = (finishing_seconds(run, shards, self._place / f"shards-{shards}") for shards in (FEW, MANY))
        each = (many - few) / (MANY - FEW)
        whole = [process_seconds(run.path, self._place / f"process-{k}") for k in range(3)]
        return {"process": sorted(whole)[1], "a_shard": each, "finishing": few - FEW * each}


def together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All that is known: the newest row of each figure, and what follows from several."""
    known: dict[str, Any] = {"loads": {}}
    for row in rows:
        part, n, found = row["key"]["part"], row["key"]["n"], row["found"]
        known["loads"].setdefault(part, []).append(row["load"][0])
        if part == "memory":
            known.setdefault(part, {})[str(n)] = found
        elif part == "workers":
            known["worker_records"] = n
            known.setdefault(part, {})[str(row["key"]["count"])] = found
        else:
            known[part] = found
    memory, workers = known.get("memory", {}), known.get("workers", {})
    if len(memory) > 1:
        least = memory[min(memory, key=int)]["peak_mb"]
        known["memory_growth_mb"] = max(one["peak_mb"] for one in memory.values()) - least
    if len(workers) > 1:
        known["speed_up"] = workers["2"]["records_a_second"] / workers["1"]["records_a_second"]
    return known


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="these parts")
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--share-records", type=int, default=4_000, help="of which the shares are taken")
    parser.add_argument("--worker-records", type=int, default=20_000, help="that one and two workers make")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, Recording("generation_scaling", seeds=[0]) as recording:
        parts = Parts(Path(folder))
        if "memory" in arguments.only:
            parts.memory(arguments.records)
        if "shares" in arguments.only:
            parts.shares(arguments.share_records)
        if "workers" in arguments.only:
            parts.workers(arguments.worker_records)
        if "costs" in arguments.only:
            parts.costs()
        recording.results = together(parts.rows.all())
        print({key: value for key, value in recording.results.items() if not isinstance(value, dict)})


if __name__ == "__main__":
    main()
