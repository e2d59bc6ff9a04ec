from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from synthgen.errors import RunError, UsageError
from synthgen.nn import PowerEma
from synthgen.nn.ema import exponent_of_width


@given(width=st.floats(0.01, 0.288))
def test_the_exponent_solves_its_equation(width):
    gamma = exponent_of_width(width)
    assert gamma >= 0
    assert (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5 == pytest.approx(width, rel=1e-9)


@pytest.mark.parametrize(("width", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_the_exponents_are_those_of_the_paper(width, gamma):
    assert exponent_of_width(width) == pytest.approx(gamma, abs=0.01)


def test_the_width_is_the_profile_s_relative_standard_deviation():
    gamma = exponent_of_width(0.1)
    t = np.linspace(0, 1, 200_001)
    profile = (gamma + 1) * t**gamma
    mean = np.trapezoid(t * profile, t)
    assert math.sqrt(np.trapezoid((t - mean) ** 2 * profile, t)) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("width", [0.0, -0.1, 0.29, 1.0])
def test_widths_without_an_average_are_refused(width):
    with pytest.raises(UsageError):
        exponent_of_width(width)


def test_updates_converge_to_the_integral_of_the_power_profile():
    """theta(t) = (t/T)^p has the average (gamma + 1)/(gamma + 1 + p)."""
    module, widths, steps, batch = nn.Linear(2, 1), (0.05, 0.1, 0.25), 4000, 32
    ema = PowerEma(module, widths)
    for step in range(1, steps + 1):
        nn.init.constant_(module.weight, (step / steps) ** 2)
        ema.update(step * batch, batch)
    for width in widths:
        gamma = exponent_of_width(width)
        expected = torch.full((1, 2), (gamma + 1) / (gamma + 3))
        torch.testing.assert_close(ema.state(width)["weight"], expected, atol=2e-3, rtol=0)


def test_the_average_is_the_recursion_unrolled():
    module, batch = nn.Linear(1, 1, bias=False), 16
    ema = PowerEma(module, (0.1,))
    values, power = [3.0, -1.0, 4.0, 1.0, -5.0], exponent_of_width(0.1) + 1
    for step, value in enumerate(values, start=1):
        nn.init.constant_(module.weight, value)
        ema.update(step * batch, batch)
    weights = [(k / 5) ** power - ((k - 1) / 5) ** power for k in range(1, 6)]  # telescoped products of the betas
    expected = sum(weight * value for weight, value in zip(weights, values, strict=True))
    assert ema.state(0.1)["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_the_initial_weights_leave_no_trace():
    module = nn.Linear(3, 3)
    nn.init.constant_(module.weight, 1e6)
    ema = PowerEma(module, (0.2,))
    nn.init.constant_(module.weight, 1.0)
    ema.update(64, 64)
    torch.testing.assert_close(ema.state(0.2)["weight"], torch.ones(3, 3))


def test_a_state_is_a_copy_that_the_module_can_load():
    module = nn.Sequential(nn.Linear(2, 3), nn.GroupNorm(1, 3))
    ema = PowerEma(module, (0.1,))
    ema.update(8, 8)
    state = ema.state(0.1)
    state["0.weight"].zero_()
    assert ema.state(0.1)["0.weight"].any()
    module.load_state_dict(state)


def test_all_averages_survive_safetensors_and_go_on_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    module = nn.Linear(4, 4)
    ema = PowerEma(module, (0.05, 0.1))

    def advance(average, step):
        with torch.random.fork_rng():
            torch.manual_seed(step)
            nn.init.normal_(module.weight)
        average.update(step * 8, 8)

    for step in range(1, 4):
        advance(ema, step)
    save_file(ema.state_dict(), tmp_path / "ema.safetensors")
    resumed = PowerEma(module, (0.05, 0.1))
    resumed.load_state_dict(load_file(tmp_path / "ema.safetensors"))
    for step in range(4, 7):
        advance(ema, step)
        advance(resumed, step)
    for name, value in ema.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])


@pytest.mark.parametrize(
    "other", [(nn.Linear(2, 2), (0.1,)), (nn.Linear(3, 3), (0.2,)), (nn.Bilinear(3, 3, 3), (0.1,))]
)
def test_a_stored_average_of_another_network_is_refused(other):
    stored = PowerEma(*other).state_dict()
    with pytest.raises(RunError, match="do not fit"):
        PowerEma(nn.Linear(3, 3), (0.1,)).load_state_dict(stored)
