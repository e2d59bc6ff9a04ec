"""Dropout by the number of records, and the sentence about it."""

from __future__ import annotations

import math

import pytest
import torch

from synthgen.config import resolve
from synthgen.training.optim import build_optimizer, rate_factor
from synthgen.training.prepare import prepare
from synthgen.training.regularisation import dropout_for, sentence


def test_fewer_records_get_more_dropout():
    rates = [dropout_for(records) for records in (100, 4_999, 5_000, 49_999, 50_000, 10**7)]
    assert rates == [0.2, 0.2, 0.1, 0.1, 0.05, 0.05]


def test_the_user_decides_and_the_sentence_says_so(tiny_overrides):
    overrides = {**tiny_overrides, "network": {"width": 16, "multipliers": [1, 2], "blocks": 1}}
    chosen = prepare(overrides)
    decided = chosen.modality.configure(chosen.schema, len(chosen.data))["network"]["dropout"]
    assert chosen.config.network.dropout == decided
    said = sentence(chosen.config, len(chosen.data), overrides)
    assert said.startswith(f"dropout {decided} (for {len(chosen.data):,} training records), weight decay 0.01")
    assert sentence(chosen.config, 84, overrides, continued=True).startswith(f"dropout {decided} (as before)")
    own = {**overrides, "network": {**overrides["network"], "dropout": 0.05}}
    assert prepare(own).config.network.dropout == 0.05
    assert sentence(prepare(own).config, 1168, own).startswith("dropout 0.05 (as set)")


def test_the_sentence_foretells_what_decay_takes_off_a_weight_without_gradient():
    layers = {"modality": "image", "train": {"samples": 12_800}, "optim": {"weight_decay": 0.5, "batch_size": 64}}
    config = resolve([layers])
    weight = torch.nn.Linear(3, 3)
    start = float(weight.weight.detach().norm())
    optimizer = build_optimizer([weight], config.optim)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = config.optim.lr * rate_factor(step / 200, config.optim)
        weight.weight.grad = torch.zeros(3, 3)
        optimizer.step()
    lost = 1 - float(weight.weight.detach().norm()) / start
    said = float(sentence(config, 1000, layers).rpartition("takes ")[2].partition(" %")[0])
    assert said == pytest.approx(100 * lost, rel=0.05)
    assert not math.isclose(said, 0, abs_tol=1)
