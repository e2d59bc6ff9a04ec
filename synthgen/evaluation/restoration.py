"""What the model itself makes of the records: how well it restores them from noise.

- `mia_auc`, `mia_tpr`: membership inference by someone who holds the model (the loss attack on diffusion models;
  Carlini et al. 2023, Matsumoto et al. 2023): how well a low denoising error tells training from held-out records.
- `denoising_shift`: Kolmogorov-Smirnov distance between the model's own anomaly scores of synthetic and of held-out
  records; 0 when a synthetic record is as normal to the model as a real one. The floor is the distance of training
  records. Detectors that never saw the model are asked in `synthgen.evaluation.shift`.

Both use one score: the log denoising error, standardised on the held-out records at each noise level, averaged over
the levels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgen.evaluation.membership import Attack, attack_rows
from synthgen.evaluation.metric import MetricRow, guarded
from synthgen.evaluation.shift import shift_row

__all__ = ["denoising_shift", "loss_attack", "standard_scores"]

Scores = NDArray[np.float64]


def standard_scores(errors: NDArray[np.floating], reference: NDArray[np.floating]) -> Scores:
    """One score for each record `(n,)` from its errors `(n, K)` at K noise levels; higher is more anomalous."""
    logs, base = (np.log(np.maximum(np.asarray(part, dtype=np.float64), 1e-12)) for part in (errors, reference))
    return np.asarray(((logs - base.mean(axis=0)) / np.maximum(base.std(axis=0), 1e-9)).mean(axis=1))


def loss_attack(
    train: NDArray[np.floating], holdout: NDArray[np.floating], *, seed: int = 0, draws: int = 1000
) -> list[MetricRow]:
    """The rows `mia_auc` and `mia_tpr`, from denoising errors `(n, K)` of both sides at the same noises."""

    def rows() -> list[MetricRow]:
        attack = Attack(-standard_scores(train, holdout), -standard_scores(holdout, holdout))
        note = "an attack on the model; the data set alone does not allow it"
        return attack_rows("mia", attack, note=note, seed=seed, draws=draws)

    return guarded(["mia_auc", "mia_tpr"], rows)


def denoising_shift(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    *,
    seed: int = 0,
    draws: int = 500,
) -> list[MetricRow]:
    """The row `denoising_shift`, from denoising errors `(n, K)` of the three sides at the same noises."""

    def row() -> list[MetricRow]:
        ours, base, floor = (standard_scores(side, holdout) for side in (synthetic, holdout, train))
        return [shift_row("denoising_shift", ours, base, floor, seed=seed, draws=draws, words="the model")]

    return guarded(["denoising_shift"], row)
