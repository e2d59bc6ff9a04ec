"""The judge: its outcome against hand-counted IoU, and that it learns what is there to learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from synthgen_mask.judge import SegmentationJudge, SegmentationOutcome

from synthgen.api import Records
from synthgen.errors import DataError


def _outcome(truth: np.ndarray, predicted: np.ndarray, classes: int) -> SegmentationOutcome:
    kept = truth != 255
    tables = [np.zeros((len(truth), classes), np.int64) for _ in range(3)]
    for k in range(classes):
        said, true = (predicted == k) & kept, (truth == k) & kept
        for table, found in zip(tables, (said & true, said | true, true), strict=True):
            table[:, k] = found.sum((1, 2))
    return SegmentationOutcome(*tables, tuple(f"c{k}" for k in range(classes)))


def _miou(truth: np.ndarray, predicted: np.ndarray) -> float:
    """From one confusion matrix of scikit-learn."""
    kept = truth != 255
    matrix = confusion_matrix(truth[kept], predicted[kept], labels=range(4))
    there = matrix.sum(1) > 0
    return float((np.diag(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix)).clip(1))[there].mean())


def test_the_measure_is_the_miou_of_one_confusion_matrix():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, (2, 9, 6, 6))
    truth[0, 0] = 255
    assert _outcome(truth, predicted, 4).value() == pytest.approx(_miou(truth, predicted))


def test_weights_count_records_as_if_they_were_repeated():
    random = np.random.default_rng(1)
    truth, predicted = random.integers(0, 4, (2, 5, 6, 6))
    times = np.array([2, 0, 1, 3, 0])
    repeated = _miou(truth.repeat(times, 0), predicted.repeat(times, 0))
    assert _outcome(truth, predicted, 4).value(times) == pytest.approx(repeated)


def test_classes_that_the_records_do_not_contain_are_left_out():
    truth = np.zeros((2, 4, 4), int)
    truth[1] = 2
    predicted = truth.copy()
    predicted[0, 0] = 1  # never true
    outcome = _outcome(truth, predicted, 4)
    assert outcome.per_class() == {"c0": 0.75, "c2": 1.0}
    assert outcome.per_class(np.array([1, 0])) == {"c0": 0.75}
    assert outcome.value() == pytest.approx(0.875)
    assert np.isnan(outcome.value(np.zeros(2)))


@pytest.mark.parametrize(("size", "steps"), [(16, 400), (32, 400), (48, 960), (64, 1200), (128, 1200)])
def test_larger_pairs_which_come_in_smaller_batches_get_more_steps(shapes, size, steps):
    schema, _ = shapes(count=2)
    larger = dataclasses.replace(schema, shape=(schema.shape[0], size, size))
    assert SegmentationJudge(larger).steps == steps
    assert SegmentationJudge(larger, steps=7).steps == 7


def test_it_learns_to_segment_shapes_that_differ_in_brightness(shapes):
    schema, records = shapes(count=60)
    judge = SegmentationJudge(schema, seed=0, steps=120).fit(records.take(slice(0, 40)))
    outcome = judge.evaluate(records.take(slice(40, 60)))
    assert len(outcome) == 20
    assert outcome.value() > 0.8
    assert set(outcome.per_class()) == {f"thing {k}" for k in range(4)}


def test_it_learns_nothing_from_masks_that_belong_to_other_images(shapes):
    schema, records = shapes(count=60)
    mixed = Records({"image": records["image"], "mask": np.roll(records["mask"], 7, axis=0)[:, ::-1].copy()})
    judge = SegmentationJudge(schema, seed=0, steps=60).fit(mixed.take(slice(0, 40)))
    assert judge.evaluate(records.take(slice(40, 60))).value() < 0.4


def test_the_same_seed_gives_the_same_judge(shapes):
    schema, records = shapes()
    first, second = (SegmentationJudge(schema, seed=3, steps=5).fit(records).predict(records) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_ignored_pixels_are_not_scored_and_do_not_teach(shapes):
    schema, records = shapes(count=60)
    records["mask"][:, :6] = 255
    judge = SegmentationJudge(schema, seed=0, steps=20).fit(records)
    outcome = judge.evaluate(records)
    assert outcome.truth.sum() == 60 * 6 * 12


@pytest.mark.parametrize("size", [7, 13, 40])
def test_any_image_size_works(shapes, size):
    schema, records = shapes(count=6, size=size, bands=3)
    assert SegmentationJudge(schema, seed=0, steps=2).fit(records).predict(records).shape == (6, size, size)


def test_asking_before_training_is_an_error(shapes):
    schema, records = shapes()
    with pytest.raises(DataError, match="before it was trained"):
        SegmentationJudge(schema, seed=0).evaluate(records)
