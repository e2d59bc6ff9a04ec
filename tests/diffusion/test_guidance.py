from __future__ import annotations

import math

import pytest
import torch

from synthgen.api import Condition
from synthgen.diffusion import Guided, drop, null


class Shifted:
    """D = label + vector sum, 100 for a null label; counts the rows that it was asked about."""

    rows = 0
    calls = 0

    def __call__(self, x, sigma, conditions):
        self.rows += len(x)
        self.calls += 1
        label = conditions["label"]
        value = torch.where(label < 0, 100.0, label.float()) + conditions["context"].nan_to_num(7.0).sum(dim=1)
        return value[:, None, None].expand_as(x)


@pytest.fixture
def conditions():
    return {"label": torch.tensor([0, 1, 2]), "context": torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]])}


def test_guidance_extrapolates_from_the_null_answer(conditions):
    d = Guided(Shifted(), 1.5)(torch.zeros(3, 1, 4), torch.ones(3), conditions)
    with_conditions = torch.tensor([3.0, 1.0, 6.0])
    torch.testing.assert_close(d[:, 0, 0], 114 + 1.5 * (with_conditions - 114))


def test_weight_one_costs_nothing_and_changes_nothing(conditions):
    base = Shifted()
    d = Guided(base, 1.0)(torch.zeros(3, 1, 4), torch.ones(3), conditions)
    assert d[:, 0, 0].tolist() == [3, 1, 6]
    assert base.rows == 3


def test_weight_zero_ignores_the_conditions(conditions):
    d = Guided(Shifted(), 0.0)(torch.zeros(3, 1, 4), torch.ones(3), conditions)
    assert d[:, 0, 0].tolist() == [114, 114, 114]


def test_outside_the_interval_the_null_half_is_not_evaluated(conditions):
    base = Shifted()
    guided = Guided(base, 2.0, (0.5, 1.5))
    d = guided(torch.zeros(3, 1, 4), torch.tensor([0.1, 1.0, 9.0]), conditions)
    assert d[:, 0, 0].tolist() == [3, 114 + 2 * (1 - 114), 6]
    assert (base.rows, base.calls) == (4, 1)
    guided(torch.zeros(3, 1, 4), torch.full((3,), 9.0), conditions)
    assert base.rows == 7


def test_null_is_minus_one_for_classes_and_nan_for_vectors(conditions):
    empty = null(conditions)
    assert empty["label"].tolist() == [-1, -1, -1]
    assert empty["label"].dtype == torch.int64
    assert empty["context"].isnan().all()


def test_each_condition_is_dropped_at_its_own_rate(generator):
    n = 20_000
    specs = (Condition("label", "class", 5, dropout=0.1), Condition("context", "vector", 2, dropout=0.4))
    conditions = {"label": torch.zeros(n, dtype=torch.int64), "context": torch.ones(n, 2), "other": torch.ones(n)}
    dropped = drop(conditions, specs, generator)
    label, context = dropped["label"] == -1, dropped["context"].isnan()
    assert label.float().mean().item() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / n))
    assert context.all(dim=1).float().mean().item() == pytest.approx(0.4, abs=4 * math.sqrt(0.24 / n))
    assert torch.equal(context.any(dim=1), context.all(dim=1))
    assert (label & context[:, 0]).float().mean().item() == pytest.approx(0.04, abs=0.01)  # independently
    assert torch.equal(dropped["other"], conditions["other"])
    assert (conditions["label"] == 0).all()  # the input is left alone


def test_dropping_is_a_function_of_the_generator():
    spec = (Condition("label", "class", 5, dropout=0.5),)
    conditions = {"label": torch.arange(100) % 5}
    first, again = (drop(conditions, spec, torch.Generator().manual_seed(3))["label"] for _ in range(2))
    assert torch.equal(first, again)
