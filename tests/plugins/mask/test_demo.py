"""The demo set: real glyphs on real photographs, the same every time, its classes told by the mask."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from synthgen_mask.classes import classes_of
from synthgen_mask.demo import SIZE, compose, digits_on_photos


def test_each_record_is_a_function_of_its_index_alone():
    digits = load_digits()
    photographs = [photograph.mean(-1).astype(np.uint8) for photograph in load_sample_images().images]
    alone = [compose(digits.images[5], photographs, 5) for _ in range(2)]
    np.testing.assert_array_equal(alone[0][0], alone[1][0])
    assert not np.array_equal(alone[0][0], compose(digits.images[5], photographs, 6)[0])


def test_the_set_is_complete_deterministic_and_grouped_by_handwriting():
    first, second = digits_on_photos(), digits_on_photos()
    everything = np.arange(len(first))
    records = first.read(everything)
    np.testing.assert_array_equal(records["image"], second.read(everything)["image"])
    assert records["image"].shape == (len(first), SIZE, SIZE, 1)
    assert len(np.unique(first.groups)) == 1797
    for group in (0, 1, 1796):
        assert len(np.unique(first.labels[first.groups == group])) == 1


def test_every_mask_holds_the_ground_and_the_digit_of_its_label():
    source = digits_on_photos()
    records = source.read(np.arange(len(source)))
    assert len(classes_of(source.schema)) == 11
    for mask, label in zip(records["mask"], records.label, strict=True):
        assert set(np.unique(mask)) == {0, label + 1}


def test_ink_is_lighter_than_the_ground_it_lies_on():
    source = digits_on_photos()
    records = source.read(np.arange(200))
    for image, mask in zip(records["image"][..., 0], records["mask"], strict=True):
        assert image[mask > 0].mean() > image[mask == 0].mean() + 30
