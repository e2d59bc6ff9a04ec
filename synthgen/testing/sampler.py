"""`check_sampler`: a sampler against the one law with a closed form.

For data N(0, s^2) the exact denoiser is D(x; sigma) = x s^2 / (s^2 + sigma^2), and whatever way a sampler takes from
noise N(0, sigma_max^2) down to 0, what it ends with must again be N(0, s^2).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from synthgen import registry
from synthgen.diffusion.samplers import Sampler, Settings
from synthgen.diffusion.sigma import grid
from synthgen.testing.conformance import demand, guarded

__all__ = ["check_sampler"]

_S = 0.5
_SIGMA_MIN, _SIGMA_MAX = 0.005, 40.0


def check_sampler(name: str, *, sampler: Sampler | None = None) -> None:
    """Run every check on a registered sampler.

    Args:
        name: as registered.
        sampler: check this object instead of the registered one.

    Raises:
        ConformanceError: at the first broken promise.
    """

    def everything() -> None:
        chosen = registry.load("samplers", name) if sampler is None else sampler
        right = isinstance(chosen, Sampler)
        demand(right, f"the target is a {type(chosen).__name__}; it must be a synthgen.diffusion.samplers.Sampler")
        _check_budget(chosen)
        _check_shapes(chosen)
        _check_determinism(chosen)
        _check_law(chosen)

    guarded(f"sampler {name}", everything)


class _Gaussian:
    """The exact denoiser of N(0, s^2); counts its calls and remembers what it was told."""

    def __init__(self) -> None:
        self.calls = 0
        self.told: set[str] = set()

    def __call__(self, x: Tensor, sigma: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        demand(sigma.shape == (len(x),), f"it gives the denoiser sigma of shape {tuple(sigma.shape)}; it must be (B,)")
        demand(bool((sigma > 0).all()), "it asks the denoiser at sigma 0; the last step ends at D itself")
        self.calls += 1
        self.told |= set(conditions)
        variance = sigma.double().square().reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)
        return x * (_S**2 / (_S**2 + variance))


def _solve(sampler: Sampler, x: Tensor, evaluations: int, *, seed: int = 1) -> tuple[Tensor, _Gaussian]:
    """x `(B, *)` of unit variance, sampled with noise that belongs to rows and not to the batch."""
    sigmas = grid("log", sampler.steps(evaluations, Settings()), _SIGMA_MIN, _SIGMA_MAX)
    denoiser = _Gaussian()

    def noise(step: int) -> Tensor:
        rows = [torch.randn(x.shape[1:], generator=_stream(seed, step, row), dtype=x.dtype) for row in range(len(x))]
        return torch.stack(rows)

    conditions = {"label": torch.zeros(len(x), dtype=torch.int64)}
    begun = x * float(sigmas[0])
    kept = begun.clone()
    solved = sampler.solve(denoiser, begun, sigmas, conditions=conditions, noise=noise)
    demand(torch.equal(begun, kept), "it changes its x in place; work on a new tensor")
    return solved, denoiser


def _stream(seed: int, step: int, row: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + step * 1009 + row)


def _start(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _check_budget(sampler: Sampler) -> None:
    for evaluations in (1, 2, 5, 16):
        steps = sampler.steps(evaluations, Settings())
        whole = isinstance(steps, int) and steps >= 1
        demand(whole, f"steps({evaluations}) is {steps!r}; it must be a whole number of grid steps, at least 1")
        x, denoiser = _solve(sampler, _start(2, 1, 4), evaluations)
        demand(bool(torch.isfinite(x).all()), f"with {evaluations} evaluations it gave NaN or infinity")
        within = denoiser.calls <= max(evaluations, 1)
        demand(
            within,
            f"with a budget of {evaluations} evaluations it made {denoiser.calls}; let steps() return fewer grid steps",
        )
        demand(
            "label" in denoiser.told, "it does not hand `conditions` to the denoiser, so labels would have no effect"
        )


def _check_shapes(sampler: Sampler) -> None:
    for shape in ((3, 2, 8), (3, 1, 5, 7)):
        start = _start(*shape)
        x, _ = _solve(sampler, start, 4)
        right = x.shape == start.shape and x.dtype == start.dtype
        demand(right, f"of x {start.dtype} {shape} it made {x.dtype} {tuple(x.shape)}; shape and type must stay")


def _check_determinism(sampler: Sampler) -> None:
    start = _start(6, 2, 8)
    state = torch.get_rng_state()
    first, _ = _solve(sampler, start, 7)
    again, _ = _solve(sampler, start, 7)
    untouched = torch.equal(torch.get_rng_state(), state)
    demand(untouched, "it draws from torch's global generator; take the noise of step k from noise(k)")
    demand(torch.equal(first, again), "the same start and noise gave another result; use noise(k) for all randomness")
    few, _ = _solve(sampler, start[:2], 7)
    demand(
        torch.allclose(few, first[:2], atol=1e-4, rtol=1e-4),
        "a record depends on the others in its batch; treat each row of x alone",
    )


def _check_law(sampler: Sampler) -> None:
    x, _ = _solve(sampler, _start(64, 1, 64), 128)
    mean, spread = float(x.mean()), float(x.std())
    demand(
        abs(spread / _S - 1) < 0.05 and abs(mean) < 0.05 * _S,
        f"from the exact denoiser of N(0, {_S}^2), 128 evaluations gave mean {mean:.3f} and deviation {spread:.3f}; "
        "check the step formula and that the last step goes to sigma 0",
    )
