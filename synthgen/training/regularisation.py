"""Dropout and weight decay by the number of training records: what is in place where neither modality nor user decides.

Few records are seen many times, and what keeps a network from remembering them is dropout: Karras et al. 2022
(arXiv:2206.00364, appendix F) used 0.13 for 50,000 records, 0.05 for 70,000 and 0.25 for 15,000. Weight decay moves
weights by lr x decay a step, which is little in a short training: `sentence` says how much.

Decay does not follow from the number of records, because nothing is gained when it does: on digits and BasicMotions, a
decay 30 times as large changed the held-out loss by less than another seed did (figures in `docs/training.md`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from synthgen.config import RunConfig
from synthgen.training.optim import rate_factor

__all__ = ["dropout_for", "sentence"]

_DROPOUT = ((50_000, 0.05), (5_000, 0.1), (0, 0.2))


def dropout_for(records: int) -> float:
    """The dropout that goes with so many training records."""
    return next(rate for fewest, rate in _DROPOUT if records >= fewest)


def sentence(config: RunConfig, records: int, overrides: Mapping[str, Any], *, continued: bool = False) -> str:
    """What is in place, why, and what it does.

    Args:
        config: of the run, with its budget.
        records: in the training part.
        overrides: the user's own choices.
        continued: whether the network is that of a run before.
    """
    dropout, decay = config.network.dropout, config.optim.weight_decay
    why = "as before" if continued else f"for {records:,} training records"
    why = "as set" if "dropout" in overrides.get("network", {}) else why
    text = f"dropout {dropout:g} ({why}), weight decay {decay:g}"
    if config.train.samples is None or not decay or config.optim.name not in ("adamw", "muon"):
        return text
    steps = config.train.samples / config.optim.batch_size
    mean = sum(rate_factor((k + 0.5) / 200, config.optim) for k in range(200)) / 200
    shrunk = 1 - math.exp(-config.optim.lr * decay * mean * steps)
    return f"{text} (by itself it takes {100 * shrunk:.2g} % off the weights)"
