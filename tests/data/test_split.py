"""The split: disjoint, by group, by class, once and for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.api import Channel, Records, Schema
from synthgen.config import DataConfig
from synthgen.data.source import ArraySource
from synthgen.data.split import make_split
from synthgen.errors import DataError


def source(labels, groups=None, official=None):
    labels = np.asarray(labels)
    schema = Schema("image", (1, 1, 1), (Channel("grey"),), tuple(str(k) for k in range(labels.max() + 1)))
    records = Records({"image": np.zeros((len(labels), 1, 1, 1), np.uint8)}, labels)
    return ArraySource(schema, records, groups=groups, official_split=official)


def parts(split):
    return [split.train, split.validation, split.holdout, split.calibration]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=20, max_size=120), st.integers(0, 1000), st.booleans())
def test_parts_are_disjoint_complete_and_never_part_a_group(labels, seed, grouped):
    groups = np.arange(len(labels)) // 2 if grouped else None
    split = make_split(source(labels, groups), DataConfig(), seed)
    everything = np.concatenate(parts(split))
    assert sorted(everything) == list(range(len(labels)))
    if groups is not None:
        owners = [set(groups[part].tolist()) for part in parts(split)]
        assert sum(len(owner) for owner in owners) == len(set.union(*owners))


def test_each_class_keeps_its_share():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    split = make_split(source(labels), DataConfig(), 0)
    for part, share in zip(parts(split), (0.65, 0.05, 0.2, 0.1), strict=True):
        np.testing.assert_allclose(np.bincount(labels[part]), np.array([600, 300, 100]) * share, atol=1.01)


def test_an_official_split_is_kept():
    official = np.array(["train"] * 30 + ["test"] * 30)
    split = make_split(source(np.arange(60) % 2, official=official), DataConfig(), 0)
    assert split.train.max() < 30 <= min(split.holdout.min(), split.calibration.min())
    assert len(split.holdout) == 20


def test_the_seed_decides_the_split():
    labels = np.arange(100) % 2
    first, again, other = (make_split(source(labels), DataConfig(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train, again.train)
    assert not np.array_equal(first.train, other.train)


def test_too_little_data_is_refused():
    with pytest.raises(DataError, match="5 records"):
        make_split(source([0, 1, 0, 1, 0]), DataConfig(), 0)


def test_one_single_group_is_refused():
    with pytest.raises(DataError, match="evaluate on"):
        make_split(source([0] * 20, groups=np.zeros(20)), DataConfig(), 0)


def test_shares_that_leave_no_training_data_are_refused():
    with pytest.raises(DataError, match="leave nothing to train on"):
        make_split(source([0, 1] * 20), DataConfig(holdout=0.8, calibration=0.3), 0)
