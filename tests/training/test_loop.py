"""One training step: accumulation, precision, roll-back, the noise scale, and what a checkpoint must carry."""

from __future__ import annotations

import math

import pytest
import torch

from synthgen.config import merge
from synthgen.errors import ConfigError
from synthgen.io.run import build_denoiser
from synthgen.training.loop import Trainer
from synthgen.training.precision import choose_precision, seconds_a_step
from synthgen.training.prepare import prepare


class FaultyData:
    """Training data in which chosen steps hold a NaN."""

    def __init__(self, data, bad):
        self.data, self.bad, self.calls = data, bad, 0

    def __len__(self):
        return len(self.data)

    def step(self, samples, batch_size, progress):
        batch = self.data.step(samples, batch_size, progress)
        if self.bad(self.calls):
            batch.x = batch.x.clone()
            batch.x[0] = torch.nan
        self.calls += 1
        return batch


@pytest.fixture
def make(tiny_overrides):
    """A trainer on digits without dropout, with these overrides."""

    def build(overrides=None, *, precision="fp32", bad=None):
        layers = merge(tiny_overrides, {"network": {"dropout": 0.0}}, overrides or {})
        prepared = prepare(layers)
        torch.manual_seed(0)
        denoiser = build_denoiser(prepared.config, prepared.schema)
        return Trainer(
            prepared.config,
            denoiser,
            prepared.data if bad is None else FaultyData(prepared.data, bad),
            prepared.schema.conditions,
            device=torch.device("cpu"),
            precision=precision,
        )

    return build


def weights(trainer):
    return {name: value.detach().clone() for name, value in trainer.denoiser.network.named_parameters()}


