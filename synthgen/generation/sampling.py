"""What `sampling.*` asks for, put together: the denoiser with its wrappers, the noise levels, the sampler's settings.

From the inside out: the run's denoiser, or the mean of an ensemble; classifier-free guidance; autoguidance;
thresholding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from synthgen import registry
from synthgen.config import NoiseConfig, SamplingConfig
from synthgen.diffusion.denoiser import AnyDenoiser, Denoiser
from synthgen.diffusion.guidance import AutoGuided, Ensemble, Guided, Thresholded
from synthgen.diffusion.imputation import KNOWN, GroupsGiven, Kept
from synthgen.diffusion.samplers import Sampler, Settings
from synthgen.diffusion.sigma import grid, information_grid
from synthgen.errors import RunError, UsageError
from synthgen.generation.ensembling import check_member
from synthgen.io.run import Run

__all__ = ["AVERAGES", "check_sampling", "helping_runs", "noise_levels", "sampling_denoiser", "settings_of"]

AVERAGES = "averages"
"""In `sampling.ensemble`: the run's own other weight averages."""


def check_sampling(run: Run, sampling: SamplingConfig) -> None:
    """Refuse what this run cannot do.

    Raises:
        UsageError: a sampler, condition or ensemble that does not exist, or guidance without conditions.
        RunError: the run lacks what is asked for.
    """
    registry.find("samplers", sampling.sampler)
    known = [condition.name for condition in run.schema.conditions]
    if sampling.guidance != 1 and not known:
        raise UsageError("guidance needs conditions, and this run was trained without", hint="Leave --guidance away.")
    for name in sampling.guided:
        if name not in known and not (name == KNOWN and run.denoiser().groups):
            hint = f"Its conditions are {', '.join(known)}." if known else "It has none."
            raise UsageError(f"sampling.guided names {name}, which is no condition of this run", hint=hint)
    if sampling.guide:
        check_member(run, Run.open(sampling.guide), role="cannot guide")
    elif sampling.autoguidance != 1 and "guide.safetensors" not in run.facts["files"]:
        raise RunError(
            f"{run.path} holds no earlier snapshot to guide by",
            hint="Train with ema.guide_at above 0, or name a smaller run in sampling.guide.",
        )
    if sampling.threshold is not None and not run.facts.get("largest_value"):
        raise RunError(f"{run.path} does not say how large its values are, so it cannot threshold")
    if sampling.grid == "information" and not run.facts.get("noise_profile"):
        raise RunError(
            f"{run.path} holds no profile of its noise levels for the grid", hint="Choose sampling.grid=log."
        )
    for member in sampling.ensemble:
        if member == AVERAGES:
            if "averages.safetensors" not in run.facts["files"]:
                raise RunError(f"{run.path} does not hold its other averages")
            continue
        check_member(run, Run.open(member))


def helping_runs(sampling: SamplingConfig) -> dict[str, str]:
    """The other runs that answer when sampling: path -> fingerprint."""
    paths = [member for member in sampling.ensemble if member != AVERAGES]
    guide = [sampling.guide] if sampling.guide and sampling.autoguidance != 1 else []
    return {path: Run.open(path).fingerprint for path in (*paths, *guide)}


def sampling_denoiser(run: Run, sampling: SamplingConfig, device: torch.device) -> AnyDenoiser:
    """The denoiser that a sampler calls."""
    members = [run.denoiser()]
    for member in sampling.ensemble:
        members += run.averages() if member == AVERAGES else [Run.open(member).denoiser()]
    knowing = [_knowing(member, device) for member in members]
    denoiser: AnyDenoiser = knowing[0] if len(knowing) == 1 else Ensemble(knowing)
    interval = sampling.guidance_interval
    if sampling.guidance != 1:
        names = sampling.guided or None
        denoiser = Guided(denoiser, sampling.guidance, interval, names=names, rescale=sampling.rescale)
    if sampling.autoguidance != 1:
        worse = Run.open(sampling.guide).denoiser() if sampling.guide else run.guide()
        guide = _knowing(worse, device)
        denoiser = AutoGuided(denoiser, guide, sampling.autoguidance, interval, rescale=sampling.rescale)
    if sampling.threshold is not None:
        denoiser = Thresholded(denoiser, limit=float(run.facts["largest_value"]), quantile=sampling.threshold)
    return Kept(denoiser) if run.denoiser().groups else denoiser


def _knowing(denoiser: Denoiser, device: torch.device) -> nn.Module:
    """On its device; one that was trained with groups of channels answers for those that are known."""
    ready = denoiser.to(device).eval()
    return GroupsGiven(ready, ready.groups) if ready.groups else ready


def noise_levels(
    noise: NoiseConfig,
    sampling: SamplingConfig,
    sampler: Sampler,
    profile: Mapping[str, Sequence[float]] | None = None,
) -> Tensor:
    """The grid of noise levels, `(steps + 1,)`, for the evaluations that the configuration pays for.

    Args:
        noise: range of the noise levels.
        sampling: grid and number of evaluations.
        sampler: what it is for.
        profile: `noise_profile` of the run's facts for the grid `information`; without it that is the log grid.
    """
    low = sampling.sigma_min or noise.sigma_min
    high = sampling.sigma_max or noise.sigma_max or 80.0
    steps = sampler.steps(sampling.steps, settings_of(sampling))
    if sampling.grid != "information" or profile is None:
        return grid("log" if sampling.grid == "information" else sampling.grid, steps, low, high)
    sigma, error = torch.tensor(profile["sigma"]), torch.tensor(profile["error"])
    return information_grid(sigma, error, steps=steps, sigma_min=low, sigma_max=high)


def settings_of(sampling: SamplingConfig) -> Settings:
    """What the configuration says about the samplers' own settings."""
    low, high = sampling.churn_interval or (0.0, math.inf)
    return Settings(
        order=sampling.order,
        eta=sampling.eta,
        churn=sampling.churn,
        churn_low=low,
        churn_high=high,
        churn_noise=sampling.churn_noise,
        snr=sampling.snr,
        repeats=sampling.repeats,
    )
