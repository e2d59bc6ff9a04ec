"""Channels that nearly agree, learnt with their covariance built in."""

from __future__ import annotations

import numpy as np
import pytest

import synthgen
from synthgen.errors import ConfigError
from synthgen.generation import generate_records

TINY = {
    "network": {"name": "unet", "width": 16, "multipliers": (1, 2), "blocks": 1, "dropout": 0.0},
    "noise": {"covariance": True},
    "optim": {"batch_size": 64},
    "train": {"samples": 2_000, "precision": "fp32", "sample_checks": 0, "held_out_every": 1},
}


@pytest.fixture
def pairs(tmp_path):
    """600 windows of two channels that differ by a thousandth of their deviation."""
    rng = np.random.default_rng(0)
    level = rng.standard_normal((600, 1, 12))
    values = np.concatenate([level, level + 1e-3 * rng.standard_normal(level.shape)], axis=1)
    np.savez(tmp_path / "pairs.npz", X=values)
    return tmp_path / "pairs.npz"


def test_a_short_training_keeps_channels_together_that_nearly_agree(pairs, tmp_path):
    run = synthgen.train(TINY, modality="timeseries", data=pairs, out=tmp_path / "run")
    made = generate_records(synthgen.Run.open(run.path), n=200, seed=0)["values"]
    apart = float((made[:, 1] - made[:, 0]).std())
    assert 0.5e-3 < apart < 2e-3
    assert 0.7 < float(made[:, 0].std()) < 1.3
    again = synthgen.train({"train": {"samples": 200}}, modality="timeseries", data=pairs, out=tmp_path / "more",
                           init=run.path)  # fmt: skip
    assert again.config.noise.covariance  # as the run it starts from


def test_it_is_refused_where_records_are_private(pairs, tmp_path):
    private = {**TINY, "train": {"samples": 200, "dp_epsilon": 5.0, "dp_delta": 1e-4}}
    with pytest.raises(ConfigError, match=r"noise\.covariance"):
        synthgen.train(private, modality="timeseries", data=pairs, out=tmp_path / "private")
