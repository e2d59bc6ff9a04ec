"""Tuning: trials, pruning, and a file that `train --config` takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from synthgen.config import load_toml, resolve
from synthgen.errors import UsageError
from synthgen.training.tuning import tune

pytest.importorskip("optuna")


@pytest.fixture
def small(tiny_overrides):
    return {
        **tiny_overrides,
        "optim": {"batch_size": 32, "name": "adamw"},
        "train": {"samples": 640, "precision": "fp32", "sample_checks": 0, "early_stop": False},
    }


def test_the_first_trial_is_what_stood_and_the_file_holds_what_won(small, tmp_path):
    bad = {**small, "optim": {"batch_size": 32, "name": "adamw", "weight_decay": 0.01, "cooldown": 0.4}}
    bad["network"] = {"width": 16, "multipliers": [1, 2], "blocks": 1}
    tuned = tune(bad, minutes=30, trials=5, out=tmp_path / "tuned.toml")
    first, *others = tuned.trials
    assert first["choices"] == pytest.approx({"optim.lr": 1e-3, "network.dropout": 0.1})
    assert first["value"] == tuned.default
    assert tuned.value == min(trial["value"] for trial in tuned.trials if trial["state"] == "complete")
    assert len(others) == 4
    layers = load_toml(tmp_path / "tuned.toml")
    config = resolve([layers])
    assert config.optim.batch_size == 32
    assert layers["train"] == {"precision": "fp32", "sample_checks": 0, "early_stop": False}
    for key, value in tuned.chosen.items():
        section, _, name = key.partition(".")
        assert getattr(getattr(config, section), name) == pytest.approx(value)
    assert len(json.loads((tmp_path / "tuned.json").read_text())["trials"]) == 5


def test_a_hopeless_trial_is_broken_off(small, tmp_path, monkeypatch):
    import optuna

    rates = iter([1e-3, 1e-3, 1e-3, 1e-7])
    seen = []

    def suggest(self, name, low, high, **options):
        if name != "optim.lr":
            return low
        seen.append(next(rates))
        return seen[-1]

    monkeypatch.setattr(optuna.Trial, "suggest_float", suggest)
    monkeypatch.setattr(optuna.Trial, "suggest_categorical", lambda self, name, choices: choices[0])
    tuned = tune(small, minutes=30, trials=4, out=tmp_path / "tuned.toml")
    assert [trial["state"] for trial in tuned.trials] == ["complete"] * 3 + ["pruned"]


def test_the_time_is_kept(small, tmp_path):
    tuned = tune(small, minutes=0.01, trials=50, out=tmp_path / "tuned.toml")
    assert len(tuned.trials) == 1


def test_utility_can_be_the_objective_and_needs_something_to_judge(small, tmp_path):
    tuned = tune(small, minutes=0.01, objective="tstr", out=tmp_path / "tuned.toml")
    assert 0 < tuned.value < 1
    digits = load_digits().images[:40]
    (tmp_path / "plain").mkdir()
    for index, image in enumerate(digits):
        Image.fromarray((image * 15).astype(np.uint8)).save(tmp_path / "plain" / f"{index}.png")
    with pytest.raises(UsageError, match="nothing to judge by"):
        tune({**small, "data": {"path": str(tmp_path / "plain")}}, objective="tstr", out=tmp_path / "other.toml")
