"""A classifier's answers: accuracy and recall against scikit-learn, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from synthgen.data.outcome import ClassificationOutcome
from synthgen.errors import DataError

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=60)


@given(ROWS)
def test_weights_count_records_as_if_they_were_repeated(rows):
    truth, predicted, weights = (np.array(column) for column in zip(*rows, strict=True))
    outcome = ClassificationOutcome(truth, predicted, ["a", "b", "c", "d"])
    repeated = np.repeat(truth, weights), np.repeat(predicted, weights)
    if not len(repeated[0]):
        assert np.isnan(outcome.value(weights))
        assert outcome.per_class(weights) == {}
        return
    assert outcome.value(weights) == pytest.approx(accuracy_score(*repeated))
    present = np.unique(repeated[0])
    recalls = recall_score(*repeated, labels=present, average=None)
    assert outcome.per_class(weights) == pytest.approx({"abcd"[k]: r for k, r in zip(present, recalls, strict=True)})


def test_without_weights_each_record_counts_once():
    outcome = ClassificationOutcome(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b", "c"])
    assert len(outcome) == 3
    assert outcome.value() == pytest.approx(2 / 3)
    assert outcome.per_class() == {"a": 0.5, "b": 1.0}


def test_as_many_answers_as_questions():
    with pytest.raises(DataError):
        ClassificationOutcome(np.array([0]), np.array([0, 1]), ["a", "b"])
