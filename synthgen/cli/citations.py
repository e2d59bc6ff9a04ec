"""The techniques that synthgen uses, where each comes from, and which runs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthgen.cli.citation import Shown, Technique
from synthgen.cli.citations_diffusion import DIFFUSION
from synthgen.cli.citations_evaluation import EVALUATION
from synthgen.cli.citations_training import TRAINING
from synthgen.cli.citations_watching import WATCHING

if TYPE_CHECKING:
    from synthgen.config import RunConfig
    from synthgen.generation.plan import Plan
    from synthgen.io.run import Run

__all__ = ["TECHNIQUES", "Technique", "shown_by", "used_by"]

TECHNIQUES: tuple[Technique, ...] = (*DIFFUSION, *TRAINING, *WATCHING, *EVALUATION)


def used_by(config: RunConfig, shown: Shown | None = None) -> list[Technique]:
    """The techniques that a run of this configuration uses, in the order of the table."""
    seen = shown or Shown()
    return [technique for technique in TECHNIQUES if technique.used(config) or technique.shown(seen)]


def shown_by(run: Run, plan: Plan | None = None) -> Shown:
    """What a run, and a data set that was made with it, show beside the configuration."""
    from synthgen.generation.imputing import chosen_method

    given = None if plan is None else plan.given
    return Shown(
        dense=any(condition.kind == "dense" for condition in run.schema.conditions),
        started=run.facts.get("init") is not None,
        rehearsed="continued" in run.facts and run.config.train.rehearsal > 0,
        use="" if given is None else given.use,
        method=chosen_method(run, given.method) if given is not None and given.regions else "",
        vetted=plan is not None and plan.vetting is not None,
    )
