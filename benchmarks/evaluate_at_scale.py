"""How much memory and time a whole report takes: 100,000 synthetic records against 100,000 real ones, one thread.

The promise is 4 GiB for `synthgen evaluate` as a whole: reading, features, every comparison, the page. Records are
digits with noise, unlabelled vectors of so many dimensions, so that no time goes into judges, whose steps do not depend
on the number of records. The hold-out is as large as the training side, so with `--effort full` nothing is capped by
it; the default effort reads 20,000 training and synthetic and 5,000 held-out records of them, and says so.

    python benchmarks/evaluate_at_scale.py --effort default
    python benchmarks/evaluate_at_scale.py --effort full
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from neighbours_at_scale import records
from record import Recording

import synthgen

EVALUATE = """
import json, sys, time
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[4])
from record import peak_mb
import synthgen
torch.set_num_threads(1)
before, stages = time.perf_counter(), []
def progress(event):
    now = round(time.perf_counter() - before, 1)
    stages.append([event["stage"], now, round(peak_mb() / 1024, 2)])
    print(f"{now:8} s  {event['stage']}", file=sys.stderr, flush=True)
effort = {} if sys.argv[3] == "default" else {sys.argv[3]: True}
report = synthgen.evaluate(sys.argv[1], sys.argv[2], progress=progress, **effort)
print(json.dumps({
    "wall_seconds": round(time.perf_counter() - before, 1),
    "cpu_seconds": round(time.process_time(), 1),
    "peak_gib": round(peak_mb() / 1024, 2),
    "stages": [{"stage": name, "begins": begins, "peak_gib": peak} for name, begins, peak in stages],
    "records": report.json["provenance"]["records"],
    "n": {row.name: row.n for row in report.metrics},
    "values": {row.name: row.value for row in report.metrics},
    "errors": {row.name: row.error for row in report.metrics if row.error},
    "notes": report.json["notes"],
}))
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--effort", choices=["fast", "default", "full"], default="full")
    chosen = parser.parse_args()
    n = chosen.records
    name = f"evaluate_{n}x{chosen.dimensions}_{chosen.effort}"
    with tempfile.TemporaryDirectory() as folder, Recording(name, seeds=[0, 1]) as recording:
        place = Path(folder)
        np.savez(place / "real.npz", X=records(2 * n + n // 10, chosen.dimensions, 0))
        shares = {"holdout": n / (2 * n + n // 10), "validation": 0.02, "calibration": 0.02}
        run = synthgen.train(
            {"data": shares, "train": {"samples": 20_000, "threads": 1}},
            modality="vectors",
            data=place / "real.npz",
            out=place / "run",
        )
        dataset = synthgen.generate(run, n=n, out=place / "synthetic")
        command = [sys.executable, "-c", EVALUATE, str(run.path), str(dataset.path), chosen.effort]
        command += [str(Path(__file__).parent)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)
        recording.results = json.loads(done.stdout.splitlines()[-1])
    print({key: value for key, value in recording.results.items() if key not in {"n", "values", "stages"}})


if __name__ == "__main__":
    main()