@pytest.mark.parametrize("parts", [2, 3, 32])
def test_an_accumulated_step_has_the_gradient_of_the_whole_batch(make, parts):
    whole, cut = make(), make({"optim": {"accumulate": parts}})
    for trainer in (whole, cut):
        for step in trainer.steps():
            if step.samples >= 64:
                break
    assert whole.batch_size == cut.batch_size == 32
    for trainer in (whole, cut):
        trainer.denoiser.network.load_state_dict(whole.denoiser.network.state_dict())
        trainer.loss.load_state_dict(whole.loss.state_dict())
    losses = [trainer._gradients(trainer.data.step(96, 32, 0.0), "fp32")[:2] for trainer in (whole, cut)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(whole.denoiser.parameters(), cut.denoiser.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_training_with_accumulation_ends_at_the_weights_of_the_large_batch(make):
    short = {"train": {"samples": 320}, "optim": {"name": "sgd", "lr": 0.01}}
    whole, cut = make(short), make(merge(short, {"optim": {"accumulate": 4}}))
    for trainer in (whole, cut):
        list(trainer.steps())
    for name, value in weights(whole).items():
        torch.testing.assert_close(value, weights(cut)[name], rtol=0, atol=1e-6)


def test_fp16_with_loss_scaling_trains_like_fp32(make):
    short = {"train": {"samples": 640}}
    half = make(short, precision="fp16")
    assert choose_precision("fp16", half.trial) == "fp16"
    losses = {}
    for name, trainer in (("fp16", half), ("fp32", make(short))):
        seen = [step.loss for step in trainer.steps()]
        assert trainer.skipped <= 3
        losses[name] = sum(seen[-5:]) / 5
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.1)


def test_a_burst_of_other_work_does_not_decide_the_precision(monkeypatch):
    """bf16 is twice as fast here; whatever runs beside slows the first round of both tenfold."""
    clock = 0.0
    calls = []

    def step(precision):
        nonlocal clock
        calls.append(precision)
        clock += (1.0 if precision == "bf16" else 2.0) * (10 if len(calls) <= 4 else 1)

    monkeypatch.setattr("synthgen.training.precision.time.perf_counter", lambda: clock)
    assert choose_precision("auto", step) == "bf16"
    assert seconds_a_step(step, "fp32", "bf16") == [2.0, 1.0]
    assert calls[:4] == ["fp32", "bf16", "fp32", "bf16"]


def test_a_device_without_fp16_is_named():
    def step(precision):
        raise RuntimeError("\"slow_conv2d_forward\" not implemented for 'Half'\nmore")

    with pytest.raises(ConfigError, match=r"cannot train in fp16.*not implemented for 'Half'"):
        choose_precision("fp16", step)


def test_an_overflow_in_fp16_halves_the_scale_and_is_no_bad_step(make):
    trainer = make({"train": {"samples": 128}}, precision="fp16")
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    before = weights(trainer)
    step = next(trainer.steps())
    assert math.isfinite(step.loss)
    assert not math.isfinite(step.gradient_norm)
    assert trainer.scaler.get_scale() == 2.0**119
    assert (trainer.skipped, trainer.bad_in_a_row) == (1, 0)
    assert all(torch.equal(value, before[name]) for name, value in weights(trainer).items())


def test_the_noise_scale_is_measured_without_touching_the_training(make):
    short = {"train": {"samples": 320}, "network": {"dropout": 0.1}}
    quiet, measured = make(short), make(short)
    list(quiet.steps())
    for _ in measured.steps():
        measured.measure_noise_scale(1)
    assert measured.noise_scale.measurements == 10
    assert measured.noise_scale.covariance > 0
    assert all(torch.equal(value, weights(quiet)[name]) for name, value in weights(measured).items())


@pytest.mark.parametrize("optimizer", ["adamw", "lamb", "muon", "rmsprop"])
def test_a_trainer_taken_up_from_its_checkpoint_takes_the_same_steps(make, optimizer):
    options = {
        "train": {"samples": 640},
        "optim": {"name": optimizer, "schedule": "cosine", "accumulate": 2},
        "network": {"dropout": 0.2},
    }

    def run(trainer, until=1.0):
        for step in trainer.steps():
            if trainer.step_index % 4 == 0:
                trainer.remember()
                trainer.measure_noise_scale(1)
            if step.progress >= until:
                break

    whole, first, second = (make(options, bad=lambda call: call in (3, 11, 12)) for _ in range(3))
    run(whole)
    run(first, until=0.6)
    tensors, counters = first.checkpoint()
    second.restore({g: {n: v.clone() for n, v in named.items()} for g, named in tensors.items()}, counters)
    second.data.calls = first.data.calls
    run(second)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(second).items())
    assert (second.watch, second.noise_scale, second.skipped) == (whole.watch, whole.noise_scale, whole.skipped)
    assert all(torch.equal(v, whole.ema.state_dict()[k]) for k, v in second.ema.state_dict().items())


def test_a_roll_back_after_resuming_goes_to_the_weights_noted_before(make):
    trainer = make(bad=lambda call: call >= 10)
    noted = None
    for index, _ in enumerate(trainer.steps()):
        if index == 4:
            trainer.remember()
            noted, averages = weights(trainer), trainer.ema.state_dict()
        if index == 8:
            break
    tensors, counters = trainer.checkpoint()
    resumed = make(bad=lambda call: True)
    resumed.restore(tensors, counters)
    message = ""
    for step in resumed.steps():
        message = step.message
        if "went back" in message:
            break
    assert "went back to the weights after 160 records" in message
    assert all(torch.equal(value, noted[name]) for name, value in weights(resumed).items())
    assert all(torch.equal(value, averages[name]) for name, value in resumed.ema.state_dict().items())


def test_bad_steps_at_the_very_beginning_go_back_to_the_first_weights(make):
    trainer = make(bad=lambda call: call < 5)
    first = weights(trainer)
    for step in trainer.steps():
        if "went back" in step.message:
            break
    assert "after 0 records" in step.message
    assert all(torch.equal(value, first[name]) for name, value in weights(trainer).items())
