"""What the series benchmarks share: the data folder, the options of a training, arrays as records."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthgen.api import Records, Schema
from synthgen.config import merge, parse_assignments
from synthgen.io.run import Run

__all__ = ["add_training_options", "data_folder", "records_of", "training_facts", "training_overrides", "windows_of"]


def data_folder() -> Path:
    """The folder of `SYNTHGEN_BENCH_DATA`."""
    root = os.environ.get("SYNTHGEN_BENCH_DATA")
    if not root:
        sys.exit("SYNTHGEN_BENCH_DATA is not set: name the folder of the benchmark data")
    return Path(root)


def add_training_options(parser: argparse.ArgumentParser, *, minutes: float) -> None:
    """Budget, seeds, preset, settings, place of progress, sampling."""
    parser.add_argument("--minutes", type=float, default=minutes, help="of training")
    parser.add_argument("--samples", type=int, help="of training, instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preset", default="default", help="of timeseries")
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="configuration, as for `synthgen train`")
    parser.add_argument("--guidance", type=float, help="the run's own when absent")
    parser.add_argument("--steps", type=int, help="network evaluations a sample; the run's own when absent")
    parser.add_argument("--work", type=Path, default=Path("bench-work"), help="where runs and finished stages are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", help="of the result file")


def training_overrides(chosen: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The configuration of a training."""
    budget = {"minutes": chosen.minutes} if chosen.samples is None else {"samples": chosen.samples}
    asked = {"preset": chosen.preset, "train": {"seed": seed, "threads": chosen.threads, **budget}}
    return dict(merge(asked, parse_assignments(chosen.set)))


def records_of(
    values: NDArray[Any], labels: Sequence[str] | None, schema: Schema, *, label: NDArray[np.int64] | None = None
) -> Records:
    """Complete series `(N, C, L)` as records; labels by name, or as positions."""
    if labels is not None:
        label = np.array([schema.labels.index(name) for name in labels], dtype=np.int64)
    columns = {
        "values": np.asarray(values, dtype=np.float32),
        "observed": np.ones(values.shape, dtype=bool),
        "length": np.full(len(values), values.shape[2], dtype=np.int32),
    }
    return Records(columns, label)


def training_facts(run: Run) -> dict[str, Any]:
    """What the training took and how it ended."""
    kept = ("samples", "seconds", "precision", "ended", "parameters", "held_out")
    return {key: run.facts.get(key) for key in kept} | {"network": run.config.network.model_dump()}


def windows_of(name: str, window: int) -> NDArray[np.float32]:
    """All windows `(T - window + 1, C, window)` of stocks, etth1 or energy, each channel of the series on [0, 1]."""
    path = next((data_folder() / "timeseries").glob(f"{name}.*"))
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    values = table.select_dtypes("number").to_numpy(dtype=np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = ((values - low) / (high - low + 1e-7)).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(scaled, window, axis=0)
