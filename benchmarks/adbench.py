"""Anomaly scores on sets of ADBench, beside kNN, LOF, isolation forest, PCA and Mahalanobis distance.

Protocol P is that of Livernoche et al. (2024, arXiv:2305.18593, vicliv/DTE): below 1,000 rows a bootstrap to 1,000; the
first half of the normal rows trains, the rest and all anomalies test; standard scaling; five seeds. Their published kNN
column (fifth neighbour) is reproduced, which shows that the data and the measure are the same.

Protocol R repairs it: no bootstrap (it puts copies of training rows into the test), the normal rows are shuffled for
each seed and halved. A fifth of our half only calibrates; the classical detectors train on the whole half.

    SYNTHGEN_BENCH_DATA=... python benchmarks/adbench.py --protocol P
    SYNTHGEN_BENCH_DATA=... python benchmarks/adbench.py --protocol R --seeds 0 1 2 3 4
    SYNTHGEN_BENCH_DATA=... python benchmarks/adbench.py --protocol R --layouts     # images and series as what they are
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import Recording
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import synthgen
from synthgen.evaluation.calibration import benjamini_hochberg, false_alarm_interval
from synthgen.evaluation.detectors import detectors

PUBLISHED_KNN = {
    "20_letter": 35.43,
    "26_optdigits": 93.72,
    "28_pendigits": 99.87,
    "30_satellite": 82.24,
    "40_vowels": 82.21,
    "41_Waveform": 75.21,
    "45_wine": 99.19,
    "6_cardio": 92.00,
}
"""Mean AUROC over five seeds in the README of vicliv/DTE at 0786ae9, table 1 (semi-supervised), column KNN."""

_COARSE_ALPHA = 0.5  # `predict` is not used, and the smallest set has 12 calibration records

MOST_ROWS = {"P": 50_000, "R": 10_000}


def load(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    root = os.environ.get("SYNTHGEN_BENCH_DATA")
    if not root:
        sys.exit("SYNTHGEN_BENCH_DATA is not set: name the folder that holds anomaly/adbench/*.npz of ADBench")
    # the only place that allows pickles: ADBench's own files need it
    arrays = np.load(Path(root) / "anomaly" / "adbench" / f"{name}.npz", allow_pickle=True)
    return arrays["X"].astype(np.float64), arrays["y"].ravel().astype(np.int64)


Split = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def protocol_p(name: str, seed: int) -> Split:
    """Training rows, test rows and the truth of the test rows."""
    x, y = load(name)
    if len(y) < 1000:
        rows = np.random.RandomState(seed).choice(np.arange(len(y)), 1000, replace=True)
        x, y = x[rows], y[rows]
    if len(y) > MOST_ROWS["P"]:
        rows = np.random.RandomState(seed).choice(np.arange(len(y)), MOST_ROWS["P"], replace=False)
        x, y = x[rows], y[rows]
    normal, anomalous = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    train, test = np.split(normal, [math.ceil(0.5 * len(normal))])
    test = np.concatenate([test, anomalous])
    scaler = StandardScaler().fit(x[train])
    return scaler.transform(x[train]), scaler.transform(x[test]), y[test]


def protocol_r(name: str, seed: int) -> Split:
    """The same, repaired and unscaled."""
    x, y = load(name)
    draws = np.random.default_rng(seed)
    if len(y) > MOST_ROWS["R"]:
        rows = draws.choice(len(y), MOST_ROWS["R"], replace=False)
        x, y = x[rows], y[rows]
    normal = draws.permutation(np.flatnonzero(y == 0))
    train, test = np.split(normal, [len(normal) // 2])
    test = np.concatenate([test, np.flatnonzero(y == 1)])
    return x[train], x[test], y[test]


def reproduce(names: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """kNN (distance to the fifth neighbour) under protocol P, beside the published figures."""
    found = {}
    for name in names:
        values = []
        for seed in seeds:
            train, test, truth = protocol_p(name, seed)
            distance = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0][:, -1]
            values.append(100 * float(roc_auc_score(truth, distance)))
        mean = statistics.fmean(values)
        found[name] = {"knn": mean, "by_seed": values, "published": PUBLISHED_KNN.get(name)}
        print(f"{name:14s} {mean:7.2f}   published {PUBLISHED_KNN.get(name, float('nan')):7.2f}", flush=True)
    return found


def layout(name: str, x: NDArray[np.float64]) -> tuple[str, NDArray[Any]]:
    """The modality of a set that really is one of images or series, and its records."""
    match name:
        case "26_optdigits":
            return "image", np.rint(x.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        case "30_satellite":
            return "image", np.rint(x.reshape(-1, 3, 3, 4)).astype(np.uint8)
        case "41_Waveform":
            return "timeseries", x[:, None, :]
        case "28_pendigits":
            return "timeseries", np.stack([x[:, 0::2], x[:, 1::2]], axis=1)
    raise ValueError(name)


LAYOUTS = ("26_optdigits", "30_satellite", "41_Waveform", "28_pendigits")


def compare(name: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """One set and one seed under protocol R: AUROC and average precision of all, promises of ours."""
    train, test, truth = protocol_r(name, seed)
    scaler = StandardScaler().fit(train)
    flat_train, flat_test = scaler.transform(train), scaler.transform(test)
    scores: dict[str, NDArray[np.float64]] = {}
    for detector, made in detectors(seed).items():
        scores[detector] = made.fit(flat_train).score(flat_test)
    modality, records, tested = "vectors", train, test
    if chosen.layouts:
        modality, records = layout(name, train)
        _, tested = layout(name, test)
    overrides: dict[str, Any] = {"train": {"threads": chosen.threads}}
    started = time.perf_counter()
    scorer = synthgen.Scorer(
        modality,
        samples=chosen.samples,
        minutes=chosen.minutes,
        overrides=overrides,
        seed=seed,
        family=chosen.family,
        alpha=_COARSE_ALPHA,
    ).fit(records)
    trained = time.perf_counter() - started
    started = time.perf_counter()
    ours = scorer.detectors(tested)
    seconds = time.perf_counter() - started
    mine = (chosen.family, "kernel", "fusion", "fusion_knn")
    scores |= {key: ours[key] for key in mine}
    promises = {}
    for key in mine:
        p = scorer.calibrated_.p_values(key, ours[key])
        normal = truth == 0
        low, high = false_alarm_interval(scorer.calibrated_.calibration_size, int(normal.sum()))
        flagged = benjamini_hochberg(p) <= 0.1
        alarms = int((p[normal] <= 0.05).sum())
        promises[key] = {
            "false_alarms": alarms / int(normal.sum()),
            "expected": [low / int(normal.sum()), high / int(normal.sum())],
            "holds": low <= alarms <= high,
            "flagged": int(flagged.sum()),
            "false_discoveries": float(flagged[normal].sum() / max(1, flagged.sum())),
            "found": float(flagged[~normal].mean()),
        }
    return {
        "set": name,
        "seed": seed,
        "modality": modality,
        "auroc": {key: 100 * float(roc_auc_score(truth, values)) for key, values in scores.items()},
        "average_precision": {
            key: 100 * float(average_precision_score(truth, values)) for key, values in scores.items()
        },
        "promises": promises,
        "rows": {"train": len(train), "test": len(test), "anomalies": int(truth.sum())},
        "seconds": {"fit": trained, "score": seconds},
        "records_a_second": len(test) / seconds,
    }


def remembered(name: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """`compare`, once for each set and seed."""
    if chosen.parts is None:
        return compare(name, seed, chosen)
    path = chosen.parts / f"{name}-{seed}.json"
    if not path.exists():
        found = compare(name, seed, chosen)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def paired(single: list[dict[str, Any]], ours: str, rival: str, measure: str = "auroc") -> dict[str, Any]:
    """Mean difference of a detector to a rival, with 95 % intervals over sets and seeds, and over seeds alone."""
    names = sorted({item["set"] for item in single})
    by_set = [
        np.array([item[measure][ours] - item[measure][rival] for item in single if item["set"] == name])
        for name in names
    ]
    draws = np.random.default_rng(0)
    both, seeds_only = [], []
    for _ in range(10_000):
        resampled = [values[draws.integers(0, len(values), len(values))].mean() for values in by_set]
        seeds_only.append(np.mean(resampled))
        both.append(np.mean(np.array(resampled)[draws.integers(0, len(names), len(names))]))
    return {
        "difference": float(np.mean([values.mean() for values in by_set])),
        "interval_over_sets_and_seeds": [float(value) for value in np.quantile(both, [0.025, 0.975])],
        "interval_over_seeds": [float(value) for value in np.quantile(seeds_only, [0.025, 0.975])],
        "worst_set": float(min(values.mean() for values in by_set)),
        "by_set": {name: float(values.mean()) for name, values in zip(names, by_set, strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=["P", "R"], default="R")
    parser.add_argument("--sets", nargs="+", default=list(PUBLISHED_KNN))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--samples", type=int, help="of training; unset: the modality's own choice")
    parser.add_argument("--minutes", type=float, help="of training instead of samples")
    parser.add_argument("--family", default="denoising")
    parser.add_argument("--layouts", action="store_true", help="image and series sets through their own modalities")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", type=Path, help="keep each set and seed here and take up those that are there")
    parser.add_argument("--name", help="of the record")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.protocol == "P":
        with Recording(chosen.name or "adbench_p", seeds=chosen.seeds) as recording:
            recording.results = reproduce(chosen.sets, chosen.seeds)
        return
    names = [name for name in chosen.sets if not chosen.layouts or name in LAYOUTS]
    with Recording(chosen.name or ("adbench_layouts" if chosen.layouts else "adbench_r"), seeds=chosen.seeds) as record:
        single = []
        for seed in chosen.seeds:
            for name in names:
                single.append(remembered(name, seed, chosen))
                shown = "  ".join(f"{key} {value:.1f}" for key, value in single[-1]["auroc"].items())
                print(f"seed {seed}  {name:14s} {shown}", flush=True)
        keys = list(single[0]["auroc"])
        mean = {
            measure: {
                key: statistics.fmean(
                    statistics.fmean(item[measure][key] for item in single if item["set"] == name) for name in names
                )
                for key in keys
            }
            for measure in ("auroc", "average_precision")
        }
        against = {key: paired(single, key, "knn") for key in keys if key != "knn"}
        broken = [
            f"{item['set']} seed {item['seed']} {key}"
            for item in single
            for key, promise in item["promises"].items()
            if not promise["holds"]
        ]
        record.results = {
            "mean": mean,
            "against_knn": against,
            "calibrations_outside_their_95_percent_interval": broken,
            "calibrations": sum(len(item["promises"]) for item in single),
            "records_a_second": statistics.median(item["records_a_second"] for item in single),
            "single": single,
        }
        print(
            f"\nmean AUROC over {len(names)} sets and {len(chosen.seeds)} seeds; difference to kNN, over sets and seeds"
        )
        for key in sorted(keys, key=lambda key: -mean["auroc"][key]):
            low, high = against[key]["interval_over_sets_and_seeds"] if key in against else (0.0, 0.0)
            worst = against[key]["worst_set"] if key in against else 0.0
            print(f"  {key:12s} {mean['auroc'][key]:6.2f}   [{low:+.2f}, {high:+.2f}]   worst set {worst:+.2f}")


if __name__ == "__main__":
    main()
