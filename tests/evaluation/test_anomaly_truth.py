"""What the data's own labels are taken to say about anomalies."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.api import Channel, Records, Schema
from synthgen.data.source import ArraySource
from synthgen.errors import UsageError
from synthgen.evaluation.overlap import Overlap
from synthgen.evaluation.truth import read_truth


def schema_of(*labels):
    return Schema("toy", (1, 3), (Channel("value"),), labels)


def source_of(labels, index):
    records = Records({"values": np.arange(3.0 * len(index)).reshape(-1, 3)}, np.array(index))
    return ArraySource(schema_of(*labels), records)


@pytest.mark.parametrize(
    ("labels", "run_labels", "anomalous"),
    [
        (("0", "1"), (), [False, True]),
        (("False", "True"), ("cat",), [False, True]),
        (("normal", "anomalous"), (), [False, True]),
        (("anomaly", "good"), ("good",), [True, False]),
        (("0.0", "1.0"), ("cat", "dog"), [False, True]),
        (("cat", "wolf"), ("cat", "dog"), [False, True]),
    ],
)
def test_labels_that_the_run_does_not_know_say_what_is_anomalous(labels, run_labels, anomalous):
    truth = read_truth(source_of(labels, [0, 1, 1, 0]), schema_of(*run_labels))
    assert truth.anomalous.tolist() == [anomalous[0], anomalous[1], anomalous[1], anomalous[0]]
    assert truth.note
    assert truth.names.tolist() == [labels[0], labels[1], labels[1], labels[0]]


def test_classes_that_the_run_knows_say_nothing_even_when_they_look_like_flags():
    truth = read_truth(source_of(("0", "1"), [0, 1]), schema_of("0", "1", "2"))
    assert truth.anomalous is None
    assert truth.classes.tolist() == [0, 1]


def test_named_labels_decide_and_indices_follow_the_names():
    truth = read_truth(source_of(("b", "a"), [0, 1, 1]), schema_of("a", "b"), ["a"])
    assert truth.anomalous.tolist() == [False, True, True]
    assert truth.classes.tolist() == [1, 0, 0]


def test_a_misspelt_anomaly_label_is_refused_with_a_suggestion():
    with pytest.raises(UsageError, match="no record is labelled 'crak'") as caught:
        read_truth(source_of(("good", "crack"), [0, 1]), schema_of("good"), ["crak"])
    assert caught.value.hint == "Did you mean crack?"


def test_anomaly_labels_without_labels_are_refused():
    unlabelled = ArraySource(schema_of(), Records({"values": np.zeros((2, 3))}))
    assert read_truth(unlabelled, schema_of("a")).anomalous is None
    with pytest.raises(UsageError, match="no labels"):
        read_truth(unlabelled, schema_of("a"), ["a"])


def test_copies_of_the_runs_records_are_named_by_their_part():
    source = source_of(("a",), [0] * 6)
    parts = {"train": np.array([0, 1, 2]), "holdout": np.array([3]), "calibration": np.array([], dtype=np.int64)}
    overlap = Overlap.of(source, parts, lambda records: records["values"].astype(np.float32))
    fresh = Records({"values": np.concatenate([source.records["values"][[2, 3, 5]], np.full((1, 3), 0.5)])})
    assert overlap.part_of(fresh).tolist() == ["train", "holdout", "", ""]
