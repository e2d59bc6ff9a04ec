"""Averages of other widths from snapshots, against the averages themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.nn.ema import PowerEma, exponent_of_width
from synthgen.nn.post_hoc import combination, combined


def profile(width, time, t):
    gamma = exponent_of_width(width)
    return np.where(t <= time, (gamma + 1) * t**gamma / time ** (gamma + 1), 0.0)


STORED = [(width, time) for time in np.linspace(1000, 64_000, 32) for width in (0.05, 0.10)]


@pytest.mark.parametrize("width", [0.05, 0.10])
def test_a_stored_average_is_combined_from_itself_alone(width):
    weights = combination(STORED, (width, 64_000.0))
    alone = np.zeros(len(STORED))
    alone[STORED.index((width, 64_000.0))] = 1
    np.testing.assert_allclose(weights, alone, atol=1e-5)


@pytest.mark.parametrize("width", [0.06, 0.075, 0.13, 0.2])
def test_the_combined_profile_is_the_wanted_one(width):
    t = np.linspace(0, 64_000, 20_001)
    weights = combination(STORED, (width, 64_000.0))
    made = sum(weight * profile(*stored, t) for weight, stored in zip(weights, STORED, strict=True))
    wanted = profile(width, 64_000.0, t)
    assert weights.sum() == pytest.approx(1, abs=0.02)
    assert np.sqrt(np.mean((made - wanted) ** 2)) < 0.05 * np.sqrt(np.mean(wanted**2))


def test_a_width_made_afterwards_is_the_average_that_would_have_been_tracked():
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Linear(6, 6, bias=False)
    tracked, extra = PowerEma(module, (0.05, 0.10)), PowerEma(module, (0.075,))
    profiles, states, batch, steps = [], [], 64, 2000
    for step in range(1, steps + 1):
        with torch.no_grad():
            module.weight += 0.05 * torch.randn(6, 6, generator=generator) + 0.01
        for ema in (tracked, extra):
            ema.update(step * batch, batch)
        if step % (steps // 32) == 0 or step == steps:
            for width in tracked.widths:
                profiles.append((width, float(step * batch)))
                states.append({name: value.half() for name, value in tracked.state(width).items()})
    made = combined(states, combination(profiles, (0.075, float(steps * batch))))["weight"]
    wanted, near = extra.state(0.075)["weight"], tracked.state(0.10)["weight"]
    assert float((made - wanted).norm()) < 0.1 * float((near - wanted).norm())
