"""`data.group_column` of NumPy archives, alike in every modality that reads them."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError

SHAPES = {"vectors": (12, 3), "timeseries": (12, 1, 8), "image": (12, 8, 8)}


def written(path, modality, **arrays):
    values = np.random.default_rng(0).integers(0, 255, SHAPES[modality]).astype(np.uint8)
    np.savez(path, X=values if modality == "image" else values.astype(float), **arrays)
    return DataConfig(path=str(path), group_column="patient")


@pytest.mark.parametrize("modality", SHAPES)
def test_groups_are_those_of_the_array_that_is_named(tmp_path, modality):
    patient = np.repeat(["b", "a", "c"], 4)
    groups = open_source(modality, written(tmp_path / "x.npz", modality, patient=patient)).groups
    same = np.equal.outer(patient, patient)
    np.testing.assert_array_equal(np.equal.outer(np.asarray(groups), np.asarray(groups)), same)


@pytest.mark.parametrize("modality", SHAPES)
@pytest.mark.parametrize(
    ("arrays", "words"),
    [({}, "has no array 'patient'"), ({"patient": np.arange(5)}, "12 records but 5 values in patient")],
)
def test_groups_that_are_not_there_or_too_few_are_refused(tmp_path, modality, arrays, words):
    with pytest.raises(DataError, match=words):
        open_source(modality, written(tmp_path / "x.npz", modality, **arrays))


def test_groups_may_stand_in_parts_as_the_records_do(tmp_path):
    x = np.random.default_rng(0).normal(size=(9, 2))
    path = tmp_path / "x.npz"
    np.savez(path, X_train=x[:6], X_test=x[6:], g_train=[1, 1, 1, 2, 2, 2], g_test=[3, 3, 3])
    source = open_source("vectors", DataConfig(path=str(path), group_column="g"))
    assert np.asarray(source.groups).tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
