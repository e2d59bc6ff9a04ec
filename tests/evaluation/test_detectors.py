"""The classical detectors give what scikit-learn gives when it is called directly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KDTree, LocalOutlierFactor

from synthgen import seeding
from synthgen.api import Records
from synthgen.evaluation.detectors import Baselines, detectors

DRAWS = np.random.default_rng(0)
MIXING = DRAWS.normal(size=(12, 12)) * np.geomspace(1, 0.02, 12)
TRAIN = DRAWS.normal(size=(300, 12)) @ MIXING.T
TEST = np.concatenate([DRAWS.normal(size=(40, 12)) @ MIXING.T, DRAWS.normal(size=(10, 12)) * 3])


def direct(name):
    match name:
        case "knn":
            return KDTree(TRAIN).query(TEST, k=5)[0].mean(axis=1)
        case "lof":
            return -LocalOutlierFactor(20, novelty=True).fit(TRAIN).score_samples(TEST)
        case "iforest":
            seed = seeding.derive_seed(4, "iforest") % 2**32
            return -IsolationForest(n_estimators=100, random_state=seed).fit(TRAIN).score_samples(TEST)
        case "pca":
            pca = PCA().fit(TRAIN)
            kept = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.95)) + 1
            return np.square((TEST - pca.mean_) @ pca.components_[kept:].T).sum(axis=1) / 12
        case _:
            model = LedoitWolf().fit(TRAIN)
            centred = TEST - model.location_
            return np.einsum("ni,ij,nj->n", centred, np.linalg.inv(model.covariance_), centred)


@pytest.mark.parametrize("name", ["knn", "lof", "iforest", "pca", "mahalanobis"])
def test_detector_equals_scikit_learn(name):
    np.testing.assert_allclose(detectors(4)[name].fit(TRAIN).score(TEST), direct(name), rtol=1e-6)


@pytest.mark.parametrize("name", ["knn", "lof", "iforest", "pca", "mahalanobis"])
def test_anomalies_score_higher_than_normal_records(name):
    scores = detectors(0)[name].fit(TRAIN).score(TEST)
    assert np.median(scores[40:]) > np.quantile(scores[:40], 0.95)


@pytest.mark.parametrize("name", ["knn", "lof", "iforest", "pca", "mahalanobis"])
def test_fewer_records_than_neighbours_or_dimensions_still_give_scores(name):
    scores = detectors(0)[name].fit(TRAIN[:4]).score(TEST)
    assert np.isfinite(scores).all()


def test_mahalanobis_of_very_wide_vectors_works_in_a_subspace():
    wide = DRAWS.normal(size=(60, 3000)).astype(np.float32)
    odd = wide[:5].copy()
    odd += 10 * np.sign(wide.std(axis=0))
    model = detectors(0)["mahalanobis"].fit(wide)
    assert np.isfinite(model.score(odd)).all()


class Rows:
    """An embedder of records that are plain vectors."""

    name = "rows"

    def fit(self, records):
        return self

    def flatten(self, records):
        return records["values"].astype(np.float32)

    def transform(self, records):
        return np.abs(records["values"]).astype(np.float32)


def test_baselines_are_on_one_scale_on_the_calibration_records():
    rows = Rows()
    train, calibration = Records({"values": TRAIN[:200]}), Records({"values": TRAIN[200:]})
    baselines = Baselines.fit(train, calibration, vectors=rows.flatten, embedder=rows, seed=0)
    scores = baselines.score(calibration)
    assert set(scores) == {"knn", "lof", "iforest", "pca", "mahalanobis", "knn_features", "mahalanobis_features"}
    for name, values in scores.items():
        np.testing.assert_allclose(values, baselines.calibration[name])
        assert np.median(values) == pytest.approx(0.0, abs=1e-9), name
        assert np.median(np.abs(values)) == pytest.approx(0.6745, rel=1e-3), name
    features = KDTree(np.abs(TRAIN[:200])).query(np.abs(TEST), k=5)[0].mean(axis=1)
    order = np.argsort(baselines.score(Records({"values": TEST}))["knn_features"])
    assert (order == np.argsort(features)).mean() > 0.9
