"""Our numbers against the libraries that others use, on the same features, to 1e-6.

`prdc`, `vendi-score` and `torch-fidelity` are light enough for `.[dev]`; where one is not installed its test is skipped
with the reason. What drags much is checked against an independent formula beside the definition it implements.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from synthgen.evaluation.diversity import neighbourhoods, vendi
from synthgen.evaluation.fidelity import classifier_two_sample, frechet_distance, kernel_distance
from synthgen.evaluation.privacy import Nearness, measure


@pytest.fixture(scope="module")
def features():
    """Standardised components of digits: 500 real ones, and 500 others that are blurred a little."""
    digits = load_digits().data
    order = np.random.default_rng(0).permutation(len(digits))
    x = StandardScaler().fit_transform(PCA(12, random_state=0).fit_transform(digits))[order]
    return x[:500], x[500:1000] * 0.9 + 0.05


def test_precision_recall_density_and_coverage_agree_with_prdc(features):
    prdc = pytest.importorskip("prdc", reason="prdc is not installed")
    real, synthetic = features
    expected = prdc.compute_prdc(real_features=real, fake_features=synthetic, nearest_k=5)
    found = {name: float(values.mean()) for name, values in neighbourhoods(real, synthetic).items()}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value == pytest.approx(float(expected[name]), abs=1e-6), name


def test_the_vendi_score_agrees_with_its_authors_package(features):
    score = pytest.importorskip("vendi_score.vendi", reason="vendi-score is not installed")
    for side in features:
        unit = side / np.linalg.norm(side, axis=1, keepdims=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it names a place in scipy that has moved
            expected = float(score.score_K(unit @ unit.T))
        assert vendi(side) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_agrees_with_torch_fidelity(features):
    metric = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    statistics = [{"mu": side.mean(axis=0), "sigma": np.cov(side, rowvar=False)} for side in features]
    expected = metric.fid_statistics_to_metric(statistics[0], statistics[1], False)
    assert frechet_distance(*features) == pytest.approx(float(next(iter(expected.values()))), rel=1e-6)


def test_the_kernel_distance_agrees_with_torch_fidelity(features):
    metric = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    options = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    x, y = features
    kernels = [metric.kernel_poly(a, b, **options) for a, b in ((x, x), (x, y), (y, y))]
    expected = metric.mmd2(*kernels)
    assert kernel_distance(*features) == pytest.approx(float(expected), rel=1e-6)


def test_the_linear_probe_agrees_with_scikit_learn_by_hand(features):
    real, synthetic = features
    found = classifier_two_sample((synthetic, synthetic), (real, real), seed=0)["c2st_linear"]
    x, truth = np.concatenate([synthetic, real]), np.repeat([1, 0], 500)
    score = np.empty(1000)
    for fitted, asked in StratifiedKFold(5, shuffle=True, random_state=0).split(x, truth):
        scale = StandardScaler().fit(x[fitted])
        probe = LogisticRegression(C=0.1, max_iter=1000).fit(scale.transform(x[fitted]), truth[fitted])
        score[asked] = probe.decision_function(scale.transform(x[asked]))
    assert found.auc == pytest.approx(roc_auc_score(truth, score), abs=1e-6)
    np.testing.assert_allclose(np.concatenate([found.synthetic, found.real]), score, atol=1e-6)


def dcr_share(train, holdout, synthetic):
    rows = measure(Nearness(train, holdout, synthetic), draws=10)
    return next(row for row in rows if row.name == "dcr_share").value


def test_the_share_nearer_to_training_agrees_with_mostlyais_definition(features):
    """mostlyai-qa drags transformers and plotly along; its share is mean(dcr_train < dcr_holdout) + half the ties."""
    real, synthetic = features
    train, holdout = real[:250], real[250:]
    to_train, to_holdout = (cdist(synthetic, side).min(axis=1) for side in (train, holdout))
    expected = np.mean(to_train < to_holdout) + np.mean(to_train == to_holdout) / 2
    assert dcr_share(train, holdout, synthetic) == pytest.approx(expected, abs=1e-6)


def test_the_share_nearer_to_training_agrees_with_mostlyai_itself(features):
    distances = pytest.importorskip("mostlyai.qa._distances", reason="mostlyai-qa is not installed")
    real, synthetic = features
    train, holdout = real[:250], real[250:]
    (to_train, _), (to_holdout, _) = (distances.calculate_dcrs_nndrs(side, synthetic) for side in (train, holdout))
    expected = float(distances.calculate_dcr_share(to_train, to_holdout))
    assert dcr_share(train, holdout, synthetic) == pytest.approx(expected, abs=1e-6)
