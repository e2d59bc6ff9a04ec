"""Groups of channels with noise levels of their own, against two correlated Gaussian groups: everything is known."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from synthgen.api import Condition
from synthgen.diffusion import (
    ANCESTRAL,
    CLEAN,
    KNOWN,
    LEVELS,
    MULTISTEP,
    Denoiser,
    DenoisingLoss,
    GroupsGiven,
    Guided,
    LossWeight,
    Settings,
    draw_levels,
    grid,
    levels_condition,
)
from synthgen.diffusion.guidance import without
from synthgen.nn import UNet

GROUPS = (1, 2)
"""Channels of each group; records have the shape (3, 2)."""
ROWS = 4000


@pytest.fixture(scope="module")
def covariance():
    """Of the six entries of a record; the groups are far from independent."""
    root = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return 0.08 * root @ root.T + 0.02 * torch.eye(6, dtype=torch.float64)


@pytest.fixture(scope="module")
def exact(covariance):
    """E[x_0 | x] = C (C + S)^{-1} x, S the diagonal of the squared level of each entry."""

    def denoiser(x, sigma, conditions):
        levels = sigma.double()[:, None].expand(-1, 2)
        if LEVELS in conditions:
            levels = torch.where(conditions[LEVELS].isnan(), levels, conditions[LEVELS].double())
        entries = torch.cat([levels[:, :1].expand(-1, 2), levels[:, 1:].expand(-1, 4)], dim=1)
        total = covariance + torch.diag_embed(entries.square())
        return (covariance @ torch.linalg.solve(total, x.double().flatten(1)[..., None])).view_as(x)

    return denoiser


def sampled(sampler, denoiser, known, steps=120):
    stream = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, ROWS, 3, 2, dtype=torch.float64, generator=stream)
    conditions = {} if known is None else {KNOWN: known}
    levels = grid("log", steps, 0.01, 20.0)
    return sampler.solve(denoiser, 20 * normal(), levels, conditions=conditions, noise=lambda k: normal(),
                         settings=Settings())  # fmt: skip


@pytest.mark.parametrize("given", [0, 1])
@pytest.mark.parametrize("sampler", [MULTISTEP, ANCESTRAL])
def test_sampling_with_one_group_given_draws_from_the_exact_conditional(sampler, given, exact, covariance):
    entries = [[0, 1], [2, 3, 4, 5]]
    seen, hidden = entries[given], entries[1 - given]
    value = torch.tensor([0.5, -0.4, 0.3, 0.2], dtype=torch.float64)[: len(seen)]
    known = torch.full((ROWS, 6), math.nan, dtype=torch.float64)
    known[:, seen] = value
    x = sampled(sampler, GroupsGiven(exact, GROUPS), known.view(ROWS, 3, 2)).flatten(1)
    inverse = torch.linalg.inv(covariance[seen][:, seen])
    cross = covariance[hidden][:, seen]
    torch.testing.assert_close(x[:, seen], value.expand(ROWS, -1), atol=1e-9, rtol=0)
    torch.testing.assert_close(x[:, hidden].mean(dim=0), cross @ inverse @ value, atol=0.03, rtol=0)
    torch.testing.assert_close(
        torch.cov(x[:, hidden].T), covariance[hidden][:, hidden] - cross @ inverse @ cross.T, atol=0.03, rtol=0
    )


def test_with_nothing_given_the_joint_law_is_sampled(exact, covariance):
    x = sampled(MULTISTEP, GroupsGiven(exact, GROUPS), None).flatten(1)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.06, rtol=0)


def test_rows_without_anything_given_may_stand_beside_rows_with_it(exact):
    """Guidance puts both into one call."""
    x = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.5, 0.5])
    known = torch.full_like(x, math.nan)
    known[0, :1] = 0.3
    both = GroupsGiven(exact, GROUPS)(x, sigma, {KNOWN: known})
    torch.testing.assert_close(both[1], exact(x[1:], sigma[1:], {})[0])
    guided = Guided(GroupsGiven(exact, GROUPS), 2.0)(x[:1], sigma[:1], {KNOWN: known[:1]})
    free = exact(x[:1], sigma[:1], {})
    torch.testing.assert_close(guided, free + 2 * (both[:1] - free))


class Linear(nn.Module):
    """F for two groups that is right for one covariance when each group is scaled by its own coefficients."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def forward(self, x, noise, conditions):
        self.seen = {"x": x, "noise": noise, **conditions}
        return torch.zeros_like(x)


