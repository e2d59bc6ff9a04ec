from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synthgen.api import Condition
from synthgen.diffusion import AutoGuided, Ensemble, Guided, Thresholded, drop, null
from synthgen.errors import UsageError


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


def test_guidance_on_one_condition_keeps_the_other_in_both_halves(conditions):
    guided = Guided(Shifted(), 3.0, names=("label",))(torch.zeros(3, 1, 4), torch.ones(3), conditions)
    context = conditions["context"].sum(dim=1)
    torch.testing.assert_close(guided[:, 0, 0], context + 100 + 3 * (conditions["label"] - 100.0))
    assert null(conditions, ("label",))["context"] is conditions["context"]


class Fixed:
    """Answers one tensor for a known label and another for the null."""

    def __init__(self, known, unknown):
        self.known, self.unknown = known, unknown

    def __call__(self, x, sigma, conditions):
        chosen = (conditions["label"] >= 0)[:, None, None]
        return torch.where(chosen, self.known[: len(x)].repeat(len(x) // len(self.known), 1, 1), self.unknown[:1])


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_rescaling_blends_with_the_conditional_answer_s_deviation(share, generator):
    """Lin et al. 2024, eq. 15 and 16."""
    known, unknown = torch.randn(2, 2, 3, 5, dtype=torch.float64, generator=generator)
    labels = {"label": torch.tensor([0, 1])}
    ours = Guided(Fixed(known, unknown), 4.0, rescale=share)(torch.zeros(2, 3, 5).double(), torch.ones(2), labels)
    pushed = unknown[:1] + 4.0 * (known - unknown[:1])
    for row in range(2):
        rescaled = pushed[row] * known[row].std() / pushed[row].std()
        torch.testing.assert_close(ours[row], share * rescaled + (1 - share) * pushed[row])


def test_autoguidance_extrapolates_from_the_guide_which_is_told_the_same(conditions):
    strong, weak = Shifted(), Shifted()
    x, sigma = torch.zeros(3, 1, 4), torch.tensor([0.1, 1.0, 9.0])
    d = AutoGuided(strong, lambda *given: weak(*given) - 2, 1.5, (0.5, 1.5))(x, sigma, conditions)
    assert d[:, 0, 0].tolist() == [3, 1 - 2 + 1.5 * 2, 6]
    assert (strong.rows, weak.rows) == (3, 1)  # outside the interval the guide is not asked
    assert AutoGuided(strong, weak, 1.0)(x, sigma, conditions)[:, 0, 0].tolist() == [3, 1, 6]
    assert weak.rows == 1


def test_autoguidance_by_a_blurred_gaussian_is_a_gaussian_pulled_tighter():
    """D = x g, G = x g' with g = s^2/(s^2 + sigma^2): guiding by a wider s' moves D beyond D, away from G."""
    x, sigma = torch.full((1, 1, 1), 3.0, dtype=torch.float64), torch.ones(1)
    gain = {s: s**2 / (s**2 + 1) for s in (0.5, 0.8)}
    d = AutoGuided(lambda x, *_: gain[0.5] * x, lambda x, *_: gain[0.8] * x, 2.0)(x, sigma, {})
    assert d.item() == pytest.approx(3 * (gain[0.8] + 2 * (gain[0.5] - gain[0.8])))
    assert abs(d.item()) < 3 * gain[0.5]


@pytest.mark.parametrize("quantile", [0.5, 0.9, 1.0])
def test_dynamic_thresholding_is_imagen_s(quantile, generator):
    estimate = 2 * torch.randn(5, 2, 50, dtype=torch.float64, generator=generator)
    estimate[0] /= 100  # within the limit already
    ours = Thresholded(lambda *_: estimate, limit=1.0, quantile=quantile)(estimate, torch.ones(5), {})
    for row in range(5):
        flat = estimate[row].flatten().numpy()
        s = max(1.0, np.quantile(np.abs(flat), quantile, method="inverted_cdf"))
        np.testing.assert_allclose(ours[row].flatten().numpy(), np.clip(flat, -s, s) / s)
    assert torch.equal(ours[0], estimate[0])
    assert ours.abs().max() <= 1


def test_a_threshold_of_zero_clips_and_shrinks_nothing():
    estimate = torch.tensor([[[-3.0, -0.5, 0.2, 7.0]]])
    ours = Thresholded(lambda *_: estimate, limit=1.0, quantile=0.0)(estimate, torch.ones(1), {})
    assert ours.flatten().tolist() == pytest.approx([-1, -0.5, 0.2, 1])


def test_an_ensemble_answers_the_mean(conditions):
    x = torch.zeros(3, 1, 4)
    d = Ensemble([Shifted(), lambda *given: Shifted()(*given) + 3, Shifted()])(x, torch.ones(3), conditions)
    assert d[:, 0, 0].tolist() == [4, 2, 7]
    with pytest.raises(UsageError, match="at least one"):
        Ensemble([])


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
