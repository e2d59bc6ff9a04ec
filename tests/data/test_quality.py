"""The quality report against faults that were really put into the data."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen import registry
from synthgen.api import Channel, Condition, Records, Schema
from synthgen.data.quality import check_quality
from synthgen.data.source import ArraySource
from synthgen.data.split import Split


def source(images, labels):
    schema = Schema(
        "image",
        (3, 6, 6),
        (Channel("red"), Channel("green"), Channel("blue")),
        labels=("cat", "dog", "eel"),
        conditions=(Condition("label", "class", 3),),
    )
    return ArraySource(schema, Records({"image": images}, labels))


@pytest.fixture
def clean():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (300, 6, 6, 3)).astype(np.uint8), np.arange(300) % 3


def split(n):
    order = np.arange(n)
    return Split(order[: n // 2], order[:0], order[n // 2 :], order[:0])


def check(images, labels):
    return check_quality(source(images, labels), registry.modality("image"), split(len(images)))


def test_clean_data_gives_no_finding(clean):
    found = check(*clean)
    assert found.findings == ()
    assert found.facts["duplicates"] == found.facts["leaked"] == found.facts["outliers"] == 0
    assert found.document()["classes"] == {"cat": 100, "dog": 100, "eel": 100}


def test_duplicates_are_counted_and_named(clean):
    images, labels = clean
    images[7] = images[4]
    images[10] = images[4]
    found = check(images, labels)
    assert found.facts["duplicates"] == 2
    assert found.facts["contradictory_duplicates"] == 0
    assert "2 of 300 records repeat another one exactly (for example records 4, 7, 10)" in found.findings[0]


def test_equal_records_with_different_labels_are_named(clean):
    images, labels = clean
    images[5] = images[4]
    found = check(images, labels)
    assert found.facts["contradictory_duplicates"] == 1
    assert any("different labels (for example records 4, 5)" in finding for finding in found.findings)


def test_a_constant_channel_is_named(clean):
    images, labels = clean
    images[..., 1] = 17
    found = check(images, labels)
    assert found.facts["constant_channels"] == ["green"]
    assert any("single value in all records: green" in finding for finding in found.findings)


def test_rare_and_empty_classes_are_named(clean):
    images, labels = clean
    labels = np.where(np.arange(300) < 4, 1, 0)
    found = check(images, labels)
    assert found.facts["classes"] == {"cat": 296, "dog": 4, "eel": 0}
    assert any("few records of dog (4)" in finding for finding in found.findings)
    assert any("no records of eel" in finding for finding in found.findings)


def test_an_outlier_among_similar_records_is_named():
    rng = np.random.default_rng(1)
    images = np.clip(100 + rng.normal(0, 8, (200, 6, 6, 3)), 0, 255).astype(np.uint8)
    images[42] = 255
    found = check(images, np.arange(200) % 3)
    assert found.facts["outlier_positions"] == [42]


def test_leakage_between_the_splits_is_counted(clean):
    images, labels = clean
    images[200] = images[20]
    images[260] = images[29]
    found = check(images, labels)
    assert found.facts["leaked"] == 2
    assert any("2 of 150 held-out records equal a training record" in finding for finding in found.findings)


def test_near_copies_across_the_split_point_to_a_group_column(clean):
    images, labels = clean
    images[150:] = np.clip(images[:150].astype(int) + np.random.default_rng(2).integers(-2, 3, (150, 6, 6, 3)), 0, 255)
    found = check(images, labels)
    assert found.facts["leaked"] < 5
    assert found.facts["nearly_leaked"] > 0.9
    assert any("--group-column" in finding for finding in found.findings)


def test_missing_values_of_series_are_counted_inside_the_series_only():
    schema = Schema("timeseries", (1, 10), (Channel("flow"),), extra={})
    values = np.random.default_rng(0).normal(size=(40, 1, 10)).astype(np.float32)
    observed = np.ones((40, 1, 10), dtype=bool)
    observed[:, :, 5:] = False  # after the end
    observed[0, 0, :4] = False  # gaps

    class Plain:
        def flatten(self, records, schema):
            return records["values"].reshape(len(records), -1)

    records = Records({"values": values, "observed": observed, "length": np.full(40, 5, dtype=np.int32)})
    found = check_quality(ArraySource(schema, records), Plain())
    assert found.facts["missing"] == pytest.approx(4 / 200)
    assert any("2.0% of the values are missing" in finding for finding in found.findings)
