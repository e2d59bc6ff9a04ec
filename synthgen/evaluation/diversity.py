"""Is it as varied as the real data? Neighbourhood measures and the Vendi score, in a feature space.

With R_i and S_j the distance of a real or synthetic record to its k-th neighbour among its own kind (k = 5):

- `precision`: share of synthetic records within R_i of some real record i; `recall`: share of real records within S_j
  of some synthetic record j (Kynkaanniemi et al. 2019).
- `density`: mean over synthetic records of the number of real balls around them, over k; `coverage`: share of real
  balls that hold a synthetic record (Naeem et al. 2020).
- `vendi_ratio`: exp of the entropy of the eigenvalues of the cosine kernel matrix over n (Friedman and Dieng 2023),
  an effective number of distinct records, divided by that of as many held-out records. By class it shows mode
  collapse.

Intervals of the first four are those of the mean over the records that are counted, with the balls as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from synthgen.evaluation.comparison import Comparison
from synthgen.evaluation.metric import MetricRow, bootstrap, guarded, interval, proportion_interval
from synthgen.seeding import generator

__all__ = ["measure", "neighbourhoods", "vendi"]

Array = NDArray[np.float64]

_NEIGHBOURS = 5
_FEWEST_IN_CLASS = 8


def measure(features: Comparison, *, classes: Sequence[str] = (), seed: int = 0, draws: int = 200) -> list[MetricRow]:
    """The rows `precision`, `recall`, `density`, `coverage` and `vendi_ratio`, and by class recall and Vendi.

    Args:
        features: standardised features of the three sides.
        classes: names of the labels; empty: no rows by class.
        seed: of the bootstrap.
        draws: bootstrap samples.
    """
    names = ("precision", "recall", "density", "coverage")
    rows = [
        *guarded(names, lambda: _neighbourhood_rows(features, seed, draws)),
        *guarded(["vendi_ratio"], lambda: [_vendi_row("vendi_ratio", features, seed, draws)]),
    ]
    if features.holdout_label is None or features.synthetic_label is None or features.train_label is None:
        return rows
    for index, name in enumerate(classes):
        rows += _class_rows(features, index, name, seed, draws)
    return rows


def neighbourhoods(real: Array, synthetic: Array, *, k: int = _NEIGHBOURS) -> Mapping[str, Array]:
    """What each record contributes to `precision`, `recall`, `density` and `coverage`; their means are the metrics.

    Args:
        real: `(n, d)`.
        synthetic: `(m, d)`.
        k: which neighbour sets the radius.
    """
    between = pairwise_distances(real, synthetic)
    radius_real, radius_synthetic = (_radius(part, k) for part in (real, synthetic))
    in_real_ball = between <= radius_real[:, None]
    return {
        "precision": in_real_ball.any(axis=0).astype(np.float64),
        "recall": (between <= radius_synthetic[None, :]).any(axis=1).astype(np.float64),
        "density": in_real_ball.sum(axis=0) / k,
        "coverage": in_real_ball.any(axis=1).astype(np.float64),
    }


def _radius(x: Array, k: int) -> Array:
    """Distance to the k-th neighbour among the others; a little slack for rounding."""
    if len(x) <= k:
        raise ValueError(f"{len(x)} records are too few for {k} neighbours")
    return np.asarray(np.partition(pairwise_distances(x), k, axis=1)[:, k] * (1 + 1e-9))


def _neighbourhood_rows(features: Comparison, seed: int, draws: int) -> list[MetricRow]:
    counted = neighbourhoods(features.holdout, features.synthetic)
    floors = neighbourhoods(features.holdout, features.train)
    rows = []
    for name, values in counted.items():
        facts = {
            "floor_ci": _mean_interval(floors[name], name, seed, draws),
            "extractor": features.extractor,
            "note": "; ".join(features.notes),
        }
        ci = _mean_interval(values, name, seed, draws)
        floor = float(floors[name].mean())
        rows.append(MetricRow(name, float(values.mean()), ci, floor, features.n, "higher", facts=facts))
    return rows


def _mean_interval(values: Array, name: str, seed: int, draws: int) -> tuple[float, float]:
    """Wilson's for shares; a bootstrap for `density`, which counts more than once."""
    if name != "density":
        return proportion_interval(values.sum(), len(values))
    return bootstrap(lambda i: float(values[i].mean()), len(values), rng=generator(seed, name), draws=draws)


def vendi(x: Array) -> float:
    """Vendi score of `x (n, d)` with the cosine kernel: between 1 (all the same) and n (all orthogonal)."""
    return _vendi_of_unit(_unit(x))


def _unit(x: Array) -> Array:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0))


def _vendi_of_unit(x: Array) -> float:
    n, d = x.shape
    gram = x.T @ x if d <= n else x @ x.T
    values = np.clip(np.linalg.eigvalsh(gram / n), 0, None)
    values = values[values > 1e-12]
    values = values / values.sum() if len(values) else np.ones(1)
    return float(np.exp(-(values * np.log(values)).sum()))


def _vendi_row(name: str, features: Comparison, seed: int, draws: int) -> MetricRow:
    n = features.n
    train, holdout, synthetic = (_unit(part) for part in (features.train, features.holdout, features.synthetic))
    reference = _vendi_of_unit(holdout)
    value, floor = _vendi_of_unit(synthetic) / reference, _vendi_of_unit(train) / reference

    def resampled(part: Array, centre: float, purpose: str) -> tuple[float, float]:
        rng = generator(seed, purpose)
        found = np.array(
            [
                _vendi_of_unit(part[rng.integers(0, n, n)]) / _vendi_of_unit(holdout[rng.integers(0, n, n)])
                for _ in range(draws)
            ]
        )
        return interval(found - found.mean() + centre)

    facts = {
        "extractor": features.extractor,
        "floor_ci": resampled(train, floor, f"{name}-floor"),
        "note": "; ".join(features.notes),
    }
    return MetricRow(name, value, resampled(synthetic, value, name), floor, n, "floor", facts=facts)


def _class_rows(features: Comparison, index: int, name: str, seed: int, draws: int) -> list[MetricRow]:
    sides = {
        "train": (features.train, features.train_label),
        "holdout": (features.holdout, features.holdout_label),
        "synthetic": (features.synthetic, features.synthetic_label),
    }
    parts = {side: x[label == index] for side, (x, label) in sides.items()}
    n = min(len(part) for part in parts.values())
    if n < _FEWEST_IN_CLASS:
        return []
    equal = Comparison(parts["train"][:n], parts["holdout"][:n], parts["synthetic"][:n], extractor=features.extractor)

    def rows() -> list[MetricRow]:
        recall, floor = (neighbourhoods(equal.holdout, part)["recall"] for part in (equal.synthetic, equal.train))
        ci = _mean_interval(recall, "recall", seed, draws)
        return [
            MetricRow(f"recall/{name}", float(recall.mean()), ci, float(floor.mean()), n, "higher"),
            _vendi_row(f"vendi_ratio/{name}", equal, seed, min(draws, 100)),
        ]

    return guarded([f"recall/{name}", f"vendi_ratio/{name}"], rows)
