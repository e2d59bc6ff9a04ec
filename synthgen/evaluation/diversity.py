"""Is it as varied as the real data? Neighbourhood measures, the Vendi score and distances within a class.

With R_i and S_j the distance of a real or synthetic record to its k-th neighbour among its own kind (k = 5):

- `precision`: share of synthetic records within R_i of some real record i; `recall`: share of real records within S_j
  of some synthetic record j (Kynkaanniemi et al. 2019).
- `density`: mean over synthetic records of the number of real balls around them, over k; `coverage`: share of real
  balls that hold a synthetic record (Naeem et al. 2020).
- `vendi_ratio`: exp of the entropy of the eigenvalues of the cosine kernel matrix over n (Friedman and Dieng 2023),
  an effective number of distinct records, divided by that of as many held-out records. `vendi_worst_class` is the
  lowest of the classes: a class that collapsed shows there, where the whole set hides it.
- `duplicate_rate`: share of records that have another one of their own set as near as the nearest 1 % of held-out
  records have, on the plain records: a generator that repeats itself.
- `intra_diversity`: mean distance between two records of a class over that of held-out records, averaged over classes.

Intervals of the first four are those of the mean over the records that are counted, with the balls as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import pairwise_distances

from synthgen.evaluation.comparison import Comparison
from synthgen.evaluation.metric import MetricRow, bootstrap, guarded, interval, proportion_interval
from synthgen.evaluation.moments import Sums
from synthgen.evaluation.neighbours import count_within, nearest
from synthgen.seeding import generator

__all__ = ["duplicates", "measure", "neighbourhoods", "vendi"]

Array = NDArray[np.float64]

_NEIGHBOURS = 5
_FEWEST_IN_CLASS = 8
_MOST_PAIRED = 1000


def measure(features: Comparison, *, classes: Sequence[str] = (), seed: int = 0, draws: int = 200) -> list[MetricRow]:
    """The rows of this module, by class recall, Vendi and distances too.

    Args:
        features: standardised features of the three sides.
        classes: names of the labels; empty: no rows by class.
        seed: of the bootstrap.
        draws: bootstrap samples.
    """
    names = ("precision", "recall", "density", "coverage")
    labelled = not any(x is None for x in (features.holdout_label, features.synthetic_label, features.train_label))
    parts = _parts(features, classes) if labelled and classes else {}
    rows = [
        *guarded(names, lambda: _neighbourhood_rows(features, seed, draws)),
        *guarded(["vendi_ratio"], lambda: [_vendi_row("vendi_ratio", features, seed, draws)]),
        *guarded(["intra_diversity"], lambda: [_distance_row(list(parts.values()) or [features], seed, draws)]),
    ]
    vendis = []
    for name, part in parts.items():
        found = _class_rows(part, name, seed, draws)
        rows += found
        vendis += [row for row in found if row.name.startswith("vendi_ratio/") and row.error is None]
    if len(vendis) > 1:
        rows.append(_worst(vendis))
    return rows


def duplicates(records: Comparison) -> MetricRow:
    """The row `duplicate_rate`, from equal numbers of plain records."""
    train, holdout, synthetic = (
        nearest(side, side, among_itself=True).distance[:, 0]
        for side in (records.train, records.holdout, records.synthetic)
    )
    n = len(holdout)
    place = max(1, int(0.01 * (n + 1)))
    threshold = np.sort(holdout)[place - 1]
    ours, real = int((synthetic <= threshold).sum()), int((train <= threshold).sum())
    within = int((holdout <= threshold).sum())
    # Nearest neighbours come in pairs, so that half as many counts are independent.
    chance = stats.betabinom(n // 2, within, max(1, n + 1 - within))
    low, high = proportion_interval(real, n)
    facts = {
        "floor_ci": (min(low, float(chance.ppf(0.025)) / (n // 2)), max(high, float(chance.ppf(0.975)) / (n // 2))),
        "threshold": float(threshold),
        "exact_duplicates": int((synthetic == 0).sum()),
    }
    ci = proportion_interval(ours, n)
    return MetricRow("duplicate_rate", ours / n, ci, real / n, n, "lower", facts=facts)


def neighbourhoods(
    real: Array, synthetic: Array, *, k: int = _NEIGHBOURS, radius: Array | None = None
) -> Mapping[str, Array]:
    """What each record contributes to `precision`, `recall`, `density` and `coverage`; their means are the metrics.

    Args:
        real: `(n, d)`.
        synthetic: `(m, d)`.
        k: which neighbour sets the radius.
        radius: of the real balls, where that is known already.
    """
    counts, covered = count_within(synthetic, real, _radius(real, k) if radius is None else radius)
    inside, _ = count_within(real, synthetic, _radius(synthetic, k))
    return {
        "precision": (counts > 0).astype(np.float64),
        "recall": (inside > 0).astype(np.float64),
        "density": counts / k,
        "coverage": covered.astype(np.float64),
    }


def _radius(x: Array, k: int = _NEIGHBOURS) -> Array:
    """Distance to the k-th neighbour among the others."""
    return nearest(x, x, k=k, among_itself=True).distance[:, k - 1]


def _neighbourhood_rows(features: Comparison, seed: int, draws: int) -> list[MetricRow]:
    radius = _radius(features.holdout)
    counted = neighbourhoods(features.holdout, features.synthetic, radius=radius)
    floors = neighbourhoods(features.holdout, features.train, radius=radius)
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
    return _vendi_of_gram((x.T @ x if d <= n else x @ x.T) / n)


def _vendi_of_gram(gram: Array) -> float:
    """From the mean of outer products `(d, d)`, or the kernel matrix over n, which has the same eigenvalues."""
    values = np.clip(np.linalg.eigvalsh(gram), 0, None)
    values = values[values > 1e-12]
    values = values / values.sum() if len(values) else np.ones(1)
    return float(np.exp(-(values * np.log(values)).sum()))


def _vendi_row(name: str, features: Comparison, seed: int, draws: int) -> MetricRow:
    n, d = features.holdout.shape
    train, holdout, synthetic = (_unit(part) for part in (features.train, features.holdout, features.synthetic))
    reference = _vendi_of_unit(holdout)
    value, floor = _vendi_of_unit(synthetic) / reference, _vendi_of_unit(train) / reference

    def drawn_again(part: Array) -> Callable[[np.random.Generator], float]:
        if d > n:
            return lambda rng: _vendi_of_unit(part[rng.integers(0, n, n)])
        sums = Sums.of(part)
        return lambda rng: _vendi_of_gram(sums.drawn(rng).outer)

    real = drawn_again(holdout)

    def resampled(part: Array, centre: float, purpose: str) -> tuple[float, float]:
        rng, ours = generator(seed, purpose), drawn_again(part)
        found = np.array([ours(rng) / real(rng) for _ in range(draws)])
        return interval(found - found.mean() + centre)

    facts = {
        "extractor": features.extractor,
        "floor_ci": resampled(train, floor, f"{name}-floor"),
        "note": "; ".join(features.notes),
    }
    return MetricRow(name, value, resampled(synthetic, value, name), floor, n, "floor", facts=facts)


def _parts(features: Comparison, classes: Sequence[str]) -> dict[str, Comparison]:
    """The sides of each class that has enough records on all of them, cut to equal numbers."""
    found = {}
    for index, name in enumerate(classes):
        train = features.train[features.train_label == index]
        holdout = features.holdout[features.holdout_label == index]
        synthetic = features.synthetic[features.synthetic_label == index]
        n = min(len(train), len(holdout), len(synthetic))
        if n >= _FEWEST_IN_CLASS:
            found[name] = Comparison(train[:n], holdout[:n], synthetic[:n], extractor=features.extractor)
    return found


def _distance_row(parts: Sequence[Comparison], seed: int, draws: int, *, name: str = "intra_diversity") -> MetricRow:
    """Mean over classes of (mean distance between two synthetic records) / (the same of held-out ones)."""
    purposes = (f"{name}-floor", f"{name}-holdout", name)
    found = [
        [_mean_distances(side[:_MOST_PAIRED], generator(seed, purpose), draws) for side, purpose in
         zip((part.train, part.holdout, part.synthetic), purposes, strict=True)]
        for part in parts
    ]  # fmt: skip
    values, floors = [], []
    for train, holdout, synthetic in found:
        if holdout[0] <= 0:
            raise ValueError("all held-out records of a class have the same features")
        values.append((synthetic[0] / holdout[0], synthetic[1] / holdout[1]))
        floors.append((train[0] / holdout[0], train[1] / holdout[1]))
    n = sum(min(part.n, _MOST_PAIRED) for part in parts)
    facts = {"extractor": parts[0].extractor, "floor_ci": _centred(floors)[1]}
    value, ci = _centred(values)
    return MetricRow(name, value, ci, _centred(floors)[0], n, "floor", facts=facts)


def _centred(found: Sequence[tuple[float, Array]]) -> tuple[float, tuple[float, float]]:
    value = float(np.mean([one for one, _ in found]))
    drawn = np.mean([draws for _, draws in found], axis=0)
    return value, interval(drawn - drawn.mean() + value)


def _mean_distances(x: Array, rng: np.random.Generator, draws: int) -> tuple[float, Array]:
    """Mean distance of two different records; in each bootstrap sample too, a record never paired with itself."""
    n = len(x)
    distance = pairwise_distances(x)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    pairs = n * n - (weights**2).sum(axis=1)  # of different records
    drawn = ((weights @ distance) * weights).sum(axis=1) / np.maximum(pairs, 1)
    return float(distance.sum() / (n * (n - 1))), drawn


def _class_rows(part: Comparison, name: str, seed: int, draws: int) -> list[MetricRow]:
    def rows() -> list[MetricRow]:
        recall, floor = (
            (count_within(part.holdout, side, _radius(side))[0] > 0).astype(np.float64)
            for side in (part.synthetic, part.train)
        )
        ci = _mean_interval(recall, "recall", seed, draws)
        facts = {"floor_ci": _mean_interval(floor, "recall", seed, draws)}
        return [
            MetricRow(f"recall/{name}", float(recall.mean()), ci, float(floor.mean()), part.n, "higher", facts=facts),
            _vendi_row(f"vendi_ratio/{name}", part, seed, min(draws, 100)),
            _distance_row([part], seed, min(draws, 100), name=f"intra_diversity/{name}"),
        ]

    return guarded([f"recall/{name}", f"vendi_ratio/{name}", f"intra_diversity/{name}"], rows)


def _worst(rows: Sequence[MetricRow]) -> MetricRow:
    """The lowest class's row; the floor is the lowest class of training records."""
    lowest = min(rows, key=lambda row: row.value or 0.0)
    floors = min(rows, key=lambda row: row.floor or 0.0)
    label = lowest.name.partition("/")[2]
    facts = {
        "class": label,
        "floor_ci": floors.floor_ci,
        "extractor": lowest.facts.get("extractor", ""),
        "note": f"the lowest of {len(rows)} classes: {label}",
    }
    return MetricRow("vendi_worst_class", lowest.value, lowest.ci, floors.floor, lowest.n, "higher", facts=facts)
