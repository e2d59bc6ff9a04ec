"""synthgen as its users have it: the image modality's defaults and a time budget."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.protocol import Task, run

from synthgen.config import merge
from synthgen.generation import generate_records
from synthgen.training import train


def contend(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    """Train through the public API on the task's images as an `.npz` file."""
    folder = Path(tempfile.mkdtemp())
    pixels = ((task.images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    np.savez(folder / "data.npz", X=pixels, y=task.labels.numpy().astype(str))
    budget = {
        "modality": "image",
        "data": {"path": str(folder / "data.npz"), "holdout": 0.05, "calibration": 0.05},
        "train": {"minutes": task.seconds / 60, "seed": task.seed, "early_stop": False},
    }
    trained = train(merge(budget, task.variant), out=folder / "run")
    names = trained.schema.labels
    made = 0

    def sample(labels: torch.Tensor) -> torch.Tensor:
        nonlocal made
        counts = {name: int((labels == int(name)).sum()) for name in names}
        records = generate_records(
            trained, n=len(labels), counts={name: k for name, k in counts.items() if k}, seed=task.seed + made
        )
        made += 1
        images = torch.from_numpy(records["image"]).permute(0, 3, 1, 2).float() / 127.5 - 1
        assert records.label is not None
        own = torch.tensor([int(names[label]) for label in records.label])
        result = torch.empty_like(images)
        for label in labels.unique():
            result[labels == label] = images[own == label]
        return result

    return sample


if __name__ == "__main__":
    run(contend)
