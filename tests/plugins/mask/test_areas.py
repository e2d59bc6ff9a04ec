"""What the denoiser is told of the area of each class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthgen_mask.areas import AREA, ClassShares, areas_of, shares, told
from synthgen_mask.classes import IGNORE, MaskClass, mask_schema, palette
from synthgen_mask.codec import MaskCodec

from synthgen.api import Records
from synthgen.errors import UsageError

CLASSES = tuple(MaskClass(i, f"kind {i}", palette(k)) for k, i in enumerate((0, 3, 9)))


def test_shares_are_of_the_labelled_pixels():
    mask = np.zeros((2, 4, 5), np.uint8)
    mask[0, 0] = 3
    mask[0, 1] = IGNORE
    mask[1] = IGNORE
    found = shares(mask, CLASSES)
    np.testing.assert_allclose(found[0], [10 / 15, 5 / 15, 0])
    assert np.isnan(found[1]).all()  # nothing is known of them


def test_what_is_told_stands_for_the_share_within_half_a_step():
    share = np.array([1.0, 0.5, 0.02, 0.003, 1e-4, 0.0])
    back = areas_of(told(share)).numpy()
    assert back[-1] == 0
    np.testing.assert_allclose(np.log10(back[:-1]), np.log10(share[:-1]), atol=1 / 6 + 1e-6)
    assert told(np.array([1.0, 0.01])).tolist() == pytest.approx([1.0, 0.0])
    assert told(np.array([np.nan])).isnan().all()


def test_shares_that_are_nearly_alike_are_told_alike():
    """Else the areas would name the training record."""
    values = told(np.linspace(0.1, 0.9, 400))
    assert len(torch.unique(values)) <= 5


def test_the_codec_tells_the_areas(tmp_path):
    schema = mask_schema((4, 5), bands=1, classes=CLASSES, area=True)
    mask = np.zeros((2, 4, 5), np.uint8)
    mask[0, 0] = 9
    records = Records({"image": np.zeros((2, 4, 5, 1), np.uint8), "mask": mask})
    codec = MaskCodec(schema).fit([records])
    torch.testing.assert_close(codec.encode(records).conditions[AREA], told(shares(mask, CLASSES)))


def test_classes_are_named_by_name_or_id_and_a_slip_is_answered():
    offered = ClassShares(CLASSES)
    assert offered.positions(["kind 9", "3"]) == [2, 1]
    with pytest.raises(UsageError, match="unknown pixel class kimd 3") as caught:
        offered.positions(["kimd 3"])
    assert caught.value.hint == "Did you mean kind 3?"


def test_condition_rows_reach_a_share_within_the_steps_that_are_told():
    rows = {AREA: told(np.array([[0.9, 0.1, 0.0], [0.55, 0.4, 0.05], [1.0, 0.0, 0.0], [np.nan] * 3]))}
    offered = ClassShares(CLASSES)
    np.testing.assert_array_equal(offered.nearness(rows, {1: 0.09}) >= 1, [True, True, False, False])
    np.testing.assert_array_equal(offered.nearness(rows, {1: 0.2, 2: 0.04}) >= 1, [False, True, False, False])
    assert offered.nearness(rows, {1: 1.0})[1] == pytest.approx(0.464, abs=1e-3)  # 0.4 is told as 10^(-1/3)
    assert offered.nearness({"present": torch.ones(1, 3)}, {1: 0.1}) is None  # a run before there were areas
