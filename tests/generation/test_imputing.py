from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.config import merge
from synthgen.errors import UsageError
from synthgen.generation import generate_records
from synthgen.generation.imputing import impute
from synthgen.io.run import Run
from synthgen.training import train


@pytest.fixture(scope="module")
def digits(tiny_run):
    return tiny_run.source().read(tiny_run.split.holdout[:6])


@pytest.fixture(scope="module")
def upper_half(tiny_run):
    known = torch.zeros(6, *tiny_run.schema.shape, dtype=torch.bool)
    known[:, :, :4] = True
    return known


@pytest.fixture(scope="module")
def informed_run(tiny_overrides, tmp_path_factory):
    """A run that saw records with part of them given."""
    return train(merge(tiny_overrides, {"train": {"context": 0.5}}), out=tmp_path_factory.mktemp("informed") / "run")


@pytest.mark.parametrize("method", ["guided", "replaced", "context"])
def test_what_is_known_stays_and_the_rest_is_drawn(method, tiny_run, informed_run, digits, upper_half):
    run = informed_run if method == "context" else tiny_run
    made = [impute(run, digits, known=upper_half, method=method, steps=8, seed=seed) for seed in (0, 0, 1)]
    for filled in made:
        np.testing.assert_array_equal(filled["image"][:, :4], digits["image"][:, :4])
        np.testing.assert_array_equal(filled.label, digits.label)
    np.testing.assert_array_equal(made[0]["image"], made[1]["image"])
    assert (made[0]["image"][:, 4:] != made[2]["image"][:, 4:]).mean() > 0.2


def test_a_denoiser_first_asked_for_in_inference_mode_still_has_gradients(tiny_run, digits, upper_half):
    fresh = Run.open(tiny_run.path)
    with torch.inference_mode():
        fresh.denoiser()
    filled = impute(fresh, digits, known=upper_half, method="guided", steps=4)
    np.testing.assert_array_equal(filled["image"][:, :4], digits["image"][:, :4])


@pytest.mark.parametrize("method", ["guided", "context"])
def test_a_value_that_is_not_known_is_not_read(method, tiny_run, informed_run, digits, upper_half):
    run = informed_run if method == "context" else tiny_run
    hidden = digits.take(slice(None))
    hidden.columns["image"] = digits["image"].copy()
    hidden.columns["image"][:, 4:] = 255
    ours, theirs = (impute(run, records, known=upper_half, method=method, steps=6) for records in (digits, hidden))
    np.testing.assert_array_equal(ours["image"], theirs["image"])


def test_records_without_a_word_on_what_is_known_are_refused(tiny_run, digits, upper_half):
    with pytest.raises(UsageError, match="which values are known"):
        impute(tiny_run, digits)
    with pytest.raises(UsageError, match="shape"):
        impute(tiny_run, digits, known=upper_half[..., :3])


def test_auto_takes_the_context_where_the_run_has_it(tiny_run, informed_run, digits, upper_half):
    for run, method in ((tiny_run, "guided"), (informed_run, "context")):
        auto, named = (
            impute(run, digits, known=upper_half, method=each, steps=4)["image"] for each in ("auto", method)
        )
        np.testing.assert_array_equal(auto, named)
    with pytest.raises(UsageError, match="not trained with part"):
        impute(tiny_run, digits, known=upper_half, method="context")
    with pytest.raises(UsageError, match="unknown method"):
        impute(tiny_run, digits, known=upper_half, method="magic")


def test_the_same_network_generates_from_nothing(informed_run):
    assert len(generate_records(informed_run, n=3, steps=4)) == 3


def test_a_run_that_starts_from_another_reads_what_that_one_reads(informed_run, tiny_overrides, tmp_path):
    run = train(merge(tiny_overrides, {"train": {"samples": 64}}), out=tmp_path / "run", init=informed_run.path)
    assert run.config.train.context == 0.5
    assert not run.facts["init"]["fresh"]
