"""The classical anomaly detectors, from scikit-learn, that every score is printed beside; higher is always odder.

    knn           mean distance to the five nearest training records (Ramaswamy et al. 2000)
    lof           local outlier factor, 20 neighbours (Breunig et al. 2000)
    iforest       isolation forest, 100 trees (Liu et al. 2008)
    pca           squared distance to the subspace that holds 95 % of the variance
    mahalanobis   squared Mahalanobis distance, Ledoit-Wolf covariance
    knn_features, mahalanobis_features      the same on an embedder's features in place of the values themselves

They are fitted on the training split and made comparable by robust z on the calibration split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from synthgen import seeding
from synthgen.evaluation.calibration import RobustZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Embedder, Records

__all__ = ["Baselines", "Detector", "detectors"]

_COVARIANCE_WIDTH = 256  # wider vectors are projected on so many principal components before a covariance is estimated


Vectors = Callable[["Records"], "NDArray[np.floating]"]


class Detector(Protocol):
    """Fitted on normal records, it scores others; higher is more anomalous."""

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Learn what is normal from `(N, D)`."""
        ...

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """`(N,)`, higher is more anomalous."""
        ...


class Neighbours:
    """Mean distance to the `k` nearest training records."""

    def __init__(self, k: int = 5) -> None:
        self._k = k

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Keep the training records."""
        self._index = NearestNeighbors(n_neighbors=min(self._k, len(x))).fit(x)
        return self

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean Euclidean distance."""
        distances, _ = self._index.kneighbors(x)
        return np.asarray(distances.mean(axis=1), dtype=np.float64)


class LocalOutlier:
    """Local outlier factor in its novelty form."""

    def __init__(self, k: int = 20) -> None:
        self._k = k

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Learn the local densities of the training records."""
        self._model = LocalOutlierFactor(n_neighbors=max(1, min(self._k, len(x) - 1)), novelty=True).fit(x)
        return self

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """The local outlier factor; about 1 for normal records."""
        return np.asarray(-self._model.score_samples(x), dtype=np.float64)


class Forest:
    """Isolation forest."""

    def __init__(self, *, trees: int = 100, seed: int = 0) -> None:
        self._model = IsolationForest(n_estimators=trees, random_state=seed % 2**32)

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Grow the trees."""
        self._model.fit(x)
        return self

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Between 0 and 1; odd records are isolated after few splits."""
        return np.asarray(-self._model.score_samples(x), dtype=np.float64)


class Reconstruction:
    """Squared distance to the principal subspace that holds a share of the variance."""

    def __init__(self, share: float = 0.95) -> None:
        self._model = PCA(share, svd_solver="full")

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Find the subspace."""
        self._model.fit(x)
        return self

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean squared residual."""
        restored = self._model.inverse_transform(self._model.transform(x))
        return np.asarray(np.square(x - restored).mean(axis=1), dtype=np.float64)


class Mahalanobis:
    """Squared Mahalanobis distance with a shrunk covariance."""

    def fit(self, x: NDArray[np.floating]) -> Self:
        """Estimate mean and covariance."""
        width = min(_COVARIANCE_WIDTH, len(x) - 1)
        self._projection = PCA(width, svd_solver="full").fit(x) if x.shape[1] > _COVARIANCE_WIDTH else None
        self._model = LedoitWolf().fit(self._project(x))
        return self

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Squared distance to the mean."""
        return np.asarray(self._model.mahalanobis(self._project(x)), dtype=np.float64)

    def _project(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        return x if self._projection is None else np.asarray(self._projection.transform(x))


def detectors(seed: int) -> dict[str, Detector]:
    """The detectors on plain vectors, by name."""
    return {
        "knn": Neighbours(),
        "lof": LocalOutlier(),
        "iforest": Forest(seed=seeding.derive_seed(seed, "iforest")),
        "pca": Reconstruction(),
        "mahalanobis": Mahalanobis(),
    }


@dataclass(frozen=True)
class Baselines:
    """All detectors, fitted on training records and put on one scale by calibration records."""

    fitted: Mapping[str, tuple[Vectors, Detector, RobustZ]]
    """Name -> (records to vectors, detector, its calibration)."""
    calibration: Mapping[str, NDArray[np.float64]]
    """Name -> z-scores of the calibration records."""

    @classmethod
    def fit(
        cls, train: Records, calibration: Records, *, vectors: Vectors, embedder: Embedder | None, seed: int
    ) -> Self:
        """Fit on the training records.

        Args:
            train: normal records.
            calibration: others, for the z-scores.
            vectors: records to `(N, D)`, with every value on a comparable scale.
            embedder: already fitted; adds `knn_features` and `mahalanobis_features`.
            seed: of the forest.
        """
        views: dict[str, tuple[Vectors, Detector]] = {
            name: (vectors, detector) for name, detector in detectors(seed).items()
        }
        if embedder is not None:
            views["knn_features"] = (embedder.transform, Neighbours())
            views["mahalanobis_features"] = (embedder.transform, Mahalanobis())
        fitted, calibrated = {}, {}
        for name, (view, detector) in views.items():
            detector.fit(view(train))
            raw = detector.score(view(calibration))
            z = RobustZ.fit(raw)
            fitted[name] = (view, detector, z)
            calibrated[name] = z(raw)
        return cls(fitted, calibrated)

    def score(self, records: Records) -> dict[str, NDArray[np.float64]]:
        """Name -> z-scores of the records."""
        vectors = {view: view(records) for view, _, _ in self.fitted.values()}
        return {name: z(detector.score(vectors[view])) for name, (view, detector, z) in self.fitted.items()}
