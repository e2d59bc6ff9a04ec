from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from synthgen.diffusion import ANCESTRAL, DDIM, HEUN, MULTISTEP, grid
from synthgen.errors import UsageError

SAMPLERS = {"multistep": MULTISTEP, "ddim": DDIM, "heun": HEUN, "ancestral": ANCESTRAL}
LOW, HIGH = 0.01, 10.0


@pytest.fixture(scope="module")
def start():
    return torch.randn(200, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def solved(sampler, mixture, start, steps, *, order=3, name="log"):
    stream = torch.Generator().manual_seed(2)
    sigmas = grid(name, steps, LOW, HIGH)
    return sampler.solve(
        mixture,
        start * sigmas[0],
        sigmas,
        conditions={},
        noise=lambda k: torch.randn(start.shape, dtype=start.dtype, generator=stream),
        order=order,
    )


@pytest.fixture(scope="module")
def reference(mixture, start):
    """The ODE's solution by classical Runge-Kutta of order 4 in ln sigma, fine enough to count as exact."""
    levels = torch.linspace(torch.tensor(HIGH).log(), torch.tensor(LOW).log(), 301, dtype=torch.float64)

    def slope(x, level):
        return x - mixture(x, level.exp().expand(len(x)))

    x = start * HIGH
    for here, there in pairwise(levels):
        h = there - here
        k1 = slope(x, here)
        k2 = slope(x + h / 2 * k1, here + h / 2)
        k3 = slope(x + h / 2 * k2, here + h / 2)
        k4 = slope(x + h * k3, there)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return mixture(x, levels[-1].exp().expand(len(x)))


def distance(x, reference):
    return (x - reference).square().mean().sqrt().item() / 0.5


@pytest.mark.parametrize(
    ("sampler", "order", "evaluations", "tolerance"),
    [
        (DDIM, 1, 400, 0.02),
        (HEUN, 0, 400, 0.005),
        (MULTISTEP, 2, 64, 0.005),
        (MULTISTEP, 3, 64, 0.003),
    ],
)
def test_deterministic_samplers_solve_the_ode(sampler, order, evaluations, tolerance, mixture, start, reference):
    x = solved(sampler, mixture, start, sampler.steps(evaluations), order=order)
    assert distance(x, reference) < tolerance


@pytest.mark.parametrize(("order", "rate"), [(1, 1), (2, 2), (3, 3)])
def test_multistep_converges_at_its_order(order, rate, mixture, start, reference):
    """On the smooth part of the way: halving the step divides the error by 2^order, here with room for the constant."""
    smooth = torch.cat([torch.logspace(1, -0.3, 401, dtype=torch.float64), torch.zeros(1)])

    def at(every):
        sigmas = torch.cat([smooth[:-1:every], smooth[-1:]])
        return MULTISTEP.solve(mixture, start * sigmas[0], sigmas, conditions={}, order=order)

    fine = at(1)
    coarse, half = distance(at(20), fine), distance(at(10), fine)
    assert coarse / half > 2**rate * 0.75


def test_multistep_needs_half_of_heun_s_evaluations_for_the_same_error(mixture, start, reference):
    multistep = distance(solved(MULTISTEP, mixture, start, MULTISTEP.steps(18)), reference)
    heun = distance(solved(HEUN, mixture, start, HEUN.steps(36)), reference)
    assert multistep < heun


@pytest.mark.parametrize("name", ["log", "edm", "cosine", "linear", "flow"])
def test_ddim_is_the_multistep_solver_of_order_one(name, mixture, start):
    first = solved(MULTISTEP, mixture, start, 12, order=1, name=name)
    torch.testing.assert_close(first, solved(DDIM, mixture, start, 12, name=name), rtol=1e-9, atol=1e-9)


def test_multistep_of_order_two_is_exact_where_the_denoiser_is_linear_in_ln_sigma():
    def denoiser(x, sigma, conditions):
        return (2 - 3 * sigma.log())[:, None, None].expand_as(x)

    sigmas = torch.cat([torch.logspace(1, -1, 12, dtype=torch.float64), torch.zeros(1)])
    x = MULTISTEP.solve(denoiser, torch.ones(1, 1, 1, dtype=torch.float64), sigmas[:-1], conditions={}, order=2)
    assert x.item() == pytest.approx(2 - 3 * sigmas[-3].log().item())  # D at the last level evaluated

    # x(t) = e^{s-t} x(s) + int_s^t e^{l-t} (2 + 3 l) dl = e^{s-t} (x(s) - (3 s - 1)) + (3 t - 1)
    seen = []

    def watched(x, sigma, conditions):
        seen.append((-sigma[0].log().item(), x[0].item()))
        return denoiser(x, sigma, conditions)

    MULTISTEP.solve(watched, torch.ones(1, 1, 1, dtype=torch.float64), sigmas, conditions={}, order=2)
    (s, x_s), *later = seen[2:]  # the first step has one value only
    x_corrected = None
    for t, x_t in later:
        if x_corrected is not None:
            s, x_s = x_corrected
        predicted = torch.tensor(s - t).exp().item() * (x_s - (3 * s - 1)) + (3 * t - 1)
        assert x_t == pytest.approx(predicted, rel=1e-3)
        x_corrected = (t, x_t)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_few_steps_stay_within_the_data_s_range(name, steps, mixture, start):
    x = solved(SAMPLERS[name], mixture, start, steps)
    assert torch.isfinite(x).all()
    assert x.abs().max() < 2


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_is_the_denoiser_s_answer(name, mixture, start):
    expected = mixture(start * HIGH, torch.full((len(start),), HIGH, dtype=torch.float64))
    torch.testing.assert_close(solved(SAMPLERS[name], mixture, start, 1), expected)


@pytest.mark.parametrize(("name", "evaluations"), [("multistep", 32), ("ddim", 100), ("heun", 64), ("ancestral", 200)])
def test_samples_have_the_mixture_s_distribution(name, evaluations, mixture, generator):
    n = 4000
    start = torch.randn(n, 2, 1, dtype=torch.float64, generator=generator)
    x = solved(SAMPLERS[name], mixture, start, SAMPLERS[name].steps(evaluations)).flatten(1)
    true = mixture.sample(n, generator)
    sigma = torch.full((n,), LOW, dtype=torch.float64)
    shares = mixture.log_parts(x, sigma).argmax(dim=1).bincount(minlength=3) / n
    torch.testing.assert_close(shares, mixture.weights.float(), atol=0.03, rtol=0)
    torch.testing.assert_close(x.mean(dim=0), true.mean(dim=0), atol=0.04, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), torch.cov(true.T), atol=0.03, rtol=0)
    for direction in torch.randn(5, 2, dtype=torch.float64, generator=generator):
        ours, theirs = ((points @ direction).sort().values for points in (x, true))
        assert (ours - theirs).abs().mean() / direction.norm() < 0.05  # sliced Wasserstein-1


