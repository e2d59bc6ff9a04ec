"""What the watch says and when it ends a training."""

from __future__ import annotations

import pytest
import torch

from synthgen.io.run import build_denoiser
from synthgen.training.loop import Step, Trainer
from synthgen.training.monitor import HeldOut
from synthgen.training.prepare import prepare
from synthgen.training.sample_watch import SampleCheck
from synthgen.training.watching import Watching

COPIES = SampleCheck(copies=0.4, chance=0.01, n=128, n_chance=200, diversity={"all": 0.9})
COLLAPSED = SampleCheck(copies=0.0, chance=0.01, n=128, n_chance=200, diversity={"0": 1.1, "7": 0.02})


@pytest.fixture
def watching(tiny_overrides, tmp_path):
    prepared = prepare(tiny_overrides)
    torch.manual_seed(0)
    denoiser, average = (build_denoiser(prepared.config, prepared.schema) for _ in range(2))
    trainer = Trainer(prepared.config, denoiser, prepared.data, prepared.schema.conditions, device=torch.device("cpu"))
    notes = []
    watch = Watching(
        prepared, trainer, average, tmp_path, record=lambda *_: None, note=lambda step, text: notes.append(text)
    )
    watch.notes = notes
    return watch


def step(progress):
    return Step(100, progress, 1.0, 1.0, 1.0, 0.0, 1e-3, 0)


def test_copies_end_a_training_only_when_the_held_out_loss_has_risen(watching):
    watching.turn.lower(1.0, 0.2)
    watching._loss = 1.01
    assert watching._alarm(COPIES, step(0.5)) is None
    watching._loss = 1.05
    assert "begun to copy training records" in watching._alarm(COPIES, step(0.6))
    assert len(watching.notes) == 1
    assert watching.notes[0].startswith("memorisation: 40% of the samples are near-copies")


def test_a_rising_held_out_loss_without_copies_is_left_to_the_turn(watching):
    watching.turn.lower(1.0, 0.2)
    watching._loss = 1.5
    assert watching._alarm(COLLAPSED, step(0.6)) is None
    assert watching.notes == [
        "mode collapse: samples of 7 hardly differ from one another (variance 2% of the training records')"
    ]


def test_every_class_is_measured_with_the_same_mixture_of_noise_levels(tiny_overrides):
    prepared = prepare(tiny_overrides)
    batch = prepared.watched.sample(256)
    held_out = HeldOut(batch, prepared.config.noise, seed=0, repeats=8, labels=prepared.schema.labels)
    everything = held_out._sigma.log().median()
    for index in range(10):
        of_class = held_out._sigma[held_out._classes == index].log()
        assert float((of_class.median() - everything).abs()) < 0.3
    denoiser = build_denoiser(prepared.config, prepared.schema)
    found = held_out.measure(denoiser, torch.device("cpu"))
    sizes = torch.bincount(held_out._classes, minlength=10).double()
    mean = sum(size * found.classes[str(k)] for k, size in enumerate(sizes.tolist())) / float(sizes.sum())
    assert found.total == pytest.approx(mean, rel=1e-5)
    assert found.total == pytest.approx(sum(found.bands) / 4, rel=0.02)
