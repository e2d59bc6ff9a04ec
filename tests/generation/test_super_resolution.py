"""A second run that enlarges what the first one makes."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from synthgen import Run
from synthgen.api import Condition
from synthgen.data.super_resolution import LOW_RESOLUTION, EnlargingCodec, enlarged
from synthgen.diffusion.guidance import blurred
from synthgen.errors import ConfigError, RunError
from synthgen.generation import generate_records
from synthgen.generation.cascade import LowResolution
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import _made, make_records
from synthgen.io.run import load_tensors
from synthgen.training import train


def doubled(images):
    """Twice as large, with something to learn: every other row of the enlargement is darker."""
    large = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2).astype(float)
    large[:, ::2] *= 1.2
    large[:, 1::2] *= 0.8
    return large.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def large_run(tiny_run, tiny_overrides, tmp_path_factory):
    place = tmp_path_factory.mktemp("large")
    records = tiny_run.source().read(np.arange(1200))
    np.savez(place / "large.npz", X=doubled(records["image"]), y=records.label)
    choices = {
        **tiny_overrides,
        "train": {**tiny_overrides["train"], "samples": 3200, "upsample_from": str(tiny_run.path)},
    }
    return train(choices, data=place / "large.npz", out=place / "run")


def test_what_it_makes_is_the_small_picture_enlarged(large_run, tiny_run):
    made = generate_records(large_run, n=12, labels=(), seed=5)
    assert made["image"].shape == (12, 16, 16, 1)
    codec = large_run.codec()
    low = codec.encode(made).conditions[LOW_RESOLUTION]
    others = torch.cat([low[1:], low[:1]])
    plan = make_plan(large_run, n=12, labels=(), seed=5)
    conditions = large_run.conditions(made.label, seed=5, sample_ids=range(12))
    asked = LowResolution(large_run, plan, _made)(range(12), made.label, conditions)
    right = (low - asked[LOW_RESOLUTION]).square().mean()
    wrong = (others - asked[LOW_RESOLUTION]).square().mean()
    assert right < 0.5 * wrong


def test_a_record_is_the_same_whatever_its_neighbours(large_run):
    plan = make_plan(large_run, n=12, labels=(), seed=5)
    whole, few = make_records(large_run, plan, range(12)), make_records(large_run, plan, [7, 3])
    assert np.abs(whole["image"][[7, 3]].astype(int) - few["image"]).max() <= 1


def test_the_run_names_the_other_by_path_and_hash_and_finds_it_beside_itself(large_run, tiny_run, tmp_path):
    assert large_run.facts["upsample_from"] == {"run": str(tiny_run.path), "model": tiny_run.fingerprint}
    assert set(load_tensors(large_run.path / "conditions.safetensors")) == {"label"}
    shutil.copytree(large_run.path, tmp_path / "run")
    moved = Run.open(tmp_path / "run")
    moved.facts["upsample_from"]["run"] = "/nowhere/tiny"
    with pytest.raises(RunError, match="that run is gone"):
        generate_records(moved, n=2)
    shutil.copytree(tiny_run.path, tmp_path / "tiny")
    assert len(generate_records(moved, n=2)) == 2
    moved.facts["upsample_from"]["model"] = "0" * 64
    with pytest.raises(RunError, match="its model is another"):
        generate_records(moved, n=2)


def test_a_small_picture_enlarged_is_the_condition_of_its_large_one(tiny_run):
    codec = tiny_run.codec()
    records = tiny_run.source().read(np.arange(5))
    halves = dataclasses.replace(records, columns={"image": records["image"][:, ::2, ::2]})
    blocks = enlarged(halves, (8, 8))
    batch = EnlargingCodec(codec, (1, 4, 4)).encode(blocks)
    torch.testing.assert_close(batch.conditions[LOW_RESOLUTION], batch.x)


def test_noise_on_a_condition_is_at_most_what_it_says():
    spec = Condition("low", "dense", 1, noise=0.3)
    clean = {"low": torch.zeros(4000, 1, 4, 4), "label": torch.arange(4000)}
    noised = blurred(clean, [spec], torch.Generator().manual_seed(0))
    spread = noised["low"].flatten(1).std(dim=1)
    assert torch.equal(noised["label"], clean["label"])
    assert abs(float(noised["low"].std()) - 0.3 / 3**0.5) < 0.01
    assert float(spread.min()) < 0.02


def test_what_cannot_be_enlarged_is_refused(tiny_run, tiny_overrides, tmp_path):
    wrong = {**tiny_overrides, "train": {**tiny_overrides["train"], "upsample_from": str(tiny_run.path)}}
    with pytest.raises(ConfigError, match="no whole multiple"):
        train(wrong, out=tmp_path / "same-size")
    with pytest.raises(ConfigError, match="augmentation"):
        train({**wrong, "data": {"augment": 0.1}}, out=tmp_path / "augmented")
