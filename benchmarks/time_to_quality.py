"""How long a library has to train until its images serve: synthgen beside three others on the same images.

    python benchmarks/time_to_quality.py --peer-python .peers/bin/python
    python benchmarks/time_to_quality.py --peer-python .peers/bin/python --data mnist --shortest 120

Images serve when three figures of `image_peers.py` hold together: `tstr` at least 0.95 of `trtr`, `frechet` at most
twice that of the training images, `c2st` at most 0.60. Every budget is a training of its own, so that its learning rate
falls to its end. synthgen trains for `--shortest` seconds, then twice as long, until its images serve. Each peer is
tried with all its settings for so long, and with the best of them, by `tstr`, for `--factor` times as long: if its
images serve, for half of that, and so on. `factor` is how much longer than synthgen a peer has to train: the longest
training after which its images did not serve, over synthgen's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image_peers import VARIANTS, contend, judge, read
from record import Recording

Figures = Mapping[str, Any]
Contest = Callable[[str, Mapping[str, Any], float, int], Figures]
"""Figures of a contender, by its name, settings, seconds of training and seed."""

_LONGEST = 1920.0
"""Seconds after which synthgen's images are given up."""


def serves(figures: Figures, real: Figures) -> bool:
    """Whether images with these figures hold all three lines."""
    return bool(
        figures["tstr"] >= 0.95 * real["tstr"] and figures["frechet"] <= 2 * real["frechet"] and figures["c2st"] <= 0.6
    )


def ours(contest: Contest, real: Figures, shortest: float, seed: int) -> dict[str, Any]:
    """The first budget at which synthgen's images serve, and all that were tried."""
    seconds, tried = shortest, []
    while seconds <= _LONGEST:
        figures = contest("ours", {}, seconds, seed)
        tried.append({"budget": seconds, **figures})
        if serves(figures, real):
            return {"seconds": seconds, "tried": tried}
        seconds *= 2
    return {"seconds": None, "tried": tried}


def peer(
    contest: Contest, real: Figures, name: str, settings: list[dict[str, Any]], seconds: float, factor: float, seed: int
) -> dict[str, Any]:
    """How a peer does with its best settings for `factor` times the seconds, and for half, while that serves."""
    short = [{"budget": seconds, "variant": one, **contest(name, one, seconds, seed)} for one in settings]
    best = max(short, key=lambda row: float(row["tstr"]))["variant"]
    budget, tried = seconds * factor, []
    while budget > seconds:
        figures = contest(name, best, budget, seed)
        tried.append({"budget": budget, "variant": best, **figures})
        if not serves(figures, real):
            break
        budget /= 2
    served = [row["budget"] for row in tried if serves(row, real)]
    failed = max([row["budget"] for row in (*short, *tried) if row["budget"] not in served], default=0.0)
    return {"served_after": min(served, default=None), "factor": failed / seconds, "tried": [*short, *tried]}


def main() -> None:
    """Run all contenders, judge, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--shortest", type=float, default=15.0, help="seconds of training that are tried first")
    parser.add_argument("--factor", type=float, default=10.0, help="how much longer peers train")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peers", nargs="*", choices=[name for name in VARIANTS if name != "ours"],
                        default=[name for name in VARIANTS if name != "ours"])  # fmt: skip
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--peer-precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    images, labels, test_images, test_labels = read(options.data)
    wanted = np.random.default_rng(0).permutation(labels)
    real = judge(images, labels, test_images, test_labels)
    with (
        tempfile.TemporaryDirectory() as folder,
        Recording(f"time_to_quality_{options.data}", seeds=options.seeds) as recording,
    ):
        data = Path(folder) / "data.npz"
        np.savez(data, images=images, labels=labels, wanted=wanted)

        def contest(name: str, variant: Mapping[str, Any], seconds: float, seed: int) -> Figures:
            def once() -> Figures:
                python = sys.executable if name == "ours" else options.peer_python
                asked = variant if name == "ours" else {**variant, "precision": options.peer_precision}
                made, spent = contend(
                    name, asked, data, python=python, seconds=seconds, seed=seed, threads=options.threads
                )
                return {**judge(made, wanted, test_images, test_labels), **spent}

            found: Figures = recording.once(f"{name} {dict(variant)} {seconds:g} s seed {seed}", once)
            print(name, dict(variant), f"{seconds:g} s, seed {seed}:", found, flush=True)
            return found

        rows = []
        for seed in options.seeds:
            row: dict[str, Any] = {"seed": seed, "ours": ours(contest, real, options.shortest, seed)}
            if (seconds := row["ours"]["seconds"]) is not None:
                for name in options.peers:
                    row[name] = peer(contest, real, name, VARIANTS[name], seconds, options.factor, seed)
            rows.append(row)
        recording.results = {"real": real, "threads": options.threads, "median": _medians(rows, options.peers)}
        recording.results["runs"] = rows
        print(recording.results["median"])


def _medians(rows: list[dict[str, Any]], peers: list[str]) -> dict[str, Any]:
    """Of the seconds that synthgen took and of each peer's factor; None where synthgen's images did not serve."""
    served = [row for row in rows if row["ours"]["seconds"] is not None]
    if len(served) < len(rows):
        return {"ours_seconds": None}
    factors = {f"{name}_factor": statistics.median(row[name]["factor"] for row in rows) for name in peers}
    return {"ours_seconds": statistics.median(row["ours"]["seconds"] for row in rows), **factors}


if __name__ == "__main__":
    main()
