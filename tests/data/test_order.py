"""The order in which training sees records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.data.order import Balanced, Graded, Shuffled

LABELS = np.repeat([0, 1, 2], [600, 90, 30])


@given(size=st.integers(1, 40), seed=st.integers(0, 5), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_a_shuffled_order_is_the_same_however_it_is_cut_and_shows_each_record_once_a_pass(size, seed, cuts):
    total = sum(cuts)
    whole = Shuffled(size, seed).positions(0, total, 0.0)
    order, parts, seen = Shuffled(size, seed), [], 0
    for cut in cuts:
        parts.append(order.positions(seen, cut, 0.0))
        seen += cut
    assert np.array_equal(np.concatenate(parts), whole)
    for start in range(0, total - size + 1, size):
        assert sorted(whole[start : start + size]) == list(range(size))


def test_balance_one_shows_every_class_equally_often_in_every_batch():
    order = Balanced(LABELS, 0, balance=1.0)
    for step in range(100):
        batch = LABELS[order.positions(step * 60, 60, 0.0)]
        assert np.bincount(batch, minlength=3) == pytest.approx([20, 20, 20], abs=2)


def test_balance_zero_keeps_the_classes_shares():
    drawn = Balanced(LABELS, 0, balance=0.0).positions(0, 720, 0.0)
    assert sorted(drawn) == list(range(720))


def test_balance_in_between_follows_the_stated_power():
    drawn = LABELS[Balanced(LABELS, 0, balance=0.5).positions(0, 720, 0.0)]
    weights = np.array([600, 90, 30]) ** 0.5
    assert np.bincount(drawn) == pytest.approx(720 * weights / weights.sum(), abs=1)


def test_records_of_a_class_come_equally_often():
    drawn = Balanced(LABELS, 3, balance=1.0).positions(0, 7200, 0.0)
    counts = np.bincount(drawn, minlength=720)
    for k, times in enumerate((2400 / 600, 2400 / 90, 2400 / 30)):
        of_class = counts[LABELS == k]
        assert of_class.max() - of_class.min() <= 1
        assert of_class.mean() == pytest.approx(times)


def test_a_balanced_order_can_be_taken_up_anywhere():
    whole = Balanced(LABELS, 1, balance=1.0).positions(0, 3000, 0.0)
    assert np.array_equal(Balanced(LABELS, 1, balance=1.0).positions(1234, 500, 0.0), whole[1234:1734])


def test_a_curriculum_begins_with_the_easy_quarter_and_ends_with_all():
    difficulty = np.random.default_rng(0).permutation(1000)
    order = Graded(difficulty, Shuffled(1000, 0), seed=0, share=0.5)
    assert difficulty[order.positions(0, 200, 0.0)].max() < 250
    assert difficulty[order.positions(64, 600, 0.25)].max() < 625
    assert difficulty[order.positions(64, 600, 0.25)].max() > 500
    assert np.array_equal(order.positions(640, 64, 0.5), Shuffled(1000, 0).positions(640, 64, 0.5))
    assert np.array_equal(order.positions(128, 64, 0.1), order.positions(128, 64, 0.1))
    assert len(set(order.positions(0, 100, 0.0))) == 100


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_a_curriculum_keeps_balanced_classes_balanced_from_its_first_batch_on(balance):
    labels = np.repeat([0, 1], [900, 100])
    difficulty = np.concatenate([np.arange(900), 5000 + np.arange(100)])  # without classes the rare one comes last
    after = Balanced(labels, 0, balance=balance)
    order = Graded(difficulty, after, seed=0, share=0.5, labels=labels, balance=balance)
    weights = np.array([900, 100]) ** (1 - balance)
    for progress, easiest in ((0.0, 0.25), (0.25, 0.625)):
        drawn = [order.positions(step * 30, 30, progress) for step in range(400)]
        shares = np.array([np.bincount(labels[batch], minlength=2) for batch in drawn]) / 30
        assert shares.mean(0) == pytest.approx(weights / weights.sum(), abs=0.01)
        assert np.ptp(shares[:, 1]) <= 1 / 30 + 1e-9
        seen = np.unique(np.concatenate(drawn))
        for members in (np.arange(900), np.arange(900, 1000)):
            assert set(seen) & set(members) == set(members[: int(np.ceil(easiest * len(members)))])
    assert np.array_equal(order.positions(640, 64, 0.5), after.positions(640, 64, 0.5))


def test_a_balanced_curriculum_mixes_its_classes_within_a_batch():
    labels = np.repeat([0, 1], [500, 500])
    order = Graded(np.arange(1000), Shuffled(1000, 0), seed=0, share=0.5, labels=labels, balance=1.0)
    first_halves = [np.mean(labels[order.positions(step * 64, 64, 0.1)[:32]]) for step in range(100)]
    assert np.mean(first_halves) == pytest.approx(0.5, abs=0.05)
