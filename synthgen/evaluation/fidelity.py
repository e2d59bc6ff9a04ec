"""Does it look right? Distances between real and synthetic records in feature space, and a two-sample test.

- `fd`: |mu_r - mu_s|^2 + tr(C_r + C_s - 2 (C_r C_s)^1/2) (Frechet distance of Gaussians; Dowson and Landau 1982,
  Heusel et al. 2017). Its estimate is biased upwards by about d/n, so features are reduced by principal components to
  d <= n / 10. Never called FID: that name belongs to Inception features.
- `kd`: unbiased squared MMD with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018).
- `c2st_auc`: classifier two-sample test (Lopez-Paz and Oquab 2017): cross-validated AUC of two probes, a logistic
  regression on the features and a support vector machine with a Gaussian kernel on the records themselves; the
  stronger one counts. The floor is the same stronger-of-two on training against held-out records. `c2st_linear` and
  `c2st_raw` are the two by themselves: a file artefact shows in the second alone, a wrong mixture in the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from synthgen.data.gaussians import frechet_distance, frechet_of_gaussians
from synthgen.evaluation.comparison import Comparison
from synthgen.evaluation.metric import MetricRow, guarded, interval
from synthgen.evaluation.moments import Sums
from synthgen.seeding import generator

__all__ = ["TwoSample", "auc", "classifier_two_sample", "frechet_distance", "kernel_distance", "measure"]

Array = NDArray[np.float64]

_KERNEL_LIMIT = 2000
_PROBE_LIMIT = 1500


def measure(features: Comparison, records: Comparison, *, seed: int = 0, draws: int = 200) -> list[MetricRow]:
    """The rows `fd`, `kd`, `c2st_auc`, `c2st_linear` and `c2st_raw`.

    Args:
        features: standardised features of the three sides.
        records: the same records as plain vectors.
        seed: of bootstrap and folds.
        draws: bootstrap samples.
    """
    return [
        *guarded(["fd"], lambda: [_frechet_row(features, seed, draws)]),
        *guarded(["kd"], lambda: [_kernel_row(features, seed, draws)]),
        *guarded(["c2st_auc", _LINEAR, _RAW], lambda: _two_sample_rows(features, records, seed, draws)),
    ]


def _frechet_row(features: Comparison, seed: int, draws: int) -> MetricRow:
    n, d = features.n, features.holdout.shape[1]
    kept = max(1, min(d, n // 10))
    pca = PCA(kept, random_state=0).fit(np.concatenate([features.train, features.holdout])) if kept < d else None
    train, holdout, synthetic = (
        part if pca is None else pca.transform(part) for part in (features.train, features.holdout, features.synthetic)
    )
    value, floor = frechet_distance(synthetic, holdout), frechet_distance(train, holdout)

    reference = Sums.of(holdout)

    def resampled(part: Array, centre: float, purpose: str) -> tuple[float, float]:
        rng, sums = generator(seed, purpose), Sums.of(part)

        def one() -> float:
            ours, real = sums.drawn(rng), reference.drawn(rng)
            return frechet_of_gaussians(ours.mean, ours.covariance, real.mean, real.covariance)

        found = np.array([one() for _ in range(draws)])
        low, high = interval(found - found.mean() + centre)
        return max(0.0, low), max(0.0, high)

    facts = {
        "extractor": features.extractor,
        "dimensions": kept,
        "floor_ci": resampled(train, floor, "fd-floor"),
        "note": "; ".join([f"{kept} of {d} feature dimensions", *features.notes]),
    }
    return MetricRow("fd", value, resampled(synthetic, value, "fd"), floor, n, "lower", facts=facts)


def kernel_distance(x: Array, y: Array) -> float:
    """Unbiased squared MMD between `x (n, d)` and `y (m, d)`, cubic polynomial kernel."""
    ones = (np.ones(len(x)), np.ones(len(y)))
    return float(_mmd(*_kernels(x, y), ones[0][None], ones[1][None])[0])


def _kernels(x: Array, y: Array) -> tuple[Array, Array, Array]:
    d = x.shape[1]
    within_x, within_y, between = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    np.fill_diagonal(within_x, 0)
    np.fill_diagonal(within_y, 0)
    return within_x, within_y, between


def _mmd(within_x: Array, within_y: Array, between: Array, weights_x: Array, weights_y: Array) -> Array:
    """One value for each row of weights `(B, n)`, `(B, m)`."""
    n, m = within_x.shape[0], within_y.shape[0]
    first = ((weights_x @ within_x) * weights_x).sum(axis=1) / (n * (n - 1))
    second = ((weights_y @ within_y) * weights_y).sum(axis=1) / (m * (m - 1))
    cross = ((weights_x @ between) * weights_y).sum(axis=1) / (n * m)
    return np.asarray(first + second - 2 * cross)


def _kernel_row(features: Comparison, seed: int, draws: int) -> MetricRow:
    n = min(features.n, _KERNEL_LIMIT)
    train, holdout, synthetic = features.train[:n], features.holdout[:n], features.synthetic[:n]

    def resampled(part: Array, purpose: str) -> tuple[float, tuple[float, float]]:
        rng = generator(seed, purpose)
        kernels = _kernels(part, holdout)
        value = float(_mmd(*kernels, np.ones((1, n)), np.ones((1, n)))[0])
        weights = [rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64) for _ in range(2)]
        found = _mmd(*kernels, weights[0], weights[1])
        return value, interval(found - found.mean() + value)

    value, ci = resampled(synthetic, "kd")
    floor, floor_ci = resampled(train, "kd-floor")
    facts = {"extractor": features.extractor, "floor_ci": floor_ci, "note": "; ".join(features.notes)}
    return MetricRow("kd", value, ci, floor, n, "lower", facts=facts)


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Chance that a positive scores above a negative, ties half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(
    positive: NDArray[np.floating], negative: NDArray[np.floating], rng: np.random.Generator, *, draws: int
) -> tuple[float, float]:
    """95 % interval of `auc`, both sides drawn again."""
    n, m = len(positive), len(negative)
    found = [auc(positive[rng.integers(0, n, n)], negative[rng.integers(0, m, m)]) for _ in range(draws)]
    return interval(found)


_LINEAR, _RAW = "c2st_linear", "c2st_raw"


@dataclass(frozen=True)
class TwoSample:
    """What one probe answered out of fold: higher says synthetic."""

    synthetic: Array
    real: Array

    @property
    def auc(self) -> float:
        """Area under the curve."""
        return auc(self.synthetic, self.real)

    def interval(self, rng: np.random.Generator, draws: int) -> tuple[float, float]:
        """95 % interval of the area, records of both sides drawn again."""
        return auc_interval(self.synthetic, self.real, rng, draws=draws)


def classifier_two_sample(
    synthetic: tuple[Array, Array], real: tuple[Array, Array], *, seed: int = 0
) -> dict[str, TwoSample]:
    """Both probes, cross-validated: `c2st_linear` and `c2st_raw`.

    Args:
        synthetic, real: (features, records) of each side, `(n, d)` and `(n, D)`.
        seed: of folds.
    """
    n = len(synthetic[0])
    truth = np.repeat([1, 0], [n, len(real[0])])
    both = [np.concatenate([a, b]) for a, b in zip(synthetic, real, strict=True)]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed % (1 << 32))
    components = min(50, both[1].shape[1], len(truth) // 5)
    probes = {
        _LINEAR: (make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)), both[0]),
        _RAW: (make_pipeline(PCA(components, random_state=0), StandardScaler(), SVC()), both[1]),
    }
    found = {}
    for name, (model, x) in probes.items():
        score = cross_val_predict(model, x, truth, cv=folds, method="decision_function")
        found[name] = TwoSample(score[:n], score[n:])
    return found


def _two_sample_rows(features: Comparison, records: Comparison, seed: int, draws: int) -> list[MetricRow]:
    n = min(features.n, _PROBE_LIMIT)
    if n < 10:
        raise ValueError(f"{n} records a side are too few for a two-sample test; 10 are needed")
    plain = [side[:n].astype(np.float64) for side in (records.train, records.holdout, records.synthetic)]
    holdout = (features.holdout[:n], plain[1])
    ours = classifier_two_sample((features.synthetic[:n], plain[2]), holdout, seed=seed)
    real = classifier_two_sample((features.train[:n], plain[0]), holdout, seed=seed)

    def row(name: str, found: TwoSample, floor: TwoSample, note: str, **facts: Any) -> MetricRow:
        facts = {
            "floor_ci": floor.interval(generator(seed, f"{name}-floor"), draws),
            "note": "; ".join([note, *features.notes]),
            **facts,
        }
        ci = found.interval(generator(seed, name), draws)
        return MetricRow(name, found.auc, ci, floor.auc, n, "lower", facts=facts)

    strongest, strongest_real = (max(side, key=lambda name: side[name].auc) for side in (ours, real))
    words = {_LINEAR: "logistic regression on features", _RAW: "Gaussian-kernel machine on the records themselves"}
    probes = {words[name]: found.auc for name, found in ours.items()}
    return [
        row("c2st_auc", ours[strongest], real[strongest_real], f"stronger probe: {words[strongest]}", probes=probes),
        row(_LINEAR, ours[_LINEAR], real[_LINEAR], words[_LINEAR], extractor=features.extractor),
        row(_RAW, ours[_RAW], real[_RAW], words[_RAW]),
    ]
