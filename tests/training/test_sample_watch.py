"""Copies and collapse among samples made in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.api import Batch, Channel, Condition, Schema
from synthgen.config import resolve
from synthgen.training.sample_watch import SampleCheck, SampleWatch, copy_share

SCHEMA = Schema("image", (1, 6, 6), (Channel("grey"),), labels=("a", "b"), conditions=(Condition("label", "class", 2),))


def batch(n, seed):
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 2
    x = 0.5 * torch.randn(n, 1, 6, 6, generator=generator) + label[:, None, None, None]
    return Batch(x, None, {"label": label})


@pytest.fixture
def watch():
    config = resolve([{"modality": "image", "noise": {"sigma_max": 8.0}, "sampling": {"steps": 8}}])
    return SampleWatch(config, SCHEMA, batch(200, 0), batch(60, 1))


def test_the_copy_share_counts_ratios_below_a_third():
    reference = torch.tensor([[0.0, 0.0], [3.0, 0.0], [100.0, 0.0]])
    queries = torch.tensor([[0.7, 0.0], [0.8, 0.0], [1.5, 0.0], [99.0, 0.0], [0.0, 0.0]])
    ratios = [0.7 / 2.3, 0.8 / 2.2, 1.0, 1 / 96, 0.0]
    assert copy_share(queries, reference) == sum(ratio < 1 / 3 for ratio in ratios) / 5


def test_fresh_records_raise_no_alarm(watch):
    check = watch.look(batch(64, 2).x[torch.argsort(torch.arange(64) % 2, stable=True)])
    assert not check.memorised
    assert check.collapsed == []
    assert all(0.7 < ratio < 1.4 for ratio in check.diversity.values())


def test_copies_of_training_records_raise_the_memorisation_alarm(watch):
    copies = batch(200, 0).x[:128] + 0.01 * torch.randn(128, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    assert watch.look(copies).memorised


def test_one_class_that_always_looks_the_same_is_named(watch):
    x = batch(64, 2).x[torch.argsort(torch.arange(64) % 2, stable=True)].clone()
    x[32:] = x[32:33]
    assert watch.look(x).collapsed == ["b"]


def test_what_held_out_records_do_by_chance_is_no_alarm():
    def share(count, n):
        return count / n

    assert not SampleCheck(share(13, 128), share(12, 120), 128, 120, {}).memorised
    assert SampleCheck(share(60, 128), share(12, 120), 128, 120, {}).memorised


def test_samples_of_an_exact_denoiser_are_as_diverse_as_the_data(watch):
    def denoiser(x, sigma, conditions):
        mean = conditions["label"].float()[:, None, None, None]
        s2 = sigma[:, None, None, None] ** 2
        return (0.25 * x + s2 * mean) / (0.25 + s2)

    first, conditions = watch.sample(denoiser, torch.device("cpu"), "fp32")
    again, _ = watch.sample(denoiser, torch.device("cpu"), "fp32")
    assert torch.equal(first, again)
    assert np.bincount(conditions["label"].numpy()).tolist() == [32, 32]
    check = watch.look(first)
    assert not check.memorised
    assert all(0.8 < ratio < 1.25 for ratio in check.diversity.values())
