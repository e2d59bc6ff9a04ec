"""Squares cut from larger images, and rare classes shown more often."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.tiles import tiles_of

from synthgen import registry
from synthgen.config import DataConfig, resolve
from synthgen.data.opening import open_source
from synthgen.data.split import Split
from synthgen.errors import DataError
from synthgen.io.folder import ImageHeader
from synthgen.training.prepare import _classes


def masks_of(count=6, size=(20, 44)):
    random = np.random.default_rng(0)
    return {f"p{k}": random.integers(0, 3, size, dtype=np.uint8) for k in range(count)}


def test_squares_show_every_pixel_of_image_and_mask_as_it_is(folder):
    masks = masks_of()
    base = folder(masks)
    for stem, mask in masks.items():
        Image.fromarray(mask * 50 + np.arange(44, dtype=np.uint8)).save(base / "images" / f"{stem}.png")
    source = open_source("mask", DataConfig(path=str(base), crop=16))
    assert source.schema.shape[1:] == (16, 16)
    assert len(source) == 6 * 2 * 3
    records = source.read(np.arange(len(source)))
    corners = [(row, column) for row in (0, 4) for column in (0, 14, 28)]
    for i, mask in enumerate(masks.values()):
        for k, (row, column) in enumerate(corners):
            square = mask[row : row + 16, column : column + 16]
            np.testing.assert_array_equal(records["mask"][6 * i + k], square)
            shade = square * 50 + np.arange(column, column + 16, dtype=np.uint8)
            np.testing.assert_array_equal(records["image"][6 * i + k, ..., 0], shade)
    assert [str(group) for group in source.groups] == [str(i) for i in range(6) for _ in range(6)]
    assert any("cut into 36 squares" in note for note in source.notes)


def test_an_image_of_the_squares_size_is_one_square_and_a_smaller_one_is_refused(folder):
    base = folder(masks_of(3, (16, 16)))
    assert len(open_source("mask", DataConfig(path=str(base), crop=16))) == 3
    with pytest.raises(DataError, match="is 16 x 16: no square of 24 fits into it"):
        open_source("mask", DataConfig(path=str(base), crop=24))
    with pytest.raises(DataError, match=r"data\.crop cuts images and data\.image_size resizes"):
        open_source("mask", DataConfig(path=str(base), crop=8, image_size=12))


def test_unlabelled_masks_are_balanced_by_the_rarest_class_that_a_record_shows(folder):
    masks = {f"p{k:02d}": np.zeros((12, 12), np.uint8) for k in range(24)}
    for k, mask in enumerate(masks.values()):
        mask[:4] = k % 2
        if k in (7, 9):
            mask[0, 0] = 2
    source = open_source("mask", DataConfig(path=str(folder(masks))))
    train = np.arange(24)
    none = np.empty(0, dtype=np.int64)
    split = Split(train, none, none, none)
    modality = registry.modality("mask")
    config = resolve([{"modality": "mask", "data": {"balance": 1.0}}])
    found = _classes(config, modality, source, split)
    assert found.tolist() == [2 if k in (7, 9) else k % 2 for k in range(24)]
    assert _classes(resolve([{"modality": "mask"}]), modality, source, split) is None


def test_squares_cover_all_sizes():
    class Sized:
        def __init__(self, height, width):
            self.size = (height, width)

        def __len__(self):
            return 1

        def name(self, index):
            return "x"

        def headers(self, index):
            header = ImageHeader(self.size[1], self.size[0], "L", False)
            return header, header

        def image(self, index):
            raise AssertionError("headers are enough")

        mask = image

    for height in range(8, 40):
        tiles = tiles_of(Sized(height, 8), 8, [])
        seen = np.zeros(height, bool)
        for row, _ in tiles.corner:
            seen[row : row + 8] = True
            assert row + 8 <= height
        assert seen.all()
        assert len(tiles) == -(-height // 8)
