"""How much memory and time a whole report takes: 100,000 synthetic records against 100,000 real ones, `--full`.

The promise is 4 GiB for `synthgen evaluate` as a whole: reading, features, every comparison, the page. Records are
digits with noise, unlabelled vectors of so many dimensions, so that no time goes into judges, whose steps do not depend
on the number of records. The hold-out is as large as the training side, so nothing is capped by it.

    python benchmarks/evaluate_at_scale.py --records 100000 --dimensions 64
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from neighbours_at_scale import records
from record import Recording

import synthgen

EVALUATE = """
import json, resource, sys, time
import synthgen
before = time.perf_counter()
report = synthgen.evaluate(sys.argv[1], sys.argv[2], full=True)
print(json.dumps({
    "wall_seconds": round(time.perf_counter() - before, 1),
    "cpu_seconds": round(time.process_time(), 1),
    "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    "records": report.json["provenance"]["records"],
    "n": {row.name: row.n for row in report.metrics},
    "errors": {row.name: row.error for row in report.metrics if row.error},
    "notes": report.json["notes"],
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    chosen = parser.parse_args()
    n = chosen.records
    name = f"evaluate_{n}x{chosen.dimensions}"
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
        command = [sys.executable, "-c", EVALUATE, str(run.path), str(dataset.path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        recording.results = json.loads(done.stdout.splitlines()[-1])
    print({key: value for key, value in recording.results.items() if key != "n"})


if __name__ == "__main__":
    main()
