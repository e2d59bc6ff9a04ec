from __future__ import annotations

import math

import pytest
import torch

from synthgen.api import Condition
from synthgen.diffusion import Denoiser, bits_per_dimension, log_likelihood, rademacher
from synthgen.nn import UNet

LOW, HIGH = 0.05, 20.0


@pytest.fixture
def points(mixture, generator):
    near = mixture.sample(40, generator) + LOW * torch.randn(40, 2, dtype=torch.float64, generator=generator)
    return torch.cat([near, torch.tensor([[3.0, 3.0], [-2.0, 0.5]], dtype=torch.float64)])[..., None]


def exact_probes(x):
    """Scaled unit vectors: their mean outer product is the identity, so the trace is exact."""
    size = x[0].numel()
    return (torch.eye(size, dtype=x.dtype) * size**0.5).reshape(size, 1, *x.shape[1:]).expand(size, *x.shape)


def test_the_log_density_of_a_mixture_is_exact(mixture, points):
    ours = log_likelihood(mixture, points, {}, probes=exact_probes(points), sigma_min=LOW, sigma_max=HIGH, steps=200)
    exact = mixture.log_density(points, torch.full((len(points),), LOW, dtype=torch.float64))
    torch.testing.assert_close(ours, exact, atol=0.02, rtol=3e-3)  # far outside, the solver is what errs


def test_more_steps_come_closer_at_second_order(mixture, points):
    exact = mixture.log_density(points, torch.full((len(points),), LOW, dtype=torch.float64))

    def error(steps):
        ours = log_likelihood(
            mixture, points, {}, probes=exact_probes(points), sigma_min=LOW, sigma_max=HIGH, steps=steps
        )
        return (ours - exact)[:40].abs().mean().item()

    floor = error(400)  # the terminal density is a Gaussian, the mixture's is not quite
    assert floor < 0.01
    assert error(25) < 0.01  # what is integrated hardly changes, so that few steps suffice
    assert error(6) / error(12) > 2.5


def test_the_stochastic_trace_is_unbiased(mixture, points, generator):
    x = points[:1].expand(4000, 2, 1)
    ours = log_likelihood(mixture, x, {}, probes=rademacher(1, x, generator), sigma_min=LOW, sigma_max=HIGH, steps=40)
    exact = log_likelihood(
        mixture, points[:1], {}, probes=exact_probes(points[:1]), sigma_min=LOW, sigma_max=HIGH, steps=40
    )
    assert ours.std() > 0.01  # it is an estimate
    assert ours.mean().item() == pytest.approx(exact.item(), abs=4 * ours.std().item() / math.sqrt(4000))


def test_rademacher_probes_are_signs_with_unit_covariance(generator):
    probes = rademacher(20_000, torch.zeros(1, 3), generator).flatten(1)
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(probes.T @ probes / 20_000, torch.eye(3), atol=0.03, rtol=0)


def test_a_density_of_one_half_a_dimension_is_one_bit():
    assert bits_per_dimension(torch.tensor([10 * math.log(0.5)]), 10).item() == pytest.approx(1)


def test_a_network_in_inference_mode_answers_and_a_far_record_is_less_likely():
    torch.manual_seed(0)
    network = UNet((1, 8), (Condition("label", "class", 2),), width=8, blocks=1)
    denoiser = Denoiser(network).eval().requires_grad_(False)
    with torch.inference_mode():
        x = torch.cat([0.5 * torch.randn(2, 1, 8), 8 * torch.ones(1, 1, 8)])
        probes = rademacher(2, x, torch.Generator().manual_seed(0))
        told = {"label": torch.tensor([0, 1, -1])}
        value = log_likelihood(denoiser, x, told, probes=probes, sigma_min=0.02, sigma_max=10.0, steps=12)
    assert torch.isfinite(value).all()
    assert value[2] < value[:2].min() - 20
