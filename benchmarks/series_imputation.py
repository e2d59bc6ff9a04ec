"""Imputation of ETTh1 windows with 70 % of the values missing: ours beside a line, neighbours, SAITS and CSDI.

    SYNTHGEN_BENCH_DATA=... SYNTHGEN_PEERS_PYTHON=peers/bin/python python benchmarks/series_imputation.py

Windows of 24 hours and 7 channels, split in time with an embargo; each value is missing with a probability of 0.7. The
error is that of the missing values in standard deviations of their channel in training (MSE). A method that draws has
the coverage of its 90 % interval as well, and its estimate is the median of its draws.

    ours, context    a run with train.context=0.5: one model, trained for everything
    ours, guided     the same weights, guided by gradients: what a run without context falls back to
    line             linear interpolation in time, the channel's mean where a channel is empty
    neighbours       scikit-learn's KNNImputer, 10 training windows
    SAITS, CSDI      PyPOTS, in the environment that SYNTHGEN_PEERS_PYTHON names; without it a row says that it is
                     missing. SAITS trains on windows with 60 % missing (it masks a fifth more), CSDI on whole ones (it
                     masks by itself).

One row a method and seed, kept as they come: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from record import Recording
from rows import Rows
from sklearn.impute import KNNImputer

import synthgen
from synthgen.generation.completing import impute

Array = NDArray[np.float64]
WINDOW, MISSING = 24, 0.7
OURS = ("ours, context", "ours, guided")
PEERS = ("SAITS", "CSDI")
METHODS = ("line", "neighbours", *OURS, *PEERS)

PEER = """
import json, sys, time
import numpy as np, torch
torch.set_num_threads(1)
name, folder, epochs, draws, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
torch.manual_seed(seed); np.random.seed(seed)
from pypots.imputation import CSDI, SAITS
train, test = np.load(folder + "/train.npy"), np.load(folder + "/test.npy")
steps, features = train.shape[1:]
if name == "SAITS":
    train = np.where(np.random.rand(*train.shape) < 0.6, np.nan, train)
    model = SAITS(steps, features, n_layers=2, d_model=64, n_heads=4, d_k=16, d_v=16, d_ffn=128, dropout=0.1,
                  epochs=epochs, batch_size=64, verbose=False, device="cpu")
else:
    model = CSDI(steps, features, n_layers=4, n_heads=4, n_channels=32, d_time_embedding=64, d_feature_embedding=16,
                 d_diffusion_embedding=64, n_diffusion_steps=50, epochs=epochs, batch_size=64, verbose=False,
                 device="cpu")
