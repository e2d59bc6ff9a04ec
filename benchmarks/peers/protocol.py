"""What every contender gets and gives back, so that none of them sees more than another.

    PYTHON peers/NAME.py TASK.json

The task names a `.npz` with `images` (N, C, H, W) in [-1, 1] and `labels` (N,), the seconds of training, the seed, the
threads, the labels wanted and the variant of settings. The contender writes `images` (M, C, H, W), float, for those
labels, and how it spent its time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["Task", "batches", "run"]

_BATCH = 128
_SAMPLING_BATCH = 256


@dataclass(frozen=True)
class Task:
    """What one contender is asked to do once."""

    images: torch.Tensor
    labels: torch.Tensor
    wanted: torch.Tensor
    seconds: float
    seed: int
    variant: Mapping[str, Any]

    def computing(self) -> torch.autocast:
        """Where the network runs: in bfloat16 if the variant says `precision: bf16`."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.variant.get("precision") == "bf16")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.labels.max()) + 1


def batches(task: Task) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
    """Random batches (images, labels, share of the time gone) until the time is up."""
    generator = torch.Generator().manual_seed(task.seed)
    started = time.monotonic()
    while (gone := (time.monotonic() - started) / task.seconds) < 1:
        rows = torch.randint(len(task.images), (min(_BATCH, len(task.images)),), generator=generator)
        yield task.images[rows], task.labels[rows], gone


def run(contend: Callable[[Task], Callable[[torch.Tensor], torch.Tensor]]) -> None:
    """Read the task, train, sample, write.

    Args:
        contend: trains for `task.seconds` and returns the function from labels to images.
    """
    path = Path(sys.argv[1])
    given = json.loads(path.read_text(encoding="utf-8"))
    torch.set_num_threads(given["threads"])
    torch.manual_seed(given["seed"])
    with np.load(given["data"]) as data:
        images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])
        wanted = torch.from_numpy(data["wanted"])
    task = Task(images, labels, wanted, given["seconds"], given["seed"], given["variant"])
    started = time.monotonic()
    sample = contend(task)
    trained = time.monotonic()
    with torch.no_grad(), task.computing():
        made = torch.cat([sample(part) for part in wanted.split(_SAMPLING_BATCH)])
    spent = {"training": trained - started, "sampling": time.monotonic() - trained}
    np.savez(given["out"], images=made.float().numpy(), spent=json.dumps(spent))
