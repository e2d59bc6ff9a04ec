"""Training: what a run holds, resuming, faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from synthgen.config import resolve
from synthgen.errors import ConfigError, RunError, TrainingError, UsageError
from synthgen.io.run import Run, build_denoiser, load_tensors
from synthgen.training import train
from synthgen.training.loop import Trainer
from synthgen.training.monitor import Turn
from synthgen.training.prepare import prepare


def test_a_run_opens_again_with_what_it_was_trained_on(tiny_run):
    run = Run.open(tiny_run.path)
    assert run.schema.shape == (1, 8, 8)
    assert run.schema.labels == tuple("0123456789")
    assert sum(run.split.sizes().values()) == len(run.source()) == 1797
    assert run.config.noise.sigma_max > 3
    assert run.label_frequencies().sum() == pytest.approx(1)
    assert (run.path / "card.md").read_text().startswith("# A image")


def test_no_file_of_a_run_is_a_pickle(tiny_run):
    for path in tiny_run.path.rglob("*"):
        assert path.suffix in {".json", ".toml", ".jsonl", ".md", ".safetensors"} or path.is_dir()


def test_the_log_holds_training_and_held_out_losses(tiny_run):
    kinds = [row["kind"] for row in tiny_run.history()]
    assert kinds.count("held_out") == 10
    assert kinds.count("step") > 10
    held_out = [row["loss"] for row in tiny_run.history() if row["kind"] == "held_out"]
    assert held_out[-1] < held_out[0]


def test_the_same_request_again_returns_the_finished_run(tiny_run, tiny_overrides):
    assert train(tiny_overrides, out=tiny_run.path).fingerprint == tiny_run.fingerprint


def test_another_request_in_the_same_place_is_refused(tiny_run, tiny_overrides):
    with pytest.raises(UsageError, match="another request"):
        train({**tiny_overrides, "preset": "draft"}, out=tiny_run.path)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny_run, tiny_overrides, tmp_path):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 320}}
    first, again = (train(short, out=tmp_path / name) for name in "ab")
    other = train({**short, "train": {**short["train"], "seed": 1}}, out=tmp_path / "c")
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_training_resumes_to_the_same_weights(kill, tiny_run, tiny_overrides, tmp_path):
    out = tmp_path / "run"
    code = f"from synthgen.training import train; train({tiny_overrides!r}, out={str(out)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    checkpoint = out / "state" / "checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, kill)
    process.wait(timeout=60)
    assert json.loads((out / "run.json").read_text())["status"] == "training"
    with pytest.raises(RunError, match="has not finished"):
        Run.open(out)
    resumed = train(tiny_overrides, out=out)
    assert resumed.fingerprint == tiny_run.fingerprint
    assert not (out / "state").exists()


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
@pytest.mark.parametrize("name", ["model.safetensors", "schema.json", "split.safetensors"])
def test_a_damaged_run_says_which_file(name, damage, tiny_run, tmp_path):
    copy = tmp_path / "run"
    copy.mkdir()
    for path in tiny_run.path.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    content = bytearray((copy / name).read_bytes())
    match damage:
        case "truncate":
            (copy / name).write_bytes(content[: len(content) // 2])
        case "flip":
            content[len(content) // 2] ^= 1
            (copy / name).write_bytes(content)
        case "remove":
            (copy / name).unlink()
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        Run.open(copy)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="is not a run"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json is unreadable"):
        Run.open(tmp_path)


def test_newest_ignores_unfinished_and_foreign_folders(tiny_run, tmp_path):
    with pytest.raises(RunError, match="no finished run"):
        Run.newest(root=tmp_path)
    assert Run.newest("image", root=tiny_run.path.parent).path == tiny_run.path
    with pytest.raises(RunError, match="of modality mask"):
        Run.newest("mask", root=tiny_run.path.parent)


def test_wrong_requests_are_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="no modality"):
        train({}, out=tmp_path / "a")
    with pytest.raises(UsageError, match="imag"):
        train(modality="imag", out=tmp_path / "b")
    with pytest.raises(ConfigError, match="preset hug"):
        train({"preset": "hug"}, modality="image", out=tmp_path / "c")
    assert not any(tmp_path.iterdir())


def test_fine_tuning_starts_from_the_weights_of_another_run(tiny_run, tiny_overrides, tmp_path):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 32}, "optim": {"lr": 1e-12}}
    run = train(short, out=tmp_path / "run", init=tiny_run.path)
    start, end = (load_tensors(r.path / "model.safetensors") for r in (tiny_run, run))
    assert all(torch.allclose(start[name], end[name], atol=1e-6) for name in start)
    assert run.facts["init"]["fresh"] == []


def test_the_turn_needs_patience_and_a_rise():
    turn = Turn(patience=0.2, rise=0.02)
    assert turn.lower(1.0, 0.1)
    assert not turn.lower(1.1, 0.2)
    assert not turn.turned_up(1.1, 0.2)
    assert not turn.turned_up(1.01, 0.5)
    assert turn.turned_up(1.1, 0.5)


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


def trainer(overrides, bad):
    prepared = prepare(overrides)
    denoiser = build_denoiser(prepared.config, prepared.schema)
    return Trainer(
        prepared.config,
        denoiser,
        FaultyData(prepared.data, bad),
        prepared.schema.conditions,
        device=torch.device("cpu"),
    )


def test_a_step_that_is_not_finite_is_skipped_and_said(tiny_overrides):
    subject = trainer(tiny_overrides, lambda call: call == 3)
    steps = list(subject.steps())
    assert [bool(step.message) for step in steps].index(True) == 3
    assert steps[-1].skipped == 1
    assert all(bool(torch.isfinite(p).all()) for p in subject.denoiser.parameters())


def test_several_bad_steps_in_a_row_roll_back_and_halve_the_rate(tiny_overrides):
    subject = trainer(tiny_overrides, lambda call: 10 <= call < 15)
    messages = []
    for index, step in enumerate(subject.steps()):
        if index == 5:
            subject.remember()
        messages.append(step.message)
    assert "went back to the weights after 192 records and halved the learning rate" in messages[14]
    assert subject.rate_scale == 0.5


def test_a_smallest_noise_level_above_the_largest_is_refused_before_training(tiny_overrides):
    with pytest.raises(ConfigError, match=r"noise\.sigma_min is 100"):
        prepare(resolve([tiny_overrides, {"noise": {"sigma_min": 100.0}}]).model_dump())


def test_training_that_stays_bad_ends_with_advice(tiny_overrides):
    subject = trainer(tiny_overrides, lambda call: True)
    subject.remember()
    with pytest.raises(TrainingError, match="not finite") as caught:
        list(subject.steps())
    assert "optim.lr" in caught.value.hint


def test_each_pass_sees_every_record_once(tiny_overrides):
    data = prepare(resolve([tiny_overrides]).model_dump()).data
    seen = torch.cat([data.step(start, 32, 0.0).conditions["label"] for start in range(0, len(data) - 31, 32)])
    whole = data.at(np.arange(len(data))).conditions["label"]
    short = torch.bincount(whole, minlength=10) - torch.bincount(seen, minlength=10)
    assert int(short.min()) >= 0
    assert int(short.sum()) == len(data) - len(seen)


def test_training_events_reach_the_caller(tiny_overrides, tmp_path):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 320}}
    events = []
    train(short, out=tmp_path / "run", progress=events.append)
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    assert {"step", "held_out", "checkpoint"} <= set(kinds)
    assert Path(events[-1]["run"]) == tmp_path / "run"


def test_a_crash_after_the_first_file_is_taken_up(tiny_run, tiny_overrides, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    facts = json.loads((tiny_run.path / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**facts, "status": "training", "files": {}}))
    assert train(tiny_overrides, out=out).fingerprint == tiny_run.fingerprint


def test_a_default_budget_is_shortened_to_what_the_machine_can_do(tiny_overrides, tmp_path, monkeypatch):
    monkeypatch.setattr("synthgen.training.session._LONGEST_DEFAULT_SECONDS", 0.5)
    training = {name: value for name, value in tiny_overrides["train"].items() if name != "samples"}
    events = []
    run = train({**tiny_overrides, "train": training}, out=tmp_path / "run", progress=events.append)
    assert run.config.train.samples < 30_000
    assert f"allow {run.config.train.samples:,} samples" in events[0]["message"]


def test_a_training_with_everything_switched_on_resumes_to_the_same_weights(tiny_overrides, tmp_path):
    overrides = {
        **tiny_overrides,
        "data": {"balance": 1.0, "augment": 0.3},
        "optim": {"batch_size": 32, "accumulate": 2, "schedule": "cosine"},
        "ema": {"snapshots": 4, "choose": "held-out"},
        "train": {**tiny_overrides["train"], "samples": 640, "data_curriculum": 0.4, "noise_curriculum": 0.5},
    }
    whole = train(overrides, out=tmp_path / "whole")
    assert set(whole.facts["held_out"]) >= {"0.05", "0.075", "0.13", "0.25"}

    class Enough(Exception):
        pass

    def interrupt(event):
        if event["kind"] == "checkpoint" and event["progress"] > 0.55:
            raise Enough

    with pytest.raises(Enough):
        train(overrides, out=tmp_path / "cut", progress=interrupt)
    resumed = train(overrides, out=tmp_path / "cut")
    assert resumed.fingerprint == whole.fingerprint
    timeless = [
        [{name: value for name, value in row.items() if name != "seconds"} for row in run.history()]
        for run in (whole, resumed)
    ]
    assert timeless[0] == timeless[1]


def test_the_average_can_be_chosen_by_what_a_judge_says(tiny_overrides, tmp_path):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 320}}
    run = train({**short, "ema": {"choose": "utility", "widths": [0.05, 0.2]}}, out=tmp_path / "run")
    utility = run.facts["utility"]
    assert set(utility) == {"0.05", "0.2"}
    assert run.facts["ema_width"] == float(max(utility, key=utility.get))


def test_a_trainer_with_adaptive_noise_resumes_bit_for_bit(tiny_overrides):
    overrides = {**tiny_overrides, "noise": {"adaptive": True}}
    whole = trainer(overrides, lambda call: False)
    kept = None
    for index, _ in enumerate(whole.steps()):
        if index == 9:
            tensors, counters = whole.checkpoint()
            copies = {g: {n: t.detach().clone() for n, t in named.items()} for g, named in tensors.items()}
            kept = copies, counters
    resumed = trainer(overrides, lambda call: False)
    resumed.restore(*kept)
    list(resumed.steps())
    pairs = zip(whole.denoiser.parameters(), resumed.denoiser.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(whole.adaptive.mass(), resumed.adaptive.mass())
    plain = trainer(tiny_overrides, lambda call: False)
    list(plain.steps())
    pairs = zip(whole.denoiser.parameters(), plain.denoiser.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "loss", [{"weight": "p2"}, {"weight": "native"}, {"frequency": 0.5}, {"contrastive": 0.05}, {"weight": "min-snr"}]
)
def test_each_loss_key_changes_what_is_learnt(loss, tiny_overrides):
    short = {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 64}, "optim": {"batch_size": 32}}
    # A learned uncertainty would make up for a constant factor of the weight.
    plain = {**short, "noise": {"parameterisation": "v"}, "loss": {"uncertainty": False}}
    changed = {**plain, "loss": {"uncertainty": False, **loss}}
    ends = []
    for overrides in (plain, changed):
        subject = trainer(overrides, lambda call: False)
        list(subject.steps())
        ends.append(torch.cat([p.detach().flatten() for p in subject.denoiser.parameters()]))
    assert not torch.equal(*ends)


def test_only_the_edm_weight_is_learned_unless_it_is_asked_for():
    learns = {
        (weight, uncertainty): resolve(
            [
                {
                    "modality": "image",
                    "loss": {"weight": weight} | ({} if uncertainty is None else {"uncertainty": uncertainty}),
                }
            ]
        ).loss.learns_uncertainty
        for weight in ("edm", "p2")
        for uncertainty in (None, True, False)
    }
    assert learns == {
        ("edm", None): True,
        ("edm", True): True,
        ("edm", False): False,
        ("p2", None): False,
        ("p2", True): True,
        ("p2", False): False,
    }