started = time.process_time()
model.fit({"X": train})
trained = time.process_time() - started
more = {"n_sampling_times": draws} if name == "CSDI" else {}
found = model.predict({"X": test}, **more)["imputation"]
found = found[:, None] if found.ndim == 3 else found
np.save(folder + "/found.npy", found)
print(json.dumps({"train_seconds": trained, "impute_seconds": time.process_time() - started - trained}))
"""


class Bench:
    """The data of one seed, and what every method makes of it."""

    def __init__(self, seed: int, asked: argparse.Namespace, folder: Path) -> None:
        self.seed, self.asked, self.folder = seed, asked, folder
        path = Path(os.environ["SYNTHGEN_BENCH_DATA"]) / "timeseries" / "etth1.csv"
        overrides = {
            "data": {"path": str(path), "window": WINDOW, "stride": 4},
            "train": {"samples": asked.samples, "context": 0.5, "seed": seed, "sample_checks": 0},
        }
        started = time.process_time()
        self.run = synthgen.train(overrides, modality="timeseries", out=folder / "run")
        self.trained = time.process_time() - started
        source = self.run.source()
        self.train = source.read(self.run.split.train)["values"].astype(np.float64)
        rng = np.random.default_rng(seed)
        held = rng.permutation(self.run.split.holdout)[: asked.windows]
        self.truth = source.read(np.sort(held))["values"].astype(np.float64)
        self.holes = np.where(rng.random(self.truth.shape) < MISSING, np.nan, self.truth)
        self.mean, self.std = (getattr(self.train, what)(axis=(0, 2))[:, None] for what in ("mean", "std"))

    def row(self, method: str) -> dict[str, Any]:
        """One method's error and coverage."""
        started = time.process_time()
        facts: dict[str, Any] = {}
        if method in OURS:
            draws, facts = self.ours(method.partition(", ")[2]), {"train_seconds": self.trained}
        elif method in PEERS:
            made = self.peer(method)
            if isinstance(made, str):
                return {"method": method, "seed": self.seed, "error": made}
            draws, facts = made
        else:
            draws = (self.line() if method == "line" else self.neighbours())[None]
        missing = np.isnan(self.holes)
        off = ((np.median(draws, axis=0) - self.truth) / self.std)[missing]
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        inside = ((self.truth >= low) & (self.truth <= high))[missing]
        return {
            "method": method,
            "seed": self.seed,
            "mse": float((off**2).mean()),
            "mae": float(np.abs(off).mean()),
            "coverage_90": float(inside.mean()) if len(draws) > 1 else None,
            "draws": len(draws),
            "impute_seconds": time.process_time() - started,
            **facts,
        }

    def line(self) -> Array:
        """Linear in time, the mean where nothing is known; `(N, C, L)`."""
        flat = pd.DataFrame(self.holes.reshape(-1, WINDOW)).interpolate(axis=1, limit_direction="both").to_numpy()
        return np.where(np.isnan(flat.reshape(self.holes.shape)), self.mean, flat.reshape(self.holes.shape))

    def neighbours(self) -> Array:
        """The mean of the 10 nearest training windows, `(N, C, L)`."""
        scaled = [((part - self.mean) / self.std).reshape(len(part), -1) for part in (self.train, self.holes)]
        found = KNNImputer(n_neighbors=10).fit(scaled[0]).transform(scaled[1])
        return np.asarray(found.reshape(self.holes.shape) * self.std + self.mean)

    def ours(self, method: Any) -> Array:
        """Draws of the run, `(S, N, C, L)`."""
        count, channels, steps = self.holes.shape
        names = [channel.name for channel in self.run.schema.channels]
        flat = self.holes.transpose(0, 2, 1).reshape(-1, channels)
        frame = pd.DataFrame({"unique_id": np.repeat(np.arange(count), steps), "ds": np.tile(np.arange(steps), count)})
        frame[names] = flat
        few = self.asked.draws if method == "context" else max(4, self.asked.draws // 4)
        made = [
            impute(frame, run=self.run, method=method, seed=self.seed * 1000 + draw).table[names].to_numpy()
            for draw in range(few)
        ]
        return np.stack(made).reshape(few, count, steps, channels).transpose(0, 1, 3, 2)

    def peer(self, name: str) -> tuple[Array, dict[str, Any]] | str:
        """Draws `(S, N, C, L)` of a peer and its processor time, or why there are none."""
        python = os.environ.get("SYNTHGEN_PEERS_PYTHON")
        if python is None:
            return "SYNTHGEN_PEERS_PYTHON is not set"
        scaled = [((part - self.mean) / self.std).transpose(0, 2, 1) for part in (self.train, self.holes)]
        for part, file in zip(scaled, ("train", "test"), strict=True):
            np.save(self.folder / f"{file}.npy", part.astype(np.float32))
        (self.folder / "peer.py").write_text(PEER)
        sizes = [self.asked.epochs, self.asked.draws, self.seed]
        arguments = [name, str(self.folder), *map(str, sizes)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [python, str(self.folder / "peer.py"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        found = np.load(self.folder / "found.npy").astype(np.float64)  # (N, S, L, C)
        return found.transpose(1, 0, 3, 2) * self.std + self.mean, json.loads(done.stdout.strip().splitlines()[-1])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the seeds by method; an error stands as it came."""
    found: dict[str, Any] = {}
    for method in METHODS:
        mine = [row for row in rows if row["method"] == method]
        good = [row for row in mine if "error" not in row]
        figures = ("mse", "mae", "coverage_90", "train_seconds", "impute_seconds")
        values = {name: [row[name] for row in good if row.get(name) is not None] for name in figures}
        found[method] = {name: round(statistics.median(each), 4) for name, each in values.items() if each}
        if not good and mine:
            found[method] = {"error": mine[0]["error"]}
    return found


def main() -> None:
    """Measure what is missing, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=200_000, help="training records seen by ours")
    parser.add_argument("--epochs", type=int, default=50, help="of the peers")
    parser.add_argument("--windows", type=int, default=200, help="to impute")
    parser.add_argument("--draws", type=int, default=40, help="of each window; guided takes a quarter")
    asked = parser.parse_args()
    budget = {name: getattr(asked, name) for name in ("samples", "epochs", "windows", "draws")}
    rows = Rows("series_imputation", budget=budget)
    found: list[dict[str, Any]] = []
    with Recording("series_imputation", seeds=asked.seeds) as recording:
        for seed in asked.seeds:
            with tempfile.TemporaryDirectory() as folder:
                bench: list[Bench] = []

                def measure(method: str, seed: int = seed, bench: list[Bench] = bench, folder: str = folder) -> Any:
                    if not bench:
                        bench.append(Bench(seed, asked, Path(folder)))
                    return bench[0].row(method)

                for method in asked.methods:
                    row = rows.get({"method": method, "seed": seed}, lambda method=method: measure(method))
                    found.append(row)
                    print({key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}, flush=True)
        recording.results = {"budget": budget, "methods": summary(found)}


if __name__ == "__main__":
    main()
