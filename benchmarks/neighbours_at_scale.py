"""How much memory and time the report's neighbours take: every synthetic record's nearest training record.

The promise is 100,000 against 100,000 records within 4 GiB. Records are digits under random small shifts of grey, so
that there are neighbours to be found, in as many dimensions as asked for.

    python benchmarks/neighbours_at_scale.py --records 100000 --dimensions 64
    python benchmarks/neighbours_at_scale.py --records 100000 --dimensions 784
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray
from record import Recording
from sklearn.datasets import load_digits

from synthgen.evaluation.neighbours import nearest


def records(n: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    """Digits, drawn with repeats, mapped to so many dimensions, with noise."""
    rng = np.random.default_rng(seed)
    digits = load_digits().data.astype(np.float32) / 16
    basis = np.random.default_rng(7).normal(size=(digits.shape[1], dimensions)).astype(np.float32) / 8
    chosen = digits[rng.integers(0, len(digits), n)] + 0.1 * rng.standard_normal((n, 64), dtype=np.float32)
    return np.asarray(chosen if dimensions == 64 else chosen @ basis, dtype=np.float32)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--neighbours", type=int, default=1)
    arguments = parser.parse_args()
    train = records(arguments.records, arguments.dimensions, 0)
    synthetic = records(arguments.records, arguments.dimensions, 1)
    before = peak_gib()
    name = f"neighbours_{arguments.records}x{arguments.dimensions}"
    with Recording(name, seeds=[0, 1]) as recording:
        wall, cpu = time.perf_counter(), time.process_time()
        found = nearest(synthetic, train, k=arguments.neighbours)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        some = np.arange(0, arguments.records, max(1, arguments.records // 200))
        exact = np.stack([np.linalg.norm(train - synthetic[i], axis=1).min() for i in some])
        recording.results = {
            "method": found.method,
            "wall_seconds": round(wall, 1),
            "cpu_seconds": round(cpu, 1),
            "peak_gib": round(peak_gib(), 2),
            "peak_gib_before": round(before, 2),
            "right_of_200": float(np.mean(np.isclose(found.distance[some, 0], exact, rtol=1e-4))),
        }
    print(recording.results)


if __name__ == "__main__":
    main()