def test_ancestral_is_the_ddpm_posterior_in_its_own_coordinates(mixture):
    """Ho et al. 2020, eq. 6-7, written with betas: x' = x / sqrt(1 + sigma^2) is their x_t."""
    betas = torch.linspace(1e-3, 0.3, 30, dtype=torch.float64)
    alphas = 1 - betas
    alpha_bar = alphas.cumprod(0)
    sigmas = torch.cat([((1 - alpha_bar) / alpha_bar).sqrt().flip(0), torch.zeros(1, dtype=torch.float64)])
    stream = torch.Generator().manual_seed(5)
    draws = torch.randn(31, 50, 2, 1, dtype=torch.float64, generator=stream)

    y = draws[30] * (1 - alpha_bar[-1]).sqrt()  # their coordinates
    ours = ANCESTRAL.solve(mixture, draws[30] * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k])
    for k, t in enumerate(reversed(range(30))):
        previous = alpha_bar[t - 1] if t > 0 else torch.tensor(1.0, dtype=torch.float64)
        x0 = mixture(y / alpha_bar[t].sqrt(), ((1 - alpha_bar[t]) / alpha_bar[t]).sqrt().expand(50))
        mean = (
            previous.sqrt() * betas[t] / (1 - alpha_bar[t]) * x0
            + alphas[t].sqrt() * (1 - previous) / (1 - alpha_bar[t]) * y
        )
        variance = (1 - previous) / (1 - alpha_bar[t]) * betas[t]
        y = mean + variance.sqrt() * (draws[k] if t > 0 else 0)
    torch.testing.assert_close(ours, y, rtol=1e-8, atol=1e-8)


def test_ancestral_without_noise_is_refused(mixture, start):
    with pytest.raises(UsageError, match="noise"):
        ANCESTRAL.solve(mixture, start, grid("log", 5, LOW, HIGH), conditions={})


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("evaluations", [1, 2, 7, 16])
def test_a_sampler_uses_at_most_the_evaluations_paid_for(name, evaluations, mixture, start):
    calls = []

    def counted(x, sigma, conditions):
        calls.append(sigma)
        return mixture(x, sigma)

    solved(SAMPLERS[name], counted, start, SAMPLERS[name].steps(evaluations))
    assert len(calls) <= evaluations
    if name != "heun":
        assert len(calls) == evaluations


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_does_not_depend_on_its_batch(name, mixture, start):
    draws = torch.randn(8, *start.shape, dtype=start.dtype, generator=torch.Generator().manual_seed(9))
    sigmas = grid("log", 8, LOW, HIGH)
    solve = SAMPLERS[name].solve
    whole = solve(mixture, start * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k])
    part = solve(mixture, start[7:9] * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k, 7:9])
    torch.testing.assert_close(whole[7:9], part)
