"""A tuned run is a run like any other, of the same data, that takes two evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.errors import ConfigError, UsageError
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import make_records
from synthgen.io.run import Run
from synthgen.training.distilling import distill


@pytest.fixture(scope="module")
def tuned(tiny_run, tmp_path_factory):
    return distill(tiny_run, out=tmp_path_factory.mktemp("runs") / "tuned", overrides={"samples": 640})


def test_the_tuned_run_opens_with_the_data_of_the_old_one(tuned, tiny_run):
    run = Run.open(tuned.path)
    assert run.fingerprint != tiny_run.fingerprint
    assert run.facts["distilled_from"] == tiny_run.fingerprint
    assert run.schema == tiny_run.schema
    np.testing.assert_array_equal(run.split.train, tiny_run.split.train)
    assert run.config.sampling.sampler == "consistency"
    assert run.config.sampling.steps == 2
    assert run.facts["samples"] == 640
    assert [row["loss"] for row in run.history()]
    assert tiny_run.fingerprint[:12] in (run.path / "card.md").read_text()


def test_generation_takes_two_evaluations_from_sigma_max_and_the_middle(tuned, tiny_run):
    seen = []
    hook = tuned.denoiser().register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    records = make_records(tuned, make_plan(tuned, n=5), range(5))
    hook.remove()
    assert len(records) == 5
    assert [float(sigma[0]) for sigma in seen] == pytest.approx([tiny_run.config.noise.sigma_max, 0.6], rel=1e-5)


def test_the_same_request_gives_the_same_weights(tuned, tiny_run, tmp_path):
    again = distill(tiny_run, out=tmp_path / "again", overrides={"samples": 640})
    assert again.fingerprint == tuned.fingerprint


def test_nothing_is_overwritten_unasked(tuned, tiny_run):
    with pytest.raises(UsageError, match="exists"):
        distill(tiny_run, out=tuned.path)


def test_a_wrong_key_is_named(tiny_run, tmp_path):
    with pytest.raises(ConfigError, match=r"distill\.stage"):
        distill(tiny_run, out=tmp_path / "x", overrides={"stage": 3})
    assert not (tmp_path / "x").exists()
