"""What `sampling.*` asks for is what the sampler is given."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from synthgen import registry
from synthgen.errors import ConfigError, RunError, UsageError
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.sampling import noise_levels, sampling_denoiser, settings_of
from synthgen.generation.worker import make_records
from synthgen.io.atomic import sha256_of
from synthgen.io.run import Run, load_tensors, save_tensors
from synthgen.training import train

CPU = torch.device("cpu")


def settled(run, **sampling):
    return make_plan(run, n=8, sampling=sampling).sampling


def answers(run, **sampling):
    """D(x) for three records under a sampling configuration."""
    generator = torch.Generator().manual_seed(0)
    x, sigma = torch.randn(3, *run.schema.shape, generator=generator), torch.tensor([0.05, 0.5, 3.0])
    with torch.inference_mode():
        return sampling_denoiser(run, settled(run, **sampling), CPU)(x, sigma, {"label": torch.tensor([1, 5, 7])})


@pytest.fixture(scope="module")
def keeping_run(tiny_overrides, tmp_path_factory):
    """A run that keeps its averages and no early snapshot."""
    overrides = {**tiny_overrides, "ema": {"keep": True, "guide_at": 0.0}}
    overrides["train"] = {**overrides["train"], "samples": 320, "early_stop": False}
    return train(overrides, out=tmp_path_factory.mktemp("runs") / "keeping")


def test_autoguidance_pushes_away_from_the_early_snapshot(tiny_run):
    plain, pushed = answers(tiny_run), answers(tiny_run, autoguidance=2.0)
    weak = tiny_run.guide()
    generator = torch.Generator().manual_seed(0)
    x, sigma = torch.randn(3, *tiny_run.schema.shape, generator=generator), torch.tensor([0.05, 0.5, 3.0])
    with torch.inference_mode():
        early = weak(x, sigma, {"label": torch.tensor([1, 5, 7])})
    assert not torch.allclose(plain, early)
    torch.testing.assert_close(pushed, early + 2 * (plain - early))


def test_a_smaller_run_can_guide(tiny_run, tiny_overrides, tmp_path):
    overrides = {**tiny_overrides, "network": {**tiny_overrides.get("network", {}), "width": 8}}
    overrides["train"] = {**overrides["train"], "samples": 64, "early_stop": False}
    small = train(overrides, out=tmp_path / "small")
    pushed = answers(tiny_run, autoguidance=2.0, guide=str(small.path))
    torch.testing.assert_close(pushed, 2 * answers(tiny_run) - answers(small), atol=1e-4, rtol=1e-4)
    plan = make_plan(tiny_run, n=8, sampling={"autoguidance": 2.0, "guide": str(small.path)})
    assert plan.helpers == {str(small.path): small.fingerprint}
    assert Plan.from_json(plan.to_json()) == plan
    assert "helpers" not in make_plan(tiny_run, n=8).to_json()
    other = train({**overrides, "data": {"path": _colours(tmp_path)}}, out=tmp_path / "other")
    with pytest.raises(UsageError, match=r"other cannot guide .*other shape of the records"):
        answers(tiny_run, autoguidance=2.0, guide=str(other.path))


def _colours(folder):
    """Ten classes of RGB images of the digits' size."""
    images = np.random.default_rng(0).integers(0, 255, (200, 8, 8, 3), dtype=np.uint8)
    np.savez(folder / "colours.npz", images=images, labels=np.arange(200) % 10)
    return str(folder / "colours.npz")


def test_the_snapshot_is_an_early_moment_of_the_same_training(tiny_run):
    guide, model = (load_tensors(tiny_run.path / name) for name in ("guide.safetensors", "model.safetensors"))
    assert guide.keys() == model.keys()
    assert any(not torch.equal(guide[name], model[name]) for name in guide)
    assert "guide.safetensors" in tiny_run.facts["files"]


def test_an_ensemble_of_runs_or_widths_is_the_mean_of_their_answers(tiny_run, keeping_run):
    mean = answers(tiny_run, ensemble=[str(keeping_run.path)])
    torch.testing.assert_close(mean, (answers(tiny_run) + answers(keeping_run)) / 2)
    others = keeping_run.averages()
    assert len(others) == 2
    widths = answers(keeping_run, ensemble=["averages"])
    generator = torch.Generator().manual_seed(0)
    x, sigma = torch.randn(3, *tiny_run.schema.shape, generator=generator), torch.tensor([0.05, 0.5, 3.0])
    with torch.inference_mode():
        theirs = [other(x, sigma, {"label": torch.tensor([1, 5, 7])}) for other in others]
    torch.testing.assert_close(widths, (answers(keeping_run) + sum(theirs)) / 3)


def test_thresholding_uses_the_largest_value_of_the_encoded_data(tiny_run):
    limit = tiny_run.facts["largest_value"]
    assert 0.5 < limit < 20
    clipped = answers(tiny_run, guidance=30.0, threshold=0.0)
    assert answers(tiny_run, guidance=30.0).abs().max() > limit
    assert clipped.abs().max() <= limit + 1e-6


def test_rescaling_and_guided_names_reach_the_denoiser(tiny_run):
    assert not torch.allclose(answers(tiny_run, guidance=3.0), answers(tiny_run, guidance=3.0, rescale=0.7))
    torch.testing.assert_close(answers(tiny_run, guidance=3.0, guided=["label"]), answers(tiny_run, guidance=3.0))


