"""What a training keeps at its end: which average of the weights, and with what guidance it samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from synthgen.distributed import Ranks
from synthgen.training import guiding
from synthgen.training.averages import Averages
from synthgen.training.loop import Trainer
from synthgen.training.watching import Watching

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """The weights that stay, and from what they were chosen.

    Args:
        weights: name -> tensor.
        width: relative width of their average; None: the best on the way of a training that ended early.
        averages: all widths at the end.
        losses: held-out loss of each.
        loss: held-out loss of the weights that stay.
        utility: of each, with `ema.choose=utility`.
        distances: to unseen records, for each weight of guidance that was tried.
    """

    weights: Mapping[str, Tensor]
    width: float | None
    averages: Mapping[float, dict[str, Tensor]]
    losses: Mapping[float, float]
    loss: float
    utility: Mapping[float, float] = field(default_factory=dict)
    distances: Mapping[float, float] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As `run.json` keeps it."""
        return {
            "held_out": {f"{width:g}": loss for width, loss in self.losses.items()},
            "held_out_kept": self.loss,
            "utility": {f"{width:g}": value for width, value in self.utility.items()},
            "ema_width": self.width,
            "guidance": min(self.distances, key=lambda w: self.distances[w]) if self.distances else None,
            "guidance_tried": {f"{weight:g}": round(distance, 5) for weight, distance in self.distances.items()},
        }


def choose(trainer: Trainer, watching: Watching, averages: Averages, ranks: Ranks, *, early: bool) -> Choice:
    """Compare the averages; on the first process try the weights of guidance.

    Args:
        trainer: at its end.
        watching: measures.
        averages: to choose from.
        ranks: all processes of the training call this together.
        early: training was ended because it got worse, so the best weights on the way are taken.
    """
    candidates = averages.candidates(trainer.samples)
    losses = {width: watching.held_out_loss(weights).total for width, weights in candidates.items()}
    best = watching.best if early else {}
    width, utility = ranks.agreed(min(losses, key=lambda w: losses[w])), {}
    if not best and trainer.config.ema.choose == "utility":
        utility = {w: watching.utility(weights) for w, weights in candidates.items()}
        width = ranks.agreed(max(utility, key=lambda w: utility[w]))
    weights = best or candidates[width]
    loss = watching.held_out_loss(weights).total if best else losses[width]
    tries = guiding.records_to_try(trainer.config, trainer.samples, conditions=watching.conditional)
    distances = watching.guidance(weights, tries) if tries and ranks.leads else {}
    return Choice(weights, None if best else width, candidates, losses, loss, utility, distances)
