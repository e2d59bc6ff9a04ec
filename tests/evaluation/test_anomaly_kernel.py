"""The denoiser that remembers is the posterior mean of its Gaussian mixture, of the class that it is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.evaluation.kernel import OWN, KernelDenoiser

DRAWS = np.random.default_rng(0)
RECORDS = torch.tensor(DRAWS.normal(size=(40, 1, 3)), dtype=torch.float32)
LABEL = torch.tensor(DRAWS.integers(0, 3, size=40))


def posterior_mean(x, sigma, centres, h):
    """By importance sampling from the prior: E[x_0 | x_0 + sigma n = x]."""
    draws = np.random.default_rng(1)
    prior = centres[draws.integers(0, len(centres), 400_000)] + h * draws.normal(size=(400_000, 3))
    weight = np.exp(-np.square(prior - x).sum(axis=1) / (2 * sigma**2))
    return (weight[:, None] * prior).sum(axis=0) / weight.sum()


@pytest.mark.parametrize("sigma", [0.4, 1.5])
@pytest.mark.parametrize("told", [None, 2])
def test_denoiser_is_the_posterior_mean(sigma, told):
    denoiser = KernelDenoiser(RECORDS, LABEL, bandwidth=0.3)
    x = torch.tensor([[[0.5, -0.2, 0.1]]])
    conditions = {} if told is None else {"label": torch.tensor([told])}
    centres = RECORDS[:, 0] if told is None else RECORDS[told == LABEL, 0]
    found = denoiser(x, torch.tensor([sigma]), conditions)
    assert found.shape == x.shape
    np.testing.assert_allclose(found[0, 0], posterior_mean(x[0, 0].numpy(), sigma, centres.numpy(), 0.3), atol=0.02)


def test_null_and_unknown_classes_remember_everything():
    denoiser = KernelDenoiser(RECORDS, LABEL, bandwidth=0.3)
    x, sigma = RECORDS[:4] + 0.5, torch.full((4,), 0.7)
    everything = denoiser(x, sigma, {})
    torch.testing.assert_close(denoiser(x, sigma, {"label": torch.full((4,), -1)}), everything)
    torch.testing.assert_close(denoiser(x, sigma, {"label": torch.full((4,), 9)}), everything)


def test_bandwidth_is_the_typical_distance_to_the_nearest_other_record():
    grid = torch.arange(50.0)[:, None, None].expand(50, 1, 4) * 2  # neighbours are 2 apart in each of 4 dimensions
    denoiser = KernelDenoiser.fit(grid, None)
    x = torch.full((1, 1, 4), 1000.0)  # far out, the pull to the nearest record shows h
    pulled = denoiser(x, torch.tensor([2.0]), {})
    torch.testing.assert_close(pulled, 98 + 4 / (4 + 4) * (x - 98))


def test_copies_of_one_record_still_give_a_denoiser():
    found = KernelDenoiser.fit(torch.ones(6, 1, 3), None)(torch.zeros(2, 1, 3), torch.ones(2), {})
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("told", [None, 1])
def test_a_remembered_record_is_restored_as_if_it_were_not_remembered(told):
    own = torch.tensor([5, 17])
    denoiser, sigma = KernelDenoiser(RECORDS, LABEL, bandwidth=0.3), torch.full((2,), 0.5)
    conditions = {} if told is None else {"label": torch.full((2,), told)}
    found = denoiser(RECORDS[own], sigma, {OWN: own, **conditions})
    for row, position in enumerate(own.tolist()):
        others = torch.arange(40) != position
        without = KernelDenoiser(RECORDS[others], LABEL[others], bandwidth=0.3)
        one = {name: value[:1] for name, value in conditions.items()}
        torch.testing.assert_close(found[row : row + 1], without(RECORDS[position][None], sigma[:1], one))
