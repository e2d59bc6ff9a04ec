"""Which noise levels training draws: the curriculum over them, and the largest one from the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from synthgen.config import NoiseConfig, merge
from synthgen.io.run import build_denoiser
from synthgen.training.loop import Trainer
from synthgen.training.monitor import draw_sigma
from synthgen.training.prepare import prepare

SHARES = np.linspace(0.02, 0.98, 49)


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("top", [0.25, 0.6])
def test_a_curriculum_draws_from_the_highest_share_of_the_density(top, stratified):
    """ln sigma has the normal law, truncated from below at its quantile 1 - top."""
    noise = NoiseConfig(density="lognormal", mean=-0.8, std=1.4, stratified=stratified)
    drawn = draw_sigma(noise, 40_000, torch.Generator().manual_seed(0), top=top).log().double().numpy()
    lowest = stats.norm.ppf(1 - top)
    law = stats.truncnorm(lowest, np.inf, loc=-0.8, scale=1.4)
    assert np.quantile(drawn, SHARES) == pytest.approx(law.ppf(SHARES), abs=1e-3 if stratified else 0.05)
    assert drawn.min() >= -0.8 + 1.4 * lowest - 1e-4


def test_a_curriculum_of_a_log_uniform_density_begins_with_its_upper_quarter():
    noise = NoiseConfig(density="loguniform", sigma_min=0.01, sigma_max=100.0)
    drawn = draw_sigma(noise, 20_000, torch.Generator().manual_seed(0), top=0.25).log().double().numpy()
    low, high = np.log(0.01), np.log(100.0)
    begin = low + 0.75 * (high - low)
    assert np.quantile(drawn, SHARES) == pytest.approx(begin + SHARES * (high - begin), abs=1e-2)


def test_training_opens_the_noise_levels_from_the_top_in_proportion_to_its_progress(tiny_overrides):
    choices = {"train": {"samples": 1280, "noise_curriculum": 0.5}, "optim": {"batch_size": 128}}
    prepared = prepare(merge(tiny_overrides, choices))
    torch.manual_seed(0)
    denoiser = build_denoiser(prepared.config, prepared.schema)
    trainer = Trainer(prepared.config, denoiser, prepared.data, prepared.schema.conditions, device=torch.device("cpu"))
    seen: list[torch.Tensor] = []
    denoiser.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1].detach().clone()))
    lowest = {}
    for step in trainer.steps():
        lowest[round(step.progress - 0.1, 3)] = float(torch.cat(seen).min().log())  # of the step, by where it began
        seen.clear()
    noise = prepared.config.noise
    assert list(lowest) == pytest.approx([k / 10 for k in range(10)])
    for progress, level in lowest.items():
        top = min(1.0, 0.25 + 0.75 * progress / 0.5)
        edge, next_stratum = (
            noise.mean + noise.std * stats.norm.ppf(max(1 - top * (1 - k / 128), 1e-6)) for k in (0, 1)
        )
        assert edge - 1e-3 <= level <= next_stratum + 1e-3  # stratified: one in the lowest of 128 parts


def _vectors(values, tmp_path):
    np.savez(tmp_path / "set.npz", X=values.astype(np.float32))
    return prepare({"modality": "vectors", "data": {"path": str(tmp_path / "set.npz")}})


def test_the_largest_noise_level_is_the_distance_of_the_two_records_furthest_apart(tmp_path):
    """Two points, a share p of records at one: a channel's deviation is 2 sqrt(p (1 - p)), and 0.5 once encoded."""
    side = np.repeat([1.0, -1.0], 150)[np.random.default_rng(0).permutation(300)]
    prepared = _vectors(np.repeat(side[:, None], 36, axis=1) + 5.0, tmp_path)
    p = float((side[prepared.split.train] > 0).mean())
    expected = 0.5 * 2 / (2 * np.sqrt(p * (1 - p))) * np.sqrt(36)
    assert prepared.config.noise.sigma_max == pytest.approx(expected, abs=2e-3)
    assert expected == pytest.approx(6, abs=0.1)


def test_the_largest_noise_level_finds_the_one_record_that_lies_apart(tmp_path):
    values = np.random.default_rng(1).normal(size=(300, 4))
    first = _vectors(values, tmp_path)
    values[first.split.train[7]] += 40.0
    prepared = _vectors(values, tmp_path)
    assert np.array_equal(prepared.split.train, first.split.train)
    encoded = stats.zscore(values[prepared.split.train], axis=0) * 0.5
    expected = max(np.linalg.norm(encoded - row, axis=1).max() for row in encoded)
    assert prepared.config.noise.sigma_max == pytest.approx(expected, abs=2e-3)
    assert expected > 2 * first.config.noise.sigma_max


def test_a_largest_noise_level_that_is_set_stays(tmp_path):
    np.savez(tmp_path / "set.npz", X=np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32))
    choices = {"modality": "vectors", "data": {"path": str(tmp_path / "set.npz")}, "noise": {"sigma_max": 33.0}}
    assert prepare(choices).config.noise.sigma_max == 33.0
