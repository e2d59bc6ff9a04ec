"""The image modality: its demo set, judges that learn, features that tell classes apart, settings, figures."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from synthgen_image.classifier import Classifier
from synthgen_image.demo import digits
from synthgen_image.modality import ImageModality
from synthgen_image.schema import image_schema

from synthgen.api import Modality, Records
from synthgen.config import resolve
from synthgen.errors import UsageError

MODALITY: Modality = ImageModality()


@pytest.fixture(scope="module")
def halves():
    """Digits 0..4, 300 to learn from and 200 to test on."""
    source = digits()
    chosen = np.flatnonzero(source.labels < 5)
    return source.schema, source.read(chosen[:300]), source.read(chosen[300:500])


def test_the_demo_set_is_scikit_learns_digits():
    source = digits()
    records = source.read(np.arange(len(source)))
    bunch = load_digits()
    assert records["image"].shape == (1797, 8, 8, 1)
    np.testing.assert_allclose(records["image"][..., 0] / 255 * 16, bunch.images, atol=0.04)
    np.testing.assert_array_equal(records.label, bunch.target)
    assert source.schema.labels == tuple("0123456789")


@pytest.mark.parametrize("kind", ["default", "svm"])
def test_a_judge_learns_the_digits(halves, kind):
    schema, train, test = halves
    judge = MODALITY.judge(schema, seed=0, kind=kind)
    outcome = judge.fit(train).evaluate(test)
    assert judge.measure == "accuracy"
    assert outcome.value() > 0.97
    assert set(outcome.per_class()) == set("01234")


def test_the_judge_is_the_same_for_the_same_seed(halves):
    _, train, test = halves
    answers = [
        Classifier(classes=10, seed=seed, steps=20).fit(train["image"], train.label).features(test["image"])
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 3), (4, 40, 9), (1, 70, 130)])
def test_the_classifier_takes_any_size_and_number(shape):
    channels, height, width = shape
    images = np.random.default_rng(0).integers(0, 256, (3, height, width, channels)).astype(np.uint8)
    classifier = Classifier(classes=2, seed=0, steps=2).fit(images, np.array([0, 1, 1]))
    assert classifier.features(images).shape == (3, 64)
    assert set(classifier.predict(images)) <= {0, 1}


def test_less_than_two_classes_have_no_judge():
    for labels in ((), ("only",)):
        schema = image_schema(height=8, width=8, mode="L", labels=labels)
        assert MODALITY.judge(schema, seed=0) is None
        assert MODALITY.embedder(schema, seed=0).name == "pca"


def test_an_unknown_judge_is_a_usage_error(halves):
    with pytest.raises(UsageError, match="unknown judge 'forest'"):
        MODALITY.judge(halves[0], seed=0, kind="forest")


def test_the_embedder_separates_classes_far_better_than_chance(halves):
    schema, train, test = halves
    features = MODALITY.embedder(schema, seed=3).fit(train).transform(test)
    assert features.shape == (200, 64)
    assert features.dtype == np.float32
    knn = KNeighborsClassifier(3).fit(features[:100], test.label[:100])
    assert knn.score(features[100:], test.label[100:]) > 0.9


def test_principal_components_stand_in_without_labels(pixels):
    schema = image_schema(height=70, width=90, mode="RGB")
    records = Records({"image": pixels(12, 70, 90, 3)})
    embedder = MODALITY.embedder(schema, seed=0)
    features = embedder.fit(records).transform(records)
    assert features.shape == (12, 12)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-4)


def test_flat_vectors_are_pixels_from_0_to_1(pixels):
    schema = image_schema(height=pixels(3).shape[1], width=pixels(3).shape[2], mode="L", labels=())
    flat = MODALITY.flatten(Records({"image": pixels(3)}), schema)
    np.testing.assert_allclose(flat, pixels(3).reshape(3, -1) / 255, atol=1e-6)


@pytest.mark.parametrize("side", [8, 16, 28, 64, 100, 500])
@pytest.mark.parametrize("preset", ["default", "draft", "quality"])
def test_settings_resolve_for_every_size(side, preset):
    schema = image_schema(height=side, width=side, mode="RGB", labels=("a", "b"))
    few, many = (
        resolve([{"modality": "image"}, MODALITY.configure(schema, records), MODALITY.presets()[preset]])
        for records in (500, 100_000)
    )
    assert few.network.dropout > many.network.dropout


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_heat_lies_over_the_image(mode):
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    schema = image_schema(height=4, width=6, mode=mode)
    records = Records({"image": np.full((1, 4, 6, channels), 200, dtype=np.uint8)})
    heat = np.zeros((4, 6))
    heat[1, 2] = 5.0
    for given in (heat, np.repeat(heat[None], channels, axis=0)):
        axis = Figure().subplots()
        MODALITY.draw(axis, records, 0, schema, heat=given)
        _, over = axis.images
        alpha = np.asarray(over.get_alpha())
        assert np.unravel_index(alpha.argmax(), alpha.shape) == (1, 2)


def test_the_overview_shows_real_left_and_synthetic_right_by_class():
    schema = image_schema(height=4, width=4, mode="L", labels=("dark", "light"))
    real = Records({"image": np.array([10, 240], np.uint8).repeat(16).reshape(2, 4, 4, 1)}, np.array([0, 1]))
    synthetic = Records({"image": np.array([250, 20], np.uint8).repeat(16).reshape(2, 4, 4, 1)}, np.array([1, 0]))
    left, right = MODALITY.overview(real, synthetic, schema).axes
    assert [left.get_title(), right.get_title()] == ["real", "synthetic"]
    assert {text.get_text() for text in left.texts} == {"dark", "light"}
    assert [left.images[0].get_array()[row, 0] for row in (0, 5)] == [10, 240]
    assert [right.images[0].get_array()[row, 0] for row in (0, 5)] == [20, 250]


def test_the_overview_without_labels_needs_few_images(pixels):
    schema = image_schema(height=6, width=5, mode="L")
    figure = MODALITY.overview(Records({"image": pixels(3)}), Records({"image": pixels(20)}), schema)
    assert len(figure.axes) == 2
