"""Class-conditional images side by side, equal time: synthgen, diffusers, denoising-diffusion-pytorch and azula.

    python benchmarks/image_peers.py --peer-python .peers/bin/python --seconds 60
    python benchmarks/image_peers.py --peer-python .peers/bin/python --data mnist --seconds 600

The peers live in an environment of their own (`pip install torch diffusers denoising-diffusion-pytorch azula`). Each
trains on the same images for the same wall time with the same number of threads, then makes as many images, with the
same labels, as it trained on; all go through the same 8-bit rounding. Each peer is tried with several settings on the
first seed, and its best one, by `tstr`, runs on the others; all are recorded.

`tstr`: accuracy of a support-vector machine trained on the synthetic images, on test images; `trtr` the same trained on
real ones. `frechet`: of pixels in [-1, 1], against the test images; `floor` that of the training images. `c2st`:
five-fold accuracy of a support-vector machine in telling synthetic from test images, equal n; 0.5 is chance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import Recording
from series_data import data_folder
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.svm import SVC

from synthgen.config import DataConfig
from synthgen.data.opening import open_source

HERE = Path(__file__).parent

_TUNED = {"lr": 1e-3, "width": 48}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "ours": [{}],
    "diffusers_unet": [
        {"lr": 1e-4, "schedule": "linear", "sampler": "ddim", "steps": 50},
        {**_TUNED, "schedule": "linear", "sampler": "ddim", "steps": 50},
        {**_TUNED, "schedule": "linear", "sampler": "dpm", "steps": 25},
        {**_TUNED, "schedule": "squaredcos_cap_v2", "sampler": "ddim", "steps": 50},
    ],
    "ddpm_pytorch": [
        {"lr": 1e-4, "objective": "pred_noise"},
        {**_TUNED, "objective": "pred_noise"},
        {**_TUNED, "objective": "pred_v"},
    ],
    "azula_unet": [
        {"lr": 1e-3, "sampler": "heun", "steps": 18},
        {**_TUNED, "sampler": "ddim", "steps": 50},
        {**_TUNED, "lr": 2e-3, "sampler": "heun", "steps": 18},
    ],
}
"""Settings of each contender: as its documentation has it, and with learning rate, width and sampler tuned."""


def read(name: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Training and test images (N, C, H, W) in [-1, 1] with labels."""
    if name == "digits":
        images, labels = _images(DataConfig(path="digits"))
        parts = train_test_split(images, labels, test_size=0.3, random_state=0, stratify=labels)
        return parts[0], parts[2], parts[1], parts[3]
    folder = data_folder() / "images/mnist"
    train, test = (_images(DataConfig(path=str(folder / f"{part}.parquet"))) for part in ("train", "test"))
    return train[0][:10_000], train[1][:10_000], test[0][:5_000], test[1][:5_000]


def _images(options: DataConfig) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    source = open_source("image", options)
    assert source.labels is not None
    pixels = source.read(np.arange(len(source)))["image"].astype(np.float32)
    names = np.array([int(name) for name in source.schema.labels])
    return np.moveaxis(pixels / 127.5 - 1, -1, 1), names[source.labels]


def contend(
    name: str, variant: Mapping[str, Any], data: Path, *, python: str, seconds: float, seed: int, threads: int
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """One contender's images, rounded to 8 bits, and the seconds it spent."""
    with tempfile.TemporaryDirectory() as folder:
        task, out = Path(folder) / "task.json", Path(folder) / "out.npz"
        asked = {"data": str(data), "out": str(out), "seconds": seconds, "seed": seed, "threads": threads}
        task.write_text(json.dumps({**asked, "variant": dict(variant)}), encoding="utf-8")
        done = subprocess.run([python, str(HERE / "peers" / f"{name}.py"), str(task)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
        with np.load(out) as made:
            pixels = np.clip(np.rint((made["images"] + 1) * 127.5), 0, 255)
            return (pixels / 127.5 - 1).astype(np.float32), json.loads(str(made["spent"]))


def frechet(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Frechet distance between Gaussians fitted to rows of pixels."""
    a, b = a.reshape(len(a), -1).astype(np.float64), b.reshape(len(b), -1).astype(np.float64)
    first, second = np.cov(a.T), np.cov(b.T)
    cross = np.sqrt(np.clip(np.linalg.eigvals(first @ second).real, 0, None)).sum()  # trace of the product's root
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * cross)


def judge(
    images: NDArray[Any], labels: NDArray[Any], test_images: NDArray[Any], test_labels: NDArray[Any]
) -> dict[str, float]:
    """The three figures of one set of images."""
    flat, test = images.reshape(len(images), -1), test_images.reshape(len(test_images), -1)
    n = min(len(flat), len(test))
    both, origin = np.concatenate([flat[:n], test[:n]]), np.repeat([0, 1], n)
    return {
        "tstr": float(SVC(C=10).fit(flat, labels).score(test, test_labels)),
        "frechet": frechet(images, test_images),
        "c2st": float(cross_val_score(SVC(C=10), both, origin, cv=5).mean()),
    }


def main() -> None:
    """Run all contenders, judge, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peers", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument(
        "--peer-precision",
        choices=["fp32", "bf16"],
        default="fp32",
        help="bf16 where it is faster; on processors without AMX or avx512_bf16 it is ten times slower",
    )
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--name", default="image_peers", help="of the record")
    arguments = parser.parse_args()
    images, labels, test_images, test_labels = read(arguments.data)
    wanted = np.random.default_rng(0).permutation(labels)
    with (
        tempfile.TemporaryDirectory() as folder,
        Recording(f"{arguments.name}_{arguments.data}", seeds=arguments.seeds) as recording,
    ):
        data = Path(folder) / "data.npz"
        np.savez(data, images=images, labels=labels, wanted=wanted)
        real = judge(images, labels, test_images, test_labels)
        print("real", real, flush=True)
        results: dict[str, list[dict[str, Any]]] = {}
        for name in arguments.peers:
            ours = name == "ours"
            python = sys.executable if ours else arguments.peer_python
            precision = {} if ours else {"precision": arguments.peer_precision}

            def once(variant: Mapping[str, Any], seed: int, name: str = name, python: str = python) -> dict[str, Any]:
                made, spent = contend(
                    name, variant, data, python=python, seconds=arguments.seconds, seed=seed, threads=arguments.threads
                )
                figures = judge(made, wanted, test_images, test_labels)
                row = {"seed": seed, "variant": dict(variant), **figures, **spent}
                print(name, row, flush=True)
                return row

            first = [once({**variant, **precision}, arguments.seeds[0]) for variant in VARIANTS[name]]
            best = max(first, key=lambda row: float(row["tstr"]))
            results[name] = [*first, *(once(best["variant"], seed) for seed in arguments.seeds[1:])]
        recording.results = {
            "seconds": arguments.seconds,
            "train": len(images),
            "test": len(test_images),
            "real": real,
            "median_of_best_variant": {name: _median(rows) for name, rows in results.items()},
            "runs": results,
        }
        for name, figures in recording.results["median_of_best_variant"].items():
            print(f"{name:16}", figures)


def _median(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    best = max(rows, key=lambda row: float(row["tstr"]))["variant"]
    chosen = [row for row in rows if row["variant"] == best]
    names = ("tstr", "frechet", "c2st", "training", "sampling")
    return {"variant": best, **{name: round(statistics.median(row[name] for row in chosen), 4) for name in names}}


if __name__ == "__main__":
    main()
