"""Anomalies in three long series of TSB-AD: VUS-PR beside the published figures of the same series.

First the measure: Sub-PCA of TSB-AD is deterministic, so its published VUS-PR must come out of our `vus_pr`. Then the
score: a model is trained on windows of the series' training part and scores each time step of the whole series. Windows
are as long as `window_length` says. All channels take part, those too that never move in training: one of them that
moves later is the clearest sign there is. `worst channel` is the highest of the maps by channel at each step.

    SYNTHGEN_BENCH_DATA=... python benchmarks/tsb_ad.py --samples 60000 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from record import Recording
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import svd_flip

import synthgen
from synthgen.evaluation.steps import score_steps, window_length
from synthgen.evaluation.volume import period, vus_pr

PUBLISHED = {
    "001_NAB_id_1_Facility_tr_1007_1st_2014": {
        "Sub-PCA": 0.18035, "best": ("MOMENT (FT)", 0.57361), "IForest": 0.13541, "Sub-KNN": 0.13548, "CNN": 0.12219,
    },
    "013_NAB_id_13_Traffic_tr_623_1st_2084": {
        "Sub-PCA": 0.85905, "best": ("SAND", 0.87703), "IForest": 0.26271, "Sub-KNN": 0.10032, "CNN": 0.26991,
    },
    "008_MSL_id_7_Sensor_tr_656_1st_1630": {
        "best": ("CNN", 0.93162), "IForest": 0.87470, "KNN": 0.46774, "CNN": 0.93162, "PCA": 0.33750,
    },
}  # fmt: skip
"""VUS-PR in TheDatumOrg/TSB-AD, benchmark_exp/benchmark_eval_results/{uni,multi}_mergedTable_VUS-PR.csv, at 35ba9c3."""


def load(name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Values `(C, T)`, labels `(T,)` and the length of the training part."""
    root = os.environ.get("SYNTHGEN_BENCH_DATA")
    if not root:
        sys.exit("SYNTHGEN_BENCH_DATA is not set: name the folder that holds anomaly/tsb/*.csv of TSB-AD")
    table = pd.read_csv(Path(root) / "anomaly" / "tsb" / f"{name}.csv").to_numpy(dtype=np.float64)
    found = re.search(r"_tr_(\d+)_", name)
    assert found is not None
    return table[:, :-1].T, table[:, -1] > 0, int(found.group(1))


def sub_pca(series: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """TSB-AD's Sub-PCA: distances of standardised windows to all components, weighted by inverse explained variance.

    The distances depend on the components' signs, which scikit-learn chose by U when the figures were published.
    """
    windows = np.lib.stride_tricks.sliding_window_view(series, window)
    x = StandardScaler().fit_transform(windows)
    x = x[:, np.any(x != 0, axis=0)]
    u, singular, v = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    _, components = svd_flip(u, v, u_based_decision=True)
    score = np.sum(cdist(x, components) / (np.square(singular) / np.square(singular).sum()), axis=1)
    before, after = math.ceil((window - 1) / 2), (window - 1) // 2
    return np.concatenate([np.full(before, score[0]), score, np.full(after, score[-1])])


def measure(name: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """VUS-PR and average precision of every detector of ours on one series."""
    values, labels, border = load(name)
    tolerance = period(values[0])
    window = window_length(border, tolerance)
    train = values[:, :border]
    windows = np.stack([train[:, start : start + window] for start in range(0, border - window + 1, 2)])
    overrides = {"preset": "fast", "train": {"threads": chosen.threads}}
    scorer = synthgen.Scorer("timeseries", samples=chosen.samples, overrides=overrides, seed=seed).fit(windows)
    found = score_steps(scorer.calibrated_, values, stride=max(1, window // 8))
    scores = dict(found.scores) | {"map": found.map}
    oddest: list[int] = []
    if found.channels is not None:
        scores["worst channel"] = found.channels.max(axis=0)
        oddest = np.argsort(-found.channels[:, labels].mean(axis=1))[:5].tolist()
    return {
        "series": name,
        "seed": seed,
        "window": window,
        "tolerance": tolerance,
        "channels": len(values),
        "oddest_channels_in_anomalies": oddest,
        "vus_pr": {key: vus_pr(value, labels, tolerance) for key, value in scores.items()},
        "average_precision": {key: float(average_precision_score(labels, value)) for key, value in scores.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60_000, help="of training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--series", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with Recording("tsb_ad", seeds=chosen.seeds) as recording:
        checked = {}
        for name in chosen.series:
            values, labels, _ = load(name)
            if "Sub-PCA" in PUBLISHED[name]:
                tolerance = period(values[0])
                ours = vus_pr(sub_pca(values[0], tolerance), labels, tolerance)
                checked[name] = {"ours": ours, "published": PUBLISHED[name]["Sub-PCA"], "tolerance": tolerance}
                print(f"Sub-PCA on {name[:20]}: {ours:.5f}, published {PUBLISHED[name]['Sub-PCA']:.5f}", flush=True)
        single = []
        for name in chosen.series:
            for seed in chosen.seeds:
                single.append(recording.once(f"{name} {seed}", partial(measure, name, seed, chosen)))
                shown = "  ".join(f"{key} {value:.3f}" for key, value in single[-1]["vus_pr"].items())
                print(f"{name[:16]} seed {seed}: {shown}", flush=True)
        mean = {
            name: {
                key: statistics.fmean(item["vus_pr"][key] for item in single if item["series"] == name)
                for key in next(item for item in single if item["series"] == name)["vus_pr"]
            }
            for name in chosen.series
        }
        recording.results = {"sub_pca": checked, "mean_vus_pr": mean, "published": PUBLISHED, "single": single}
        for name, values_of in mean.items():
            best, figure = PUBLISHED[name]["best"]
            print(
                f"{name[:16]}: fusion {values_of['fusion']:.3f}, map {values_of['map']:.3f}; best {best} {figure:.3f}"
            )


if __name__ == "__main__":
    main()
