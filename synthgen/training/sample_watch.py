"""A few records sampled in the middle of training: copies of training records, and classes that all look the same.

    copies      share of samples with d_1 / d_2 < 1/3, the distances to the nearest and second nearest training record
                (arXiv:2505.16959); the same share among held-out records is what chance gives
    diversity   by class, the variance among samples over the variance among training records; near 0 is mode collapse

Distances are between encoded records. The same noise and conditions serve each time, so two checks differ by the
weights alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from synthgen.api import Batch, Schema
from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.seeding import generator
from synthgen.training.sampling import sample

__all__ = ["SampleCheck", "SampleWatch", "copy_share"]

_SAMPLES = 64
_EVALUATIONS = 8  # enough to tell copies and collapse; the check is to cost about a hundredth of a minute of training
_CLASSES = 16
_FEWEST_IN_CLASS = 4
_REFERENCE = 10_000
_NEAR = 1 / 3
_TOLERATED_COPIES = 0.05
_COLLAPSED = 0.2


@dataclass(frozen=True)
class SampleCheck:
    """What one look at samples found.

    Args:
        copies: share of samples that are copies.
        chance: the same share among held-out records.
        n, n_chance: how many of each were looked at.
        diversity: by class name, or `all`, the variance among samples over that among training records.
    """

    copies: float
    chance: float
    n: int
    n_chance: int
    diversity: Mapping[str, float]

    @property
    def memorised(self) -> bool:
        """Whether more samples are copies than chance explains, and more than a few."""
        low = binomtest(round(self.copies * self.n), self.n).proportion_ci(0.95, method="wilson").low
        high = binomtest(round(self.chance * self.n_chance), self.n_chance).proportion_ci(0.95, method="wilson").high
        return bool(low > max(_TOLERATED_COPIES, high))

    @property
    def collapsed(self) -> list[str]:
        """Names of the classes whose samples hardly differ."""
        return [name for name, ratio in self.diversity.items() if ratio < _COLLAPSED]


class SampleWatch:
    """Samples and looks.

    Args:
        config: of the run; its sampling defaults are used, without guidance and in at most eight evaluations.
        schema: of the run.
        training: encoded training records, at most 10,000 of them are compared with.
        held_out: encoded records never trained on.
    """

    def __init__(self, config: RunConfig, schema: Schema, training: Batch, held_out: Batch) -> None:
        steps = min(_EVALUATIONS, config.sampling.steps)
        self._config = config.model_copy(update={"sampling": config.sampling.model_copy(update={"steps": steps})})
        self._schema = schema
        self._reference = training.x[:_REFERENCE].flatten(1)
        self._chance = copy_share(held_out.x.flatten(1), self._reference)
        self._n_chance = len(held_out.x)
        seed = config.train.seed
        groups = _groups(training.conditions.get("label") if schema.labels else None, schema.labels, seed)
        groups = groups or {"all": torch.arange(len(training.x))}
        each = max(_FEWEST_IN_CLASS, _SAMPLES // len(groups))
        self._rows: dict[str, Tensor] = {}
        self._spread: dict[str, float] = {}
        chosen: list[Tensor] = []
        for name, rows in groups.items():
            draws = generator(seed, f"watch-{name}").integers(0, len(rows), each)
            start = each * len(chosen)
            chosen.append(rows[torch.from_numpy(draws)])
            self._rows[name] = torch.arange(start, start + each)
            self._spread[name] = _variance(training.x[rows])
        picked = torch.cat(chosen)
        self._conditions = {name: values[picked] for name, values in training.conditions.items()}
        self._size = len(picked)

    def sample(self, denoiser: AnyDenoiser, device: torch.device, precision: str) -> tuple[Tensor, dict[str, Tensor]]:
        """Samples `(N, C, *spatial)` on the CPU, and the conditions they were made with."""
        x = sample(
            denoiser,
            self._conditions,
            self._config,
            self._schema,
            count=self._size,
            device=device,
            precision=precision,
        )
        return x, self._conditions

    def look(self, x: Tensor) -> SampleCheck:
        """What the samples `(N, C, *spatial)` of `sample` tell."""
        diversity = {
            name: _variance(x[rows]) / self._spread[name] for name, rows in self._rows.items() if self._spread[name] > 0
        }
        return SampleCheck(copy_share(x.flatten(1), self._reference), self._chance, len(x), self._n_chance, diversity)


def copy_share(queries: Tensor, reference: Tensor) -> float:
    """Share of the queries `(N, D)` that lie three times nearer to one reference record `(M, D)` than to any other."""
    if len(reference) < 2:
        return 0.0
    count = 0
    for part in torch.split(queries, 256):
        nearest = torch.cdist(part, reference).topk(2, largest=False).values  # (n, 2)
        count += int((nearest[:, 0] < _NEAR * nearest[:, 1]).sum())
    return count / len(queries)


def _groups(label: Tensor | None, names: Sequence[str], seed: int) -> dict[str, Tensor]:
    """Rows by class name: at most 16 classes, each with enough records to speak of a variance."""
    if label is None:
        return {}
    counts = np.bincount(label[label >= 0].numpy(), minlength=len(names))
    order = generator(seed, "watch-classes").permutation(len(names))
    kept = sorted(int(k) for k in [k for k in order if counts[k] >= _FEWEST_IN_CLASS][:_CLASSES])
    return {names[k]: (label == k).nonzero().flatten() for k in kept}


def _variance(x: Tensor) -> float:
    return float(x.flatten(1).var(dim=0).sum()) if len(x) > 1 else 0.0
