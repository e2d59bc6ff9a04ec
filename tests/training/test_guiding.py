"""The weight of guidance that a run chooses at its end: when weights are tried, and that the nearest wins."""

import numpy as np
import torch
from torch import Tensor

from synthgen.config import merge, resolve
from synthgen.diffusion.guidance import Guided
from synthgen.generation.plan import make_plan
from synthgen.io.run import Run
from synthgen.training import guiding

LONG = 60_000


def _config(**sections):
    return resolve([{"modality": "image"}, sections])


def test_weights_are_tried_where_training_pays_for_it_and_nobody_chose_before() -> None:
    assert guiding.records_to_try(_config(), LONG, conditions=True) >= 128
    assert guiding.records_to_try(_config(), 10 * LONG, conditions=True) == 512
    assert guiding.records_to_try(_config(), 1_000, conditions=True) == 0
    assert guiding.records_to_try(_config(), LONG, conditions=False) == 0
    for given in (
        {"sampling": {"guidance": 1.25}},
        {"train": {"choose_guidance": False}},
        {"train": {"dp_epsilon": 8.0, "dp_delta": 1e-5}},
        {"train": {"upsample_from": "runs/small"}},
        {"sampling": {"autoguidance": 2.0}},
        {"sampling": {"threshold": 0.995}},
    ):
        assert guiding.records_to_try(_config(**given), LONG, conditions=True) == 0, given


def test_the_weight_whose_samples_lie_on_real_records_is_nearest() -> None:
    real = torch.from_numpy(np.random.default_rng(0).standard_normal((300, 8)))

    def sampled(denoiser: object) -> Tensor:
        """As if weight 1.5 were right: any other moves the samples away."""
        weight = denoiser.weight if isinstance(denoiser, Guided) else 1.0
        return torch.from_numpy(np.random.default_rng(1).standard_normal((300, 8)) + (weight - 1.5))

    found = guiding.best_weight(torch.nn.Identity(), sampled, real)
    assert set(found) == set(guiding.WEIGHTS)
    assert min(found, key=found.get) == 1.5
    assert found[1.0] > 10 * abs(found[1.5])


def test_weights_are_tried_where_sampling_will_guide() -> None:
    tried = []

    def sampled(denoiser: object) -> Tensor:
        tried.append(getattr(denoiser, "interval", None))
        return torch.zeros(16, 2)

    guiding.best_weight(torch.nn.Identity(), sampled, torch.randn(16, 2), interval=(0.2, 1.6))
    assert tried == [None, (0.2, 1.6), (0.2, 1.6)]


def test_generation_takes_the_weight_of_the_run_unless_it_is_told_another(tiny_run: Run, tmp_path) -> None:
    run = Run.open(tiny_run.path)
    assert run.facts["guidance"] is None
    assert run.facts["guidance_tried"] == {}
    assert make_plan(run, n=4).sampling.guidance == 1
    run.facts["guidance"] = 1.5
    assert make_plan(run, n=4).sampling.guidance == 1.5
    assert make_plan(run, n=4, guidance=1.0).sampling.guidance == 1


def test_a_training_that_pays_for_it_chooses_and_says_so(tiny_overrides, tmp_path, monkeypatch) -> None:
    import synthgen

    monkeypatch.setattr(guiding, "_SHARE", 20.0)
    monkeypatch.setattr(guiding, "_FEWEST", 8)
    monkeypatch.setattr(guiding, "_MOST", 16)
    run = synthgen.train(merge(tiny_overrides, {"train": {"samples": 64}}), out=tmp_path / "run")
    assert set(run.facts["guidance_tried"]) == {"1", "1.5", "2"}
    assert run.facts["guidance"] in guiding.WEIGHTS
    assert "| guidance |" in (run.path / "card.md").read_text()
