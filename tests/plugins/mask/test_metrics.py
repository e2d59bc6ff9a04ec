"""Metrics of masks against answers known beforehand, and the picture of masks that disagree."""

from __future__ import annotations

import numpy as np
import pytest
from synthgen_mask import metrics
from synthgen_mask.classes import MaskClass, mask_schema, palette
from synthgen_mask.modality import MaskModality

from synthgen.api import Palette, Records
from synthgen.evaluation import plugin_metrics

CLASSES = [MaskClass(k, f"thing {k}", palette(k)) for k in range(3)]
SCHEMA = mask_schema((8, 8), bands=1, classes=CLASSES)
CONTEXT = {"schema": SCHEMA}


def _records(*masks: np.ndarray) -> Records:
    stacked = np.stack(masks).astype(np.uint8)
    return Records({"image": np.zeros((*stacked.shape, 1), np.uint8), "mask": stacked})


def _squares(*corners: tuple[int, int], size: int = 2, value: int = 1) -> np.ndarray:
    mask = np.zeros((8, 8), np.uint8)
    for row, column in corners:
        mask[row : row + size, column : column + size] = value
    return mask


def test_equal_masks_have_no_distance_in_anything():
    records = _records(_squares((0, 0), (4, 4)), _squares((2, 2), size=3, value=2))
    for function in (metrics.class_shares, metrics.components, metrics.component_sizes, metrics.boundary):
        assert function(records, records, CONTEXT) == 0


def test_class_shares_are_half_the_summed_differences():
    real, synthetic = _records(_squares((0, 0), size=4)), _records(_squares((0, 0), size=8, value=2))
    assert metrics.class_shares(real, synthetic, CONTEXT) == pytest.approx(1.0)
    half = _records(np.where(np.arange(8) < 4, 1, 255)[None].repeat(8, 0))
    assert metrics.class_shares(half, _records(_squares((0, 0), size=8)), CONTEXT) == 0  # ignored pixels count nowhere


def test_parts_are_counted_in_each_record_and_do_not_touch_across_records():
    two, one = _squares((0, 0), (4, 4)), _squares((7, 0), (0, 0))  # rows 7 and 0 of neighbouring records
    counts, sizes = metrics._parts(np.stack([two, one, one]).astype(np.int64), 1)
    assert counts.tolist() == [2, 2, 2]
    assert sizes.tolist() == [4 / 64, 4 / 64, 4 / 64, 2 / 64, 4 / 64, 2 / 64]
    diagonal = np.eye(8, dtype=np.int64)[None]
    assert metrics._parts(diagonal, 1)[0].tolist() == [8]


def test_numbers_and_sizes_of_parts_are_told_apart():
    one, two = _records(_squares((0, 0))), _records(_squares((0, 0), (4, 4)))
    large = _records(_squares((0, 0), size=4))
    assert metrics.components(one, two, CONTEXT) == pytest.approx(0.5)  # of ground and thing 1, the thing differs
    assert metrics.component_sizes(one, large, CONTEXT) == 1.0
    assert metrics.component_sizes(one, _records(np.zeros((8, 8))), CONTEXT) == 1.0  # the class is missing


def test_boundaries_are_shares_of_neighbouring_pixels():
    halves = np.where(np.arange(8) < 4, 0, 1)[None].repeat(8, 0)
    assert metrics._boundary_shares(halves[None].astype(np.int64)).tolist() == [8 / 112]
    assert metrics.boundary(_records(halves), _records(np.zeros((8, 8))), CONTEXT) == 1.0


@pytest.fixture
def sides(shapes, monkeypatch):
    """Real records, and synthetic ones of which every third has the mask of another image."""
    monkeypatch.setattr(metrics, "_JUDGE_STEPS", 60)
    schema, records = shapes(150, labelled=False)
    train, holdout, synthetic = (records.take(np.arange(k, 150, 3)) for k in range(3))
    mask = synthetic["mask"].copy()
    wrong = np.arange(0, len(mask), 3)
    mask[wrong] = np.roll(mask[wrong], 6, axis=(1, 2))
    return schema, train, holdout, Records({"image": synthetic["image"], "mask": mask}), wrong


def test_masks_that_lie_beside_their_things_are_found_and_named(sides):
    schema, train, holdout, synthetic, wrong = sides
    row = metrics.consistency(holdout, synthetic, {"schema": schema, "train": train})
    assert row["value"] < row["floor"] - 0.1
    assert row["ci"][0] < row["value"] < row["ci"][1] < row["facts"]["floor_ci"][0]
    named = row["facts"]["least_consistent"]
    assert set(named[: len(wrong) - 2]) <= set(wrong.tolist())
    assert row["facts"]["inconsistent"] >= 0.3


def test_all_rows_stand_in_the_report_with_their_floors(sides):
    schema, train, holdout, synthetic, _ = sides
    rows, absent = plugin_metrics.measure(MaskModality(), schema, train, holdout, synthetic)
    ours = {row.name: row for row in rows if row.name.startswith("mask_")}
    assert set(ours) == {
        "mask_consistency", "mask_class_shares", "mask_components", "mask_component_sizes", "mask_boundary",
    }  # fmt: skip
    assert not absent
    for row in ours.values():
        assert row.error is None
        assert row.floor is not None
        assert row.ci[0] - 1e-9 <= row.value <= row.ci[1] + 1e-9


def test_the_inconsistent_ones_are_shown_and_framed(sides):
    schema, train, holdout, synthetic, _ = sides
    (drawing,) = MaskModality().drawings(schema, train, holdout, synthetic)
    figure = drawing.draw(Palette("#000000", "#555555", "#cccccc", "#0000ff", "#ff7700"))
    frames = [axis.spines["left"].get_linewidth() for axis in figure.axes[8:16]]
    assert frames == [2.0] * 8
    assert "framed" in drawing.caption
