"""The first half of a super-resolution run's generation: the small pictures, made by the run that it names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Records
from synthgen.data.super_resolution import LOW_RESOLUTION, enlarged, low_resolution_of
from synthgen.errors import RunError
from synthgen.generation.plan import Plan
from synthgen.io.run import Run
from synthgen.seeding import derive_seed, standard_normal

__all__ = ["LowResolution", "low_run_of"]

_NOISE = 0.1

Make = Callable[[Run, Plan, Sequence[int], NDArray[np.int64] | None, Mapping[str, Tensor]], Records]


def low_run_of(run: Run) -> Run:
    """The run that makes the small pictures: where it was at training, or beside this one.

    Raises:
        RunError: it is in neither place, or is another run by now.
    """
    facts: dict[str, Any] = run.facts["upsample_from"]
    there = Path(facts["run"])
    found = next((path for path in (there, run.path.parent / there.name) if (path / "run.json").exists()), None)
    if found is None:
        raise RunError(
            f"{run.path} enlarges what {there} makes, and that run is gone",
            hint=f"Put it back, or beside {run.path}.",
        )
    low = Run.open(found)
    if low.fingerprint != facts["model"]:
        raise RunError(
            f"{found} is not the run that {run.path} was trained to enlarge: its model is another",
            hint="Train the larger run again with --upsample-from.",
        )
    return low


class LowResolution:
    """The condition of records to generate.

    Args:
        run: a super-resolution run.
        plan: of the data set.
        make: makes records with given labels and conditions.
    """

    def __init__(self, run: Run, plan: Plan, make: Make) -> None:
        self._run, self._make = run, make
        self._low = low_run_of(run)
        self._codec = run.codec()
        self._seed = plan.seed
        self._plan = dataclasses.replace(
            plan,
            seed=derive_seed(plan.seed, "low resolution"),
            sampling=self._low.config.sampling.model_copy(update={"batch_size": plan.sampling.batch_size}),
            precision=str(self._low.facts["precision"]),
            given=None,
        )

    @staticmethod
    def needed(run: Run, plan: Plan) -> bool:
        """Whether there is a first half: given records bring their own small versions."""
        return plan.given is None and low_resolution_of(run.schema) is not None

    def __call__(
        self, sample_ids: Sequence[int], labels: NDArray[np.int64] | None, conditions: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Name -> tensor `(N, C, H, W)`, lightly noised as in training; a function of (plan, sample id) alone.

        Args:
            sample_ids: which records.
            labels: of each, index into the run's; None for unlabelled data.
            conditions: of each, which the small pictures are made with too.
        """
        height, width = self._run.schema.shape[1:]
        small = self._make(self._low, self._plan, sample_ids, labels, conditions)
        low = self._codec.encode(enlarged(small, (height, width))).conditions[LOW_RESOLUTION]
        noise = standard_normal(self._seed, "conditioning", sample_ids, low.shape[1:])
        return {LOW_RESOLUTION: low + _NOISE * torch.from_numpy(noise)}
