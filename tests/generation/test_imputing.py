from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.generation.imputing import impute


@pytest.fixture(scope="module")
def digits(tiny_run):
    return tiny_run.source().read(tiny_run.split.holdout[:6])


@pytest.fixture(scope="module")
def upper_half(tiny_run):
    known = torch.zeros(6, *tiny_run.schema.shape, dtype=torch.bool)
    known[:, :, :4] = True
    return known


@pytest.mark.parametrize("method", ["guided", "replaced"])
def test_what_is_known_stays_and_the_rest_is_drawn(method, tiny_run, digits, upper_half):
    made = [impute(tiny_run, digits, known=upper_half, method=method, steps=8, seed=seed) for seed in (0, 0, 1)]
    for filled in made:
        np.testing.assert_array_equal(filled["image"][:, :4], digits["image"][:, :4])
        np.testing.assert_array_equal(filled.label, digits.label)
    np.testing.assert_array_equal(made[0]["image"], made[1]["image"])
    assert (made[0]["image"][:, 4:] != made[2]["image"][:, 4:]).mean() > 0.2


def test_a_value_that_is_not_known_is_not_read(tiny_run, digits, upper_half):
    hidden = digits.take(slice(None))
    hidden.columns["image"] = digits["image"].copy()
    hidden.columns["image"][:, 4:] = 255
    ours, theirs = (impute(tiny_run, records, known=upper_half, steps=6) for records in (digits, hidden))
    np.testing.assert_array_equal(ours["image"], theirs["image"])


def test_records_without_a_word_on_what_is_known_are_refused(tiny_run, digits, upper_half):
    with pytest.raises(UsageError, match="which values are known"):
        impute(tiny_run, digits)
    with pytest.raises(UsageError, match="shape"):
        impute(tiny_run, digits, known=upper_half[..., :3])
