"""Blocks keep the promise of p-values where records are not independent, and change nothing where they are."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.evaluation.blocks import blocks_of, describe_blocks
from synthgen.evaluation.calibration import conformal_p


def windows(series, window, stride):
    return np.stack([series[None, start : start + window] for start in range(0, len(series) - window + 1, stride)])


@pytest.mark.parametrize(("stride", "size"), [(12, 2), (6, 4), (8, 3), (24, 1)])
def test_windows_that_share_steps_form_blocks_as_long_as_a_window(stride, size):
    cut = windows(np.random.default_rng(0).normal(size=24 * 20), 24, stride)
    blocks = blocks_of(cut, np.zeros(len(cut)))
    assert np.bincount(blocks)[:-1].tolist() == [size] * (blocks.max())


def test_windows_of_different_groups_never_share_a_block():
    cut = windows(np.random.default_rng(0).normal(size=240), 24, 12)
    blocks = blocks_of(cut, np.arange(len(cut)) % 2)
    assert all(len(set((np.arange(len(cut)) % 2)[blocks == b])) == 1 for b in range(blocks.max() + 1))


def test_many_groups_are_blocks_as_they_are_and_no_groups_means_no_blocks():
    x = np.random.default_rng(0).normal(size=(60, 1, 5))
    assert blocks_of(x, np.repeat(np.arange(30), 2)).tolist() == np.repeat(np.arange(30), 2).tolist()
    assert blocks_of(x, None).tolist() == list(range(60))


def test_p_values_with_blocks_count_a_block_once():
    p = conformal_p(np.array([1.0, 2.0, 3.0, 10.0]), np.array([2.5, 11.0]), blocks=np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(p, [(1 + 0 + 1) / 3, 1 / 3])
    alone = conformal_p(np.array([1.0, 2.0, 3.0]), np.array([2.0]), blocks=np.arange(3))
    np.testing.assert_allclose(alone, conformal_p(np.array([1.0, 2.0, 3.0]), np.array([2.0])))


def test_blocks_keep_the_false_alarm_rate_where_records_of_a_group_are_alike():
    """30 groups of 1 to 40 records whose scores hardly differ; a new group of each size must not alarm too often."""
    draws, with_blocks, without = np.random.default_rng(1), [], []
    for _ in range(1500):
        sizes = draws.integers(1, 41, size=31)
        level = np.where(sizes > 20, -1.0, 1.0) + draws.normal(size=31)  # large groups are calmer
        scores = [level[g] + 0.1 * draws.normal(size=sizes[g]) for g in range(31)]
        calibration, blocks = np.concatenate(scores[:30]), np.repeat(np.arange(30), sizes[:30])
        new = scores[30][:1]
        with_blocks.append(conformal_p(calibration, new, blocks=blocks)[0] <= 0.1)
        without.append(conformal_p(calibration, new)[0] <= 0.1)
    assert np.mean(with_blocks) < 0.1 + 3 * np.sqrt(0.09 / 1500)
    assert np.mean(without) > 0.15  # the plain p-values break their promise here


def test_blocks_are_described_only_where_there_are_some():
    assert describe_blocks(50, 50) == ""
    assert "form 20 blocks" in describe_blocks(50, 20)
    assert "1/21" in describe_blocks(50, 20)