@pytest.mark.parametrize("parameterisation", ["edm", "epsilon", "v", "flow", "x"])
def test_each_group_is_preconditioned_by_its_own_level(parameterisation):
    network = Linear()
    grouped = Denoiser(network, parameterisation=parameterisation, groups=GROUPS)
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([[0.1, 3.0], [math.nan, math.nan]])
    sigma = torch.tensor([3.0, 0.7])
    estimate = grouped(x, sigma, {LEVELS: levels})
    scaled, told = network.seen["x"], network.seen
    alone = {level: Denoiser(network, parameterisation=parameterisation)(x, torch.full((2,), level), {}) for level in
             (0.1, 3.0, 0.7)}  # fmt: skip
    torch.testing.assert_close(estimate[0, :1], alone[0.1][0, :1])
    torch.testing.assert_close(estimate[0, 1:], alone[3.0][0, 1:])
    torch.testing.assert_close(estimate[1], alone[0.7][1])
    assert scaled[0, :1].std() / x[0, :1].std() > scaled[0, 1:].std() / x[0, 1:].std()
    torch.testing.assert_close(told["noise"], torch.tensor([3.0, 0.7]).log() / 4)  # the highest level
    torch.testing.assert_close(told[LEVELS][0], levels[0].log() / 4)
    assert told[LEVELS][1].isnan().all()  # equal levels are the null


def test_equal_levels_give_the_same_answer_as_no_levels():
    network = UNet((3, 8), (levels_condition(GROUPS),), width=16)
    nn.init.normal_(network.head.weight, std=0.1)
    denoiser = Denoiser(network, groups=GROUPS).eval()
    x, sigma = torch.randn(3, 3, 8), torch.tensor([0.1, 1.0, 5.0])
    with torch.no_grad():
        torch.testing.assert_close(
            denoiser(x, sigma, {LEVELS: sigma[:, None].expand(-1, 2)}), denoiser(x, sigma, {}), rtol=0, atol=0
        )


def test_the_loss_of_equal_levels_is_the_loss_of_one_level(exact):
    x = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.1, 0.3, 0.6, 1.0, 4.0])
    weights = torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(2))
    weight = LossWeight("edm", 0.5)
    one = DenoisingLoss(weight, uncertainty=False)(exact, x, sigma, noise, weights, {})
    two = DenoisingLoss(weight, uncertainty=False, groups=GROUPS)(exact, x, sigma, noise, weights, {})
    torch.testing.assert_close(one[0], two[0])
    torch.testing.assert_close(one[1], two[1])


def test_a_group_that_is_given_costs_nothing_and_the_other_is_weighted_by_its_own_level(exact):
    x = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(1))
    levels = torch.tensor([[CLEAN, 0.8]])
    observed = torch.ones(1, 3, 2)
    observed[:, :1] = 0
    loss = DenoisingLoss(LossWeight("edm", 0.5), groups=GROUPS)
    value, error = loss(exact, x, torch.tensor([0.8]), noise, observed, {LEVELS: levels})
    spread = torch.cat([torch.full((1, 1, 1), CLEAN), torch.full((1, 2, 1), 0.8)], dim=1)
    estimate = exact(x + spread * noise, torch.tensor([0.8]), {LEVELS: levels})
    expected = (0.8**2 + 0.5**2) / (0.8 * 0.5) ** 2 * (estimate - x)[:, 1:].square().mean()
    torch.testing.assert_close(error, expected.reshape(1))
    torch.testing.assert_close(value, expected)  # u starts at 0


def test_training_draws_the_three_kinds_of_levels_in_their_shares():
    generator = torch.Generator().manual_seed(0)
    sigma = torch.rand(20_000, generator=generator) + 1
    levels = draw_levels(
        sigma, lambda: torch.rand(20_000, generator=generator) + 5, 2, independent=0.3, clean=0.2, generator=generator
    )
    clean, joint = (levels == CLEAN).any(dim=1), levels.isnan().all(dim=1)
    assert float(clean.float().mean()) == pytest.approx(0.2, abs=0.02)
    assert float(joint.float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float((levels[clean] == CLEAN)[:, 0].float().mean()) == pytest.approx(0.5, abs=0.03)
    apart = ~clean & ~joint
    assert (levels[apart].amax(dim=1) >= 5).all()
    assert ((levels[apart] == sigma[apart, None]).sum(dim=1) == 1).all()
    noisy = levels[clean].amax(dim=1)
    torch.testing.assert_close(noisy, sigma[clean])  # what is not given keeps the record's level


def test_the_condition_of_the_levels_is_never_dropped():
    assert levels_condition(GROUPS) == Condition(LEVELS, "vector", 2, dropout=0.0)


def test_rows_without_conditions_keep_those_that_are_spared():
    conditions = {"label": torch.tensor([1, 2]), "area": torch.ones(2, 3), LEVELS: torch.ones(2, 2)}
    left = without(conditions, torch.tensor([True, False]), spare=(LEVELS,))
    assert left["label"].tolist() == [-1, 2]
    assert left["area"].isnan().all(dim=1).tolist() == [True, False]
    assert not left[LEVELS].isnan().any()