def test_the_grid_by_equal_information_uses_the_profile_that_training_measured(tiny_run):
    sampler = registry.load("samplers", "multistep")
    profile = tiny_run.facts["noise_profile"]
    assert profile["sigma"] == sorted(profile["sigma"])
    assert all(error > 0 for error in profile["error"])
    log, information = (
        noise_levels(tiny_run.config.noise, settled(tiny_run, grid=g, steps=12), sampler, profile)
        for g in ("log", "information")
    )
    assert log.shape == information.shape == (13,)
    assert not torch.allclose(log, information)
    torch.testing.assert_close(log[[0, -2]], information[[0, -2]], rtol=1e-3, atol=0)


def test_ends_of_the_grid_can_be_moved(tiny_run):
    sampler = registry.load("samplers", "ddim")
    levels = noise_levels(tiny_run.config.noise, settled(tiny_run, steps=2, sigma_min=0.7, sigma_max=9.0), sampler)
    assert levels.tolist() == pytest.approx([9.0, 0.7, 0.0])


def test_every_setting_of_a_sampler_comes_from_the_configuration(tiny_run):
    asked = {"order": 2, "eta": 0.3, "churn": 7.0, "churn_noise": 1.01, "snr": 0.2, "repeats": 3}
    settings = settings_of(settled(tiny_run, **asked, churn_interval=[0.1, 4.0]))
    for name, value in asked.items():
        assert getattr(settings, name) == value
    assert (settings.churn_low, settings.churn_high) == (0.1, 4.0)


@pytest.mark.parametrize("sampler", registry.names("samplers"))
def test_every_sampler_makes_the_same_records_again(sampler, tiny_run):
    plan = make_plan(tiny_run, n=4, sampler=sampler, steps=6)
    first, again = (make_records(tiny_run, plan, range(4)) for _ in range(2))
    np.testing.assert_array_equal(first["image"], again["image"])
    later = make_records(tiny_run, plan, range(2, 4))
    assert np.abs(first["image"][2:].astype(int) - later["image"].astype(int)).max() <= 1


def test_a_plan_survives_its_file(tiny_run):
    plan = make_plan(tiny_run, n=8, sampling={"churn_interval": [0.1, 3.0], "guided": ["label"], "threshold": 0.99})
    assert Plan.from_json(plan.to_json()) == plan
    assert json.loads(plan.to_json())["sampling"]["threshold"] == 0.99


@pytest.mark.parametrize(
    ("sampling", "error", "message"),
    [
        ({"guided": ["colour"]}, UsageError, "colour"),
        ({"sampler": "euler"}, UsageError, "euler"),
        ({"churm": 1}, ConfigError, r"sampling\.churm"),
        ({"ensemble": ["averages"]}, RunError, "averages"),
        ({"eta": 2.0}, ConfigError, r"sampling\.eta"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(sampling, error, message, tiny_run):
    with pytest.raises(error, match=message):
        make_plan(tiny_run, n=8, sampling=sampling)


def test_a_run_without_a_snapshot_cannot_guide_by_it(keeping_run):
    with pytest.raises(RunError, match="no earlier snapshot"):
        make_plan(keeping_run, n=8, sampling={"autoguidance": 1.5})


def test_the_ensemble_must_know_the_same_records(tiny_run, tiny_overrides, tmp_path):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 32}}
    other = train({**short, "modality": "timeseries", "data": {"path": "gunpoint"}}, out=tmp_path / "series")
    with pytest.raises(UsageError, match=r"no ensemble.*other shape of the records"):
        make_plan(tiny_run, n=8, sampling={"ensemble": [str(other.path)]})
    assert isinstance(other, Run)


def _copy(run, path, **files):
    """A run's copy in which some JSON files or tensors are others, with the hashes that belong to them."""
    shutil.copytree(run.path, path)
    facts = json.loads((path / "run.json").read_text())
    for stem, change in files.items():
        if stem == "codec":
            save_tensors(path / "codec.safetensors", change(load_tensors(path / "codec.safetensors")))
            name = "codec.safetensors"
        else:
            name = f"{stem}.json"
            (path / name).write_text(json.dumps(change(json.loads((path / name).read_text()))))
        facts["files"][name] = sha256_of(path / name)
    (path / "run.json").write_text(json.dumps(facts))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codec": lambda tensors: {**tensors, "std": tensors["std"] * 2}}, "other scaling.*channel 0"),
        ({"codec": lambda tensors: {**tensors, "mean": tensors["mean"] + tensors["std"]}}, "other scaling"),
        ({"schema": lambda raw: {**raw, "labels": raw["labels"][::-1]}}, "other labels"),
        ({"schema": lambda raw: {**raw, "extra": {**raw["extra"], "mode": "rgb"}}}, "facts of the modality"),
    ],
)
def test_members_that_mean_other_things_by_their_numbers_are_refused(changes, message, tiny_run, tmp_path):
    other = _copy(tiny_run, tmp_path / "other", **changes)
    with pytest.raises(UsageError, match=f"no ensemble.*{message}"):
        make_plan(tiny_run, n=8, sampling={"ensemble": [str(other)]})


def test_runs_of_the_same_data_with_another_seed_make_an_ensemble(tiny_run, tiny_overrides, tmp_path):
    seeded = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 32, "seed": 7}}
    other = train(seeded, out=tmp_path / "seeded")
    scales = [run.codec().state()[1]["mean"] for run in (tiny_run, other)]
    assert not torch.equal(*scales)
    assert make_plan(tiny_run, n=8, sampling={"ensemble": [str(other.path)]}).sampling.ensemble
