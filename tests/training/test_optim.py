"""Optimisers and schedules by name."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch

from synthgen.config import OptimConfig
from synthgen.training.lamb import Lamb
from synthgen.training.optim import build_optimizer, rate_factor, usual_optimizer
from synthgen.training.prepare import prepare

NAMES = get_args(OptimConfig.model_fields["name"].annotation)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_by_name_fits_a_linear_map(name):
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(24, 20, generator=generator) / 5
    layer = torch.nn.Linear(20, 24)
    optimizer = build_optimizer([layer], OptimConfig(name=name, weight_decay=0.0))
    for group in optimizer.param_groups:
        group["lr"] = {"sgd": 0.3, "rmsprop": 0.003}.get(name, 0.03)
    first = last = math.nan
    for step in range(200):
        x = torch.randn(64, 20, generator=generator)
        loss = (layer(x) - x @ target.T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert last < 0.05 * first


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_goes_on_bit_for_bit_from_its_stored_state(name):
    from synthgen.training.state import optimizer_tensors, restore_optimizer

    def make():
        torch.manual_seed(0)
        layer = torch.nn.Linear(18, 17)
        return layer, build_optimizer([layer], OptimConfig(name=name))

    def advance(layer, optimizer, step):
        for p in layer.parameters():
            p.grad = torch.sin(p.detach() * 7 + step)
        optimizer.step()

    whole, whole_optimizer = make()
    for step in range(6):
        advance(whole, whole_optimizer, step)
    first, first_optimizer = make()
    for step in range(3):
        advance(first, first_optimizer, step)
    second, second_optimizer = make()
    second.load_state_dict(first.state_dict())
    restore_optimizer(second_optimizer, {k: v.clone() for k, v in optimizer_tensors(first_optimizer).items()})
    for step in range(3, 6):
        advance(second, second_optimizer, step)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_lamb_is_the_papers_algorithm_in_numpy():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3))
    w, m, v = start.copy(), 0.0, 0.0
    ours = torch.nn.Parameter(torch.tensor(start))
    optimizer = Lamb([{"params": [ours], "weight_decay": 0.1, "trust": True}], lr=0.02, betas=(0.9, 0.99))
    for step in range(1, 8):
        gradient = np.cos(w * step)
        ours.grad = torch.cos(ours.detach() * step)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
        r = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-6) + 0.1 * w
        w = w - 0.02 * np.linalg.norm(w) / np.linalg.norm(r) * r
    np.testing.assert_allclose(ours.detach().numpy(), w, rtol=1e-9)


def test_lamb_moves_weights_that_start_at_zero():
    weight = torch.nn.Parameter(torch.zeros(3, 3))
    weight.grad = torch.ones(3, 3)
    Lamb([{"params": [weight]}], lr=0.1).step()
    torch.testing.assert_close(weight.detach(), torch.full((3, 3), -0.1), rtol=1e-4, atol=0)


def test_warm_up_and_cooldown_have_the_stated_shape():
    config = OptimConfig(warmup=0.1, cooldown=0.4)
    assert [rate_factor(p, config) for p in (0.0, 0.05, 0.3, 0.6, 0.8, 1.0)] == pytest.approx([0, 0.5, 1, 1, 0.5, 0])


def test_cosine_is_half_a_cosine_after_warm_up():
    config = OptimConfig(schedule="cosine", warmup=0.2)
    expected = [0.5, 1.0, 0.5, 0.5 * (1 + math.cos(0.75 * math.pi)), 0.0]
    assert [rate_factor(p, config) for p in (0.1, 0.2, 0.6, 0.8, 1.0)] == pytest.approx(expected)


def test_constant_stays_at_the_peak_after_warm_up():
    config = OptimConfig(schedule="constant", warmup=0.1)
    assert [rate_factor(p, config) for p in (0.05, 0.1, 0.5, 1.0)] == pytest.approx([0.5, 1, 1, 1])


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_acts_on_matrices_only(name):
    module = torch.nn.Sequential(torch.nn.Linear(20, 20), torch.nn.LayerNorm(20))
    optimizer = build_optimizer([module], OptimConfig(name=name))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.01 if parameter.ndim >= 2 else 0.0)


MUON = {"optim": {"name": "muon", "lr": 4e-3, "batch_size": 32}, "network": {"width": 8}}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, True),
        ({"optim": {"name": "muon"}}, True),
        ({"optim": {"name": "adamw"}}, False),
        ({"train": {"sharding": "fsdp"}}, False),
        ({"train": {"sharding": "ddp"}}, True),
        ({"train": {"sharding": "fsdp"}, "optim": {"name": "muon"}}, True),  # refused later, with a sentence
    ],
)
def test_the_rate_of_a_modalitys_optimiser_goes_with_it(asked: dict[str, Any], kept: bool) -> None:
    found = usual_optimizer(MUON, asked)
    assert ("lr" in found["optim"], "name" in found["optim"]) == (kept, kept)
    assert found["optim"]["batch_size"] == 32
    assert found["network"] == MUON["network"]


def test_a_rate_without_a_name_is_that_of_the_default_optimiser() -> None:
    usual = {"optim": {"lr": 1.5e-3}}
    assert usual_optimizer(usual, {"optim": {"name": OptimConfig().name}}) == usual
    assert usual_optimizer(usual, {"train": {"sharding": "fsdp"}}) == usual
    assert usual_optimizer(usual, {"optim": {"name": "sgd"}})["optim"] == {}


def test_a_series_run_with_another_optimiser_takes_that_ones_rate() -> None:
    plain = prepare({"modality": "timeseries"}).config.optim
    other = prepare({"modality": "timeseries", "optim": {"name": "adamw"}}).config.optim
    cut = prepare({"modality": "timeseries", "train": {"sharding": "fsdp"}}).config.optim
    assert (plain.name, plain.lr) == ("muon", 4e-3)
    assert (other.name, other.lr) == (cut.name, cut.lr) == ("adamw", OptimConfig().lr)
    assert plain.batch_size == other.batch_size == cut.batch_size
