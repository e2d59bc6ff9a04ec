"""Images in .npz: layouts, kinds of number, labels, and what cannot be images."""

from __future__ import annotations

import numpy as np
import pytest
from synthgen_image.npz_reader import NpzReader

from synthgen.config import DataConfig
from synthgen.errors import DataError


def read(path, **options):
    assert NpzReader().accepts(path)
    return NpzReader().read(path, DataConfig(path=str(path), **options))


@pytest.mark.parametrize(
    "layout", [lambda images: images[..., 0], lambda images: images, lambda images: np.moveaxis(images, 3, 1)]
)
def test_grey_images_in_any_layout(tmp_path, pixels, layout):
    np.savez(tmp_path / "x.npz", X=layout(pixels(4)), y=[3, 5, 3, 5])
    source = read(tmp_path / "x.npz")
    assert source.schema.labels == ("3", "5")
    np.testing.assert_array_equal(source.read(np.arange(4))["image"], pixels(4))


@pytest.mark.parametrize("channels", [3, 4])
def test_channels_first_colour(tmp_path, pixels, channels):
    images = pixels(4, 6, 7, channels)
    np.savez(tmp_path / "x.npz", images=np.moveaxis(images, 3, 1), labels=["a", "b", "b", "a"])
    source = read(tmp_path / "x.npz")
    assert source.schema.shape == (channels, 6, 7)
    assert source.schema.labels == ("a", "b")
    np.testing.assert_array_equal(source.read(np.arange(4))["image"], images)


def test_values_from_0_to_1_become_bytes(tmp_path, pixels):
    np.savez(tmp_path / "x.npz", x=pixels(3)[..., 0] / 255)
    source = read(tmp_path / "x.npz")
    assert source.labels is None
    np.testing.assert_array_equal(source.read(np.arange(3))["image"], pixels(3))


def test_keras_files_keep_their_split(tmp_path, pixels):
    arrays = {"x_train": pixels(4)[..., 0], "y_train": [0, 1, 0, 1], "x_test": pixels(2)[..., 0], "y_test": [1, 0]}
    np.savez(tmp_path / "x.npz", **arrays)
    source = read(tmp_path / "x.npz")
    assert source.official_split.tolist() == ["train"] * 4 + ["test"] * 2
    assert source.labels.tolist() == [0, 1, 0, 1, 1, 0]


def test_image_size_is_obeyed(tmp_path, pixels):
    np.savez(tmp_path / "x.npz", X=pixels(3, 8, 8, 3))
    assert read(tmp_path / "x.npz", image_size=4).schema.shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "no array of images"),
        ({"X": np.zeros((3, 64))}, r"has shape \(3, 64\)"),
        ({"X": np.zeros((3, 5, 5), np.int32) + 70_000}, "8 or 16 bits"),
        ({"X": np.full((3, 5, 5), np.nan)}, "not finite"),
        ({"X": np.array(["a", "b"]).reshape(2, 1, 1)}, "not numbers"),
        ({"X": np.zeros((3, 5, 5)), "y": [0, 1]}, "2 labels for 3 images"),
        ({"X": np.array([object()] * 3)}, "never loaded"),
    ],
)
def test_what_is_no_set_of_images_is_a_sentence(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.npz")


def test_a_truncated_file_is_a_sentence(tmp_path, pixels):
    np.savez(tmp_path / "x.npz", X=pixels(4))
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-40])
    with pytest.raises(DataError, match="not a readable"):
        read(tmp_path / "x.npz")


def test_an_unknown_label_array_names_those_there_are(tmp_path, pixels):
    np.savez(tmp_path / "x.npz", X=pixels(4), classes=[0, 1, 0, 1])
    with pytest.raises(DataError, match="its columns are X, classes"):
        read(tmp_path / "x.npz", label_column="clases")


def test_one_hot_labels_are_classes(tmp_path, pixels):
    images = pixels(4)
    np.savez(tmp_path / "x.npz", X=images, y=np.eye(3, dtype=np.float32)[[2, 0, 2, 1]])
    source = read(tmp_path / "x.npz")
    assert source.labels.tolist() == [2, 0, 2, 1]
    assert any("y is one-hot" in note for note in source.notes)
    np.savez(tmp_path / "x.npz", X=images, y=np.ones((4, 3)))
    with pytest.raises(DataError, match="its rows are not one-hot"):
        read(tmp_path / "x.npz")


def test_one_hot_labels_of_keras_parts_are_classes(tmp_path, pixels):
    images, one_hot = pixels(4), np.eye(2)[[0, 1, 1, 0]]
    parts = {"x_train": images[:3], "y_train": one_hot[:3], "x_test": images[3:], "y_test": one_hot[3:]}
    np.savez(tmp_path / "x.npz", **parts)
    assert read(tmp_path / "x.npz").labels.tolist() == [0, 1, 1, 0]
