"""The modality as the core sees it: conformance, figures, embedder, vectors, configuration."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthgen_mask.classes import MaskClass, classes_of
from synthgen_mask.figures import overlay
from synthgen_mask.modality import MaskModality

from synthgen.api import Records
from synthgen.config import resolve
from synthgen.errors import DataError, UsageError


def _drawn(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_every_preset_is_a_legal_configuration(shapes):
    schema, _ = shapes()
    modality = MaskModality()
    assert "default" in modality.presets()
    for preset in modality.presets().values():
        for size in (16, 60, 200):
            wide = dataclasses.replace(schema, shape=(schema.shape[0], size, size))
            resolve([{"modality": "mask"}, modality.configure(wide, 300), preset])


def test_the_embedder_keeps_alike_together(shapes):
    schema, records = shapes(count=40)
    embedder = MaskModality().embedder(schema, seed=0).fit(records)
    features = embedder.transform(records)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, embedder.transform(records))
    assert features.var(0).sum() == pytest.approx(2.0, rel=0.05)  # both groups weigh alike


def test_the_embedder_sees_a_mask_that_does_not_fit_its_image(shapes):
    schema, records = shapes(count=40)
    embedder = MaskModality().embedder(schema, seed=0).fit(records)
    mixed = Records({"image": records["image"], "mask": records["mask"][::-1].copy()}, records.label)
    assert np.abs(embedder.transform(mixed) - embedder.transform(records)).max() > 0.1


def test_an_embedder_asked_too_early_is_an_error(shapes):
    schema, records = shapes()
    with pytest.raises(DataError, match="before it was fitted"):
        MaskModality().embedder(schema, seed=0).transform(records)


def test_vectors_are_pixels_between_0_and_1(shapes):
    schema, records = shapes(bands=3, size=12)
    vectors = MaskModality().flatten(records, schema)
    assert vectors.shape == (24, 12 * 12 * 3)
    assert vectors.min() >= 0
    assert vectors.max() <= 1
    np.testing.assert_allclose(vectors[0], records["image"][0].reshape(-1) / 255, rtol=1e-6)


def test_large_images_are_averaged_before_they_become_vectors(shapes):
    schema, records = shapes(size=40)
    assert MaskModality().flatten(records, schema).shape == (24, 14 * 14)


def test_an_overlay_tints_objects_and_leaves_the_ground(shapes):
    schema, records = shapes()

    picture = overlay(records["image"][0], records["mask"][0], classes_of(schema))
    ground = records["mask"][0] == 0
    np.testing.assert_array_equal(picture[ground][:, 0], records["image"][0, :, :, 0][ground])
    assert (picture[~ground][:, 0] > picture[~ground][:, 1]).all()  # class 1 is red


@pytest.mark.parametrize("labelled", [True, False])
def test_figures_are_drawn_for_all_channels_with_and_without_heat(shapes, labelled):
    for bands in (1, 3, 4):
        schema, records = shapes(bands=bands, labelled=labelled)
        figure = Figure()
        axes = figure.subplots(1, 3)
        modality = MaskModality()
        modality.draw(axes[0], records, 0, schema)
        modality.draw(axes[1], records, 0, schema, heat=np.random.default_rng(0).random((12, 12)))
        modality.draw(axes[2], records, 0, schema, heat=np.zeros(schema.shape))
        assert len(_drawn(figure)) > 1000
    assert len(_drawn(modality.overview(records, records.take(slice(0, 5)), schema))) > 1000


def test_there_is_one_kind_of_judge(shapes):
    schema, _ = shapes()
    modality = MaskModality()
    judge = modality.judge(schema, seed=0)
    assert judge is not None
    assert judge.measure == "miou"
    with pytest.raises(UsageError, match="no judge 'forest'"):
        modality.judge(schema, seed=0, kind="forest")


def test_a_class_whose_colour_is_grey_is_seen_on_a_grey_image():
    grey = MaskClass(1, "seventh of VOC", (128, 128, 128))
    classes = (MaskClass(0, "background", (0, 0, 0)), grey)
    image = np.full((4, 4, 1), 128, np.uint8)
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 1
    picture = overlay(image, mask, classes).astype(int)
    assert np.ptp(picture[0, 0]) > 50
    assert np.ptp(picture[3, 3]) == 0
