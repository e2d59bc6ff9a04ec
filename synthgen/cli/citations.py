"""The techniques that synthgen uses, where each comes from, and which runs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthgen.cli.citation import Technique
from synthgen.cli.citations_diffusion import DIFFUSION
from synthgen.cli.citations_evaluation import EVALUATION
from synthgen.cli.citations_training import TRAINING

if TYPE_CHECKING:
    from synthgen.config import RunConfig

__all__ = ["TECHNIQUES", "Technique", "used_by"]

TECHNIQUES: tuple[Technique, ...] = (*DIFFUSION, *TRAINING, *EVALUATION)


def used_by(config: RunConfig) -> list[Technique]:
    """The techniques that a run of this configuration uses, in the order of the table."""
    return [technique for technique in TECHNIQUES if technique.used(config)]
