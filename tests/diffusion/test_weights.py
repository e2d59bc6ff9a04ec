from __future__ import annotations

import math

import pytest
import torch

from synthgen.diffusion import LossWeight, coefficients
from synthgen.diffusion.sigma import PARAMETERISATIONS
from synthgen.diffusion.weights import WEIGHTS
from synthgen.errors import UsageError

SIGMA = torch.tensor([0.01, 0.05, 0.3, 1.0, 8.0, 60.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (LossWeight("edm"), lambda s: (s * s + 0.25) / (0.5 * s) ** 2),
        (LossWeight("uniform"), lambda s: 1.0),
        # the velocity that follows from D is (x - D)/sigma up to the signal's scale: its error is (D - x_0)/t
        (LossWeight("velocity"), lambda s: max(s / (1 + s), 0.05) ** -2),
        (LossWeight("min-snr"), lambda s: min(5.0, 0.25 / s**2)),
        (LossWeight("min-snr", snr_gamma=1.0), lambda s: min(1.0, 0.25 / s**2)),
        # Crowson et al. 2024: 1 / (sigma^2 + 1 / gamma), for data of unit variance, here for gamma times it
        (LossWeight("soft-min-snr", 1.0, snr_gamma=4.0), lambda s: 1 / (s * s + 1 / 4)),
        (LossWeight("soft-min-snr"), lambda s: 1 / (s * s / 0.25 + 1 / 5)),
        (LossWeight("p2", 1.0, p2_gamma=0.5, p2_k=2.0), lambda s: s**-2 / math.sqrt(2 + s**-2)),
    ],
)
def test_weights_are_those_of_the_papers(weight, expected):
    torch.testing.assert_close(weight(SIGMA), torch.tensor([expected(s) for s in SIGMA.tolist()]).double())


def test_p2_on_the_noise_is_one_over_k_plus_snr_to_the_gamma():
    """The error of the noise is (D - x_0)/sigma: a weight w on |D - x_0|^2 is w sigma^2 on it."""
    on_noise = LossWeight("p2", 1.0)(SIGMA) * SIGMA**2
    torch.testing.assert_close(on_noise, 1 / (1 + SIGMA**-2))


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_the_native_weight_is_the_plain_error_of_what_the_network_predicts(parameterisation, generator):
    x0, noise, predicted = torch.randn(3, 6, dtype=torch.float64, generator=generator)
    x = x0 + SIGMA * noise
    c_skip, c_out, _ = coefficients(parameterisation, SIGMA, 0.5)
    target = (x0 - c_skip * x) / c_out
    weight = LossWeight("native", parameterisation=parameterisation)(SIGMA)
    torch.testing.assert_close(weight * (c_skip * x + c_out * predicted - x0).square(), (predicted - target).square())


def test_soft_min_snr_lies_below_min_snr_and_meets_it_at_both_ends():
    hard, soft = LossWeight("min-snr")(SIGMA), LossWeight("soft-min-snr")(SIGMA)
    assert (soft < hard).all()
    torch.testing.assert_close(soft[[0, -1]], hard[[0, -1]], rtol=0.01, atol=0)


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_weight_is_finite_and_positive_over_the_whole_range(name):
    weight = LossWeight(name)(torch.logspace(-3, 3, 200))
    assert torch.isfinite(weight).all()
    assert (weight > 0).all()


def test_an_unknown_weight_is_refused_when_it_is_made():
    with pytest.raises(UsageError, match="weight"):
        LossWeight("snr")
