"""What the model itself makes of the records: how well it restores them from noise.

- `mia_auc`: membership inference by someone who holds the model (the loss attack on diffusion models; Carlini et al.
  2023, Matsumoto et al. 2023): how well a low denoising error tells training from held-out records. The floor, 0.5,
  has the interval of a Mann-Whitney statistic under chance.
- `anomaly_shift`: Kolmogorov-Smirnov distance between the anomaly scores of synthetic and of held-out records; 0 when
  a synthetic record is as normal to the model as a real one. The floor is the distance of training records.

Both use one score: the log denoising error, standardised on the held-out records at each noise level, averaged over
the levels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from synthgen.evaluation.fidelity import auc
from synthgen.evaluation.metric import MetricRow, guarded, interval
from synthgen.seeding import generator

__all__ = ["anomaly_shift", "membership", "standard_scores"]

Scores = NDArray[np.float64]


def standard_scores(errors: NDArray[np.floating], reference: NDArray[np.floating]) -> Scores:
    """One score for each record `(n,)` from its errors `(n, K)` at K noise levels; higher is more anomalous."""
    logs, base = (np.log(np.maximum(np.asarray(part, dtype=np.float64), 1e-12)) for part in (errors, reference))
    return np.asarray(((logs - base.mean(axis=0)) / np.maximum(base.std(axis=0), 1e-9)).mean(axis=1))


def membership(
    train: NDArray[np.floating], holdout: NDArray[np.floating], *, seed: int = 0, draws: int = 1000
) -> list[MetricRow]:
    """The row `mia_auc`, from denoising errors `(n, K)` of training and held-out records at the same noises."""

    def row() -> list[MetricRow]:
        member, other = -standard_scores(train, holdout), -standard_scores(holdout, holdout)
        n, m = len(member), len(other)
        rng = generator(seed, "mia")
        found = [auc(member[rng.integers(0, n, n)], other[rng.integers(0, m, m)]) for _ in range(draws)]
        half = 1.96 * float(np.sqrt((n + m + 1) / (12 * n * m)))
        facts = {
            "floor_ci": (0.5 - half, 0.5 + half),
            "tpr_at_1_percent_fpr": float((member > np.quantile(other, 0.99)).mean()),
            "n_train": n,
            "note": "an attack on the model; the data set alone does not allow it",
        }
        return [MetricRow("mia_auc", auc(member, other), interval(found), 0.5, m, "lower", facts=facts)]

    return guarded(["mia_auc"], row)


def anomaly_shift(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    *,
    seed: int = 0,
    draws: int = 500,
) -> list[MetricRow]:
    """The row `anomaly_shift`, from denoising errors `(n, K)` of the three sides at the same noises."""

    def row() -> list[MetricRow]:
        base = standard_scores(holdout, holdout)
        sides = {"synthetic": standard_scores(synthetic, holdout), "train": standard_scores(train, holdout)}
        values = {name: float(ks_2samp(scores, base).statistic) for name, scores in sides.items()}
        intervals = {name: _ks_interval(scores, base, values[name], seed, draws) for name, scores in sides.items()}
        facts = {
            "floor_ci": intervals["train"],
            "share_beyond_99_percent_of_real": float((sides["synthetic"] > np.quantile(base, 0.99)).mean()),
            "median_shift": float(np.median(sides["synthetic"]) - np.median(base)),
            "note": f"synthetic records look {_direction(sides['synthetic'], base)} to the model than held-out ones",
        }
        return [
            MetricRow("anomaly_shift", values["synthetic"], intervals["synthetic"], values["train"], len(base), "lower",
                      facts=facts)
        ]  # fmt: skip

    return guarded(["anomaly_shift"], row)


def _direction(scores: Scores, base: Scores) -> str:
    return "more anomalous" if np.median(scores) > np.median(base) else "more normal"


def _ks_interval(scores: Scores, base: Scores, centre: float, seed: int, draws: int) -> tuple[float, float]:
    rng = generator(seed, "anomaly-shift")
    n, m = len(scores), len(base)
    found = np.array([_ks(scores[rng.integers(0, n, n)], base[rng.integers(0, m, m)]) for _ in range(draws)])
    low, high = interval(found - found.mean() + centre)
    return max(0.0, low), min(1.0, high)


def _ks(x: Scores, y: Scores) -> float:
    x, y = np.sort(x), np.sort(y)
    both = np.concatenate([x, y])
    above = np.searchsorted(x, both, side="right") / len(x) - np.searchsorted(y, both, side="right") / len(y)
    return float(np.abs(above).max())
