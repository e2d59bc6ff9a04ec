from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from synthgen.diffusion import (
    ANCESTRAL,
    CONSISTENCY,
    DDIM,
    DPMPP_2M,
    DPMPP_3M,
    DPMPP_SDE,
    HEUN,
    LANGEVIN,
    MULTISTEP,
    REPAINT,
    Settings,
    grid,
)
from synthgen.diffusion.samplers import Task, _exponential, _polynomial, _two_points
from synthgen.errors import UsageError

SAMPLERS = {
    "multistep": MULTISTEP,
    "ddim": DDIM,
    "dpmpp-2m": DPMPP_2M,
    "dpmpp-3m": DPMPP_3M,
    "dpmpp-sde": DPMPP_SDE,
    "heun": HEUN,
    "ancestral": ANCESTRAL,
    "langevin": LANGEVIN,
    "repaint": REPAINT,
    "consistency": CONSISTENCY,
}
DETERMINISTIC = ("multistep", "ddim", "dpmpp-2m", "dpmpp-3m", "heun")
PAID = Settings()
LOW, HIGH = 0.01, 10.0


@pytest.fixture(scope="module")
def start():
    return torch.randn(200, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def solved(sampler, mixture, start, steps, *, name="log", **settings):
    stream = torch.Generator().manual_seed(2)
    sigmas = grid(name, steps, LOW, HIGH)
    return sampler.solve(
        mixture,
        start * sigmas[0],
        sigmas,
        conditions={},
        noise=lambda k: torch.randn(start.shape, dtype=start.dtype, generator=stream),
        settings=Settings(**settings),
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


def task(mixture, start, sigmas):
    return Task(mixture, {}, start * sigmas[0], tuple(sigmas.tolist()))


def distance(x, reference):
    return (x - reference).square().mean().sqrt().item() / 0.5


@pytest.mark.parametrize(
    ("sampler", "order", "evaluations", "tolerance"),
    [
        (DDIM, 1, 400, 0.02),
        (HEUN, 1, 400, 0.005),
        (MULTISTEP, 2, 64, 0.005),
        (MULTISTEP, 3, 64, 0.003),
        (DPMPP_2M, 1, 64, 0.02),
        (DPMPP_3M, 1, 64, 0.02),
    ],
)
def test_deterministic_samplers_solve_the_ode(sampler, order, evaluations, tolerance, mixture, start, reference):
    x = solved(sampler, mixture, start, sampler.steps(evaluations, PAID), order=order)
    assert distance(x, reference) < tolerance


@pytest.mark.parametrize(
    ("sampler", "order"), [(MULTISTEP, 1), (MULTISTEP, 2), (MULTISTEP, 3), (DPMPP_2M, 2), (DPMPP_3M, 3)]
)
def test_exponential_solvers_converge_at_their_order(sampler, order, mixture, start):
    """On the smooth part of the way: halving the step divides the error by 2^order, here with room for the constant."""
    smooth = torch.cat([torch.logspace(1, -0.3, 401, dtype=torch.float64), torch.zeros(1)])

    def at(every):
        sigmas = torch.cat([smooth[:-1:every], smooth[-1:]])
        return sampler.solve(mixture, start * sigmas[0], sigmas, conditions={}, settings=Settings(order=order))

    fine = at(1)
    coarse, half = distance(at(20), fine), distance(at(10), fine)
    assert coarse / half > 2**order * 0.75


def test_multistep_needs_half_of_heun_s_evaluations_for_the_same_error(mixture, start, reference):
    multistep = distance(solved(MULTISTEP, mixture, start, MULTISTEP.steps(18, PAID)), reference)
    heun = distance(solved(HEUN, mixture, start, HEUN.steps(36, PAID)), reference)
    assert multistep < heun


@pytest.mark.parametrize("name", ["log", "edm", "cosine", "linear", "sigmoid", "flow"])
def test_ddim_is_the_equation_of_song_and_the_multistep_solver_of_order_one(name, mixture, start):
    """Song et al. 2021, eq. 12 without noise, in their coordinates y = sqrt(alpha) x."""
    sigmas = grid(name, 12, LOW, HIGH).double()
    alpha = 1 / (1 + sigmas**2)
    y = start * sigmas[0] * alpha[0].sqrt()
    for sigma, here, there in zip(sigmas, alpha, alpha[1:], strict=False):
        x0 = mixture(y / here.sqrt(), sigma.expand(len(y)))
        epsilon = (y - here.sqrt() * x0) / (1 - here).sqrt()
        y = there.sqrt() * x0 + (1 - there).sqrt() * epsilon
    torch.testing.assert_close(solved(DDIM, mixture, start, 12, name=name), y, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(solved(MULTISTEP, mixture, start, 12, order=1, name=name), y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["log", "edm", "linear"])
def test_dpmpp_2m_is_algorithm_2_of_lu(name, mixture, start):
    """Lu et al. 2022, algorithm 2, in their coordinates: alpha_t, sigma_t of a variance-preserving process."""
    levels = grid(name, 10, LOW, HIGH)[:-1].double()
    alpha = 1 / (1 + levels**2).sqrt()
    sigma = levels * alpha
    lam = (alpha / sigma).log()

    def predict(y, i):
        return mixture(y / alpha[i], levels[i].expand(len(y)))

    y = start * levels[0] * alpha[0]
    buffer = [predict(y, 0)]
    for i in range(1, len(levels)):
        h = lam[i] - lam[i - 1]
        if i == 1:
            blend = buffer[0]
        else:
            r = (lam[i - 1] - lam[i - 2]) / h
            blend = (1 + 1 / (2 * r)) * buffer[-1] - 1 / (2 * r) * buffer[-2]
        y = sigma[i] / sigma[i - 1] * y - alpha[i] * torch.expm1(-h) * blend
        buffer.append(predict(y, i))
    torch.testing.assert_close(solved(DPMPP_2M, mixture, start, 10, name=name), buffer[-1], rtol=1e-8, atol=1e-8)


def test_dpmpp_2m_and_the_multistep_solver_of_order_two_differ_in_the_third_order_only(mixture, start):
    """Both put a line through two values; one integrates it exactly, the other takes it at the middle of the step."""
    smooth = torch.logspace(1, -0.3, 321, dtype=torch.float64)

    def one_step(h):
        sigmas = torch.cat([smooth[[160 - h, 160, 160 + h]], torch.zeros(1)])
        exact, middle = (
            _exponential(task(mixture, start, sigmas), 2, weights=weights) for weights in (_polynomial, _two_points)
        )
        return (exact - middle).abs().mean().item()

    assert one_step(80) / one_step(40) > 2**3 * 0.7


def test_sde_dpmpp_is_the_formula_of_lu_with_its_noise(mixture, start):
    """Lu et al. 2022, SDE-DPM-Solver++(2M), for alpha = 1."""
    sigmas = grid("log", 7, LOW, HIGH).double()
    draws = torch.randn(8, *start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x = start * sigmas[0]
    ours = DPMPP_SDE.solve(mixture, x, sigmas, conditions={}, noise=lambda k: draws[k])
    before = None
    for i in range(6):
        h = (sigmas[i] / sigmas[i + 1]).log()
        value = mixture(x, sigmas[i].expand(len(x)))
        blend = value
        if before is not None:
            r = (sigmas[i - 1] / sigmas[i]).log() / h
            blend = value + (value - before) / (2 * r)
        x = (
            sigmas[i + 1] / sigmas[i] * torch.exp(-h) * x
            + (1 - torch.exp(-2 * h)) * blend
            + sigmas[i + 1] * (1 - torch.exp(-2 * h)).sqrt() * draws[i]
        )
        before = value
    torch.testing.assert_close(ours, mixture(x, sigmas[6].expand(len(x))), rtol=1e-8, atol=1e-8)


def test_without_its_noise_a_stochastic_solver_is_its_ode_solver(mixture, start):
    torch.testing.assert_close(
        solved(DPMPP_SDE, mixture, start, 9, eta=0.0), solved(DPMPP_2M, mixture, start, 9), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(
        solved(ANCESTRAL, mixture, start, 9, eta=0.0), solved(DDIM, mixture, start, 9), rtol=1e-9, atol=1e-9
    )


def test_heun_with_churn_is_algorithm_2_of_karras(mixture, start):
    sigmas = grid("edm", 12, LOW, HIGH).double()
    draws = torch.randn(12, *start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    settings = Settings(churn=3.0, churn_low=0.05, churn_high=5.0, churn_noise=1.007)
    ours = HEUN.solve(mixture, start * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k], settings=settings)
    x = start * sigmas[0]
    for i in range(12):
        gamma = min(3.0 / 12, 2**0.5 - 1) if 0.05 <= sigmas[i] <= 5.0 else 0.0
        hat = sigmas[i] + gamma * sigmas[i]
        x = x + (hat**2 - sigmas[i] ** 2).sqrt() * 1.007 * draws[i]
        d = (x - mixture(x, hat.expand(len(x)))) / hat
        following = x + (sigmas[i + 1] - hat) * d
        if hat < 5 * sigmas[i + 1]:  # coarser steps, and the last, stay Euler's
            d = (d + (following - mixture(following, sigmas[i + 1].expand(len(x)))) / sigmas[i + 1]) / 2
            following = x + (sigmas[i + 1] - hat) * d
        x = following
    torch.testing.assert_close(ours, x, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(ours, solved(HEUN, mixture, start, 12, name="edm"))


def test_the_langevin_corrector_relaxes_to_its_stationary_variance(mixture):
    """x' = x - d/v x + sqrt(2 d) z on N(0, v) has the variance v / (1 - d/2v), wherever it starts."""
    s, snr, n = 0.5, 0.3, 20_000
    single = type(mixture)(torch.zeros(1, 1).double(), torch.tensor([s]).double(), torch.ones(1).double())
    sigmas = torch.cat([torch.linspace(1.0, 0.999, 80, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    stream = torch.Generator().manual_seed(0)
    x = LANGEVIN.solve(
        single,
        torch.zeros(n, 1, 1, dtype=torch.float64),
        sigmas,
        conditions={},
        noise=lambda k: torch.randn(n, 1, 1, dtype=torch.float64, generator=stream),
        settings=Settings(snr=snr),
    )
    v = s**2 + 1
    expected = v / (1 - snr**2 / v) * (s**2 / v) ** 2  # the answer is D(x) = x s^2/v
    assert x.var().item() == pytest.approx(expected, rel=0.04)


def test_repaint_that_takes_each_step_once_is_the_ancestral_chain(mixture, start):
    draws = torch.randn(20, *start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    sigmas = grid("log", 8, LOW, HIGH)
    once = REPAINT.solve(
        mixture,
        start * sigmas[0],
        sigmas,
        conditions={},
        noise=lambda k: draws[k],
        settings=Settings(repeats=1),
    )
    chain = ANCESTRAL.solve(mixture, start * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[2 * k])
    torch.testing.assert_close(once, chain, rtol=1e-9, atol=1e-9)


def test_consistency_sampling_answers_noises_and_answers_again(mixture, start):
    draw = torch.randn(*start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    sigmas = torch.tensor([10.0, 0.8, 0.0], dtype=torch.float64)
    x = CONSISTENCY.solve(mixture, start * 10, sigmas, conditions={}, noise=lambda k: draw)
    first = mixture(start * 10, torch.full((len(start),), 10.0).double())
    torch.testing.assert_close(x, mixture(first + 0.8 * draw, torch.full((len(start),), 0.8).double()))


def test_multistep_of_order_two_is_exact_where_the_denoiser_is_linear_in_ln_sigma():
    def denoiser(x, sigma, conditions):
        return (2 - 3 * sigma.log())[:, None, None].expand_as(x)

    one = torch.ones(1, 1, 1, dtype=torch.float64)
    sigmas = torch.cat([torch.logspace(1, -1, 12, dtype=torch.float64), torch.zeros(1)])
    x = MULTISTEP.solve(denoiser, one, sigmas[:-1], conditions={}, settings=Settings(order=2))
    assert x.item() == pytest.approx(2 - 3 * sigmas[-3].log().item())  # D at the last level evaluated

    # x(t) = e^{s-t} x(s) + int_s^t e^{l-t} (2 + 3 l) dl = e^{s-t} (x(s) - (3 s - 1)) + (3 t - 1)
    seen = []

    def watched(x, sigma, conditions):
        seen.append((-sigma[0].log().item(), x[0].item()))
        return denoiser(x, sigma, conditions)

    MULTISTEP.solve(watched, one, sigmas, conditions={}, settings=Settings(order=2))
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


@pytest.mark.parametrize(
    ("name", "evaluations"),
    [
        ("multistep", 32),
        ("ddim", 100),
        ("dpmpp-2m", 48),
        ("dpmpp-3m", 48),
        ("dpmpp-sde", 100),
        ("heun", 64),
        ("ancestral", 200),
        ("langevin", 150),
        ("repaint", 600),
    ],
)
def test_samples_have_the_mixture_s_distribution(name, evaluations, mixture, generator):
    n = 4000
    start = torch.randn(n, 2, 1, dtype=torch.float64, generator=generator)
    x = solved(SAMPLERS[name], mixture, start, SAMPLERS[name].steps(evaluations, PAID)).flatten(1)
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


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in DETERMINISTIC])
def test_a_stochastic_sampler_without_noise_is_refused(name, mixture, start):
    with pytest.raises(UsageError, match="noise"):
        SAMPLERS[name].solve(mixture, start, grid("log", 5, LOW, HIGH), conditions={})


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("evaluations", [1, 2, 7, 16])
def test_a_sampler_uses_at_most_the_evaluations_paid_for(name, evaluations, mixture, start):
    calls = []

    def counted(x, sigma, conditions):
        calls.append(sigma)
        return mixture(x, sigma)

    solved(SAMPLERS[name], counted, start, SAMPLERS[name].steps(evaluations, PAID))
    assert len(calls) <= evaluations
    if name not in ("heun", "langevin", "repaint"):
        assert len(calls) == evaluations


@pytest.mark.parametrize("evaluations", [1, 2, 7, 16])
def test_langevin_without_its_corrector_is_ddim_with_every_evaluation(evaluations, mixture, start):
    calls = []

    def counted(x, sigma, conditions):
        calls.append(sigma)
        return mixture(x, sigma)

    x = solved(LANGEVIN, counted, start, LANGEVIN.steps(evaluations, Settings(snr=0.0)), snr=0.0)
    assert len(calls) == evaluations
    torch.testing.assert_close(x, solved(DDIM, mixture, start, evaluations), rtol=1e-9, atol=1e-9)


def test_heun_s_coarse_steps_take_one_evaluation_each(mixture, start):
    """The log grid of 4 steps from 80 to 0.005 divides sigma by 25 each time: 4 evaluations of the 7 paid for."""
    calls = []

    def counted(x, sigma, conditions):
        calls.append(sigma)
        return mixture(x, sigma)

    sigmas = grid("log", HEUN.steps(7, PAID), 0.005, 80.0)
    HEUN.solve(counted, start * sigmas[0], sigmas, conditions={})
    assert len(calls) == 4
    calls.clear()
    sigmas = grid("log", HEUN.steps(31, PAID), 0.005, 80.0)
    HEUN.solve(counted, start * sigmas[0], sigmas, conditions={})
    assert len(calls) == 31


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_does_not_depend_on_its_batch(name, mixture, start):
    draws = torch.randn(64, *start.shape, dtype=start.dtype, generator=torch.Generator().manual_seed(9))
    sigmas = grid("log", 8, LOW, HIGH)
    solve = SAMPLERS[name].solve
    whole = solve(mixture, start * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k])
    part = solve(mixture, start[7:9] * sigmas[0], sigmas, conditions={}, noise=lambda k: draws[k, 7:9])
    torch.testing.assert_close(whole[7:9], part)
