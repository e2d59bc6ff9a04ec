"""Few-step sampling: `fd` of a consistency-tuned run at 1, 2 and 4 evaluations beside its own source at 16, on digits.

    python benchmarks/distill_digits.py --samples 20000 --seeds 0

`fd` is that of the report, on the held-out and calibration records that neither run saw, with the digits' own
extractor. Both runs are measured with the same noise. The second evaluation of the tuned run starts at
`distill.middle`; other noise levels are measured beside it. About four minutes of processor time a seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from record import Recording

from synthgen.config import merge, parse_assignments
from synthgen.evaluation.fidelity import frechet_distance
from synthgen.generation import generate_records
from synthgen.io.run import Run
from synthgen.training import train
from synthgen.training.distilling import distill

_SAMPLED: dict[str, tuple[str, Mapping[str, Any]]] = {
    "source, 16 evaluations": ("source", {}),
    "source, 2 evaluations": ("source", {"steps": 2}),
    "tuned, 1 evaluation": ("tuned", {"steps": 1}),
    "tuned, 2 evaluations": ("tuned", {}),
    "tuned, 2 evaluations, middle 0.4": ("tuned", {"sigma_min": 0.4}),
    "tuned, 2 evaluations, middle 0.8": ("tuned", {"sigma_min": 0.8}),
    "tuned, 4 evaluations down to 0.4": ("tuned", {"steps": 4, "sigma_min": 0.4}),
}


def measured(source: Run, tuned: Run, *, n: int, seed: int) -> dict[str, float]:
    """`fd` of each way of sampling, and the floor: training records against the same held-out ones."""
    data = source.source()
    real = data.read(np.concatenate([source.split.holdout, source.split.calibration]))
    training = data.read(source.split.train)
    embedder = source.modality.embedder(source.schema, seed=0).fit(training)
    features = embedder.transform(real)
    found = {"floor": frechet_distance(embedder.transform(training), features)}
    for name, (which, sampling) in _SAMPLED.items():
        run = source if which == "source" else tuned
        records = generate_records(run, n=n, labels=(), seed=seed, sampling=sampling)
        found[name] = frechet_distance(embedder.transform(records), features)
        print(seed, name, round(found[name], 3), flush=True)
    return found


def one(seed: int, samples: int, n: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A run, its tuned successor, and what both sample."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        budget = {"train": {"samples": samples, "seed": seed, "sample_checks": 0}}
        source = train(merge(overrides, budget), modality="image", out=place / "source")
        tuned = distill(source, out=place / "tuned", overrides=dict(overrides.get("distill", {})))
        figures = measured(source, tuned, n=n, seed=seed)
        seconds = {"train": source.facts["seconds"], "distill": tuned.facts["seconds"]}
        ratio = figures["tuned, 2 evaluations"] / figures["source, 16 evaluations"]
        return {"seed": seed, "fd": figures, "ratio": ratio, "seconds": seconds, "tuned_on": tuned.facts["samples"]}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=60_000, help="of training; tuning takes distill.samples")
    parser.add_argument("--n", type=int, default=1000, help="records sampled")
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="configuration, as for `synthgen train`")
    arguments = parser.parse_args()
    overrides = parse_assignments(arguments.set)
    with Recording("distill_digits", seeds=arguments.seeds) as recording:
        results = [one(seed, arguments.samples, arguments.n, overrides) for seed in arguments.seeds]
        recording.results = {"samples": arguments.samples, "n": arguments.n, "overrides": overrides, "runs": results}


if __name__ == "__main__":
    main()
