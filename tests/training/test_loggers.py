"""Where else training metrics go."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from synthgen.errors import PluginError, UsageError
from synthgen.training import train
from synthgen.training.loggers import scalars


def test_every_finite_number_of_an_event_is_a_scalar_under_its_kind():
    event = {
        "kind": "held_out", "samples": 64, "total": 100, "run": "r", "message": "x", "held_out": 0.5,
        "noise_scale": None, "bands": [1, 2.0], "classes": {"a b": 3.0, "c": float("nan")}, "progress": 0.5,
        "done": True,
    }  # fmt: skip
    assert scalars(event) == {
        "held_out/held_out": 0.5,
        "held_out/bands/0": 1.0,
        "held_out/bands/1": 2.0,
        "held_out/classes/a b": 3.0,
        "held_out/progress": 0.5,
    }


@pytest.fixture
def short(tiny_overrides):
    return {**tiny_overrides, "train": {**tiny_overrides["train"], "samples": 320, "sample_checks": 1}}


def test_tensorboard_holds_the_losses_of_metrics_jsonl(short, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train({**short, "train": {**short["train"], "loggers": ["tensorboard"]}}, out=tmp_path / "run")
    board = accumulator.EventAccumulator(str(run.path / "tensorboard"))
    board.Reload()
    for kind, name in (("step", "step/loss"), ("held_out", "held_out/held_out"), ("check", "check/copies")):
        figure = "copies" if kind == "check" else "loss"
        kept = [(row["samples"], row[figure]) for row in run.history() if row["kind"] == kind]
        logged = [(event.step, event.value) for event in board.Scalars(name)]
        assert [step for step, _ in logged] == [samples for samples, _ in kept]
        assert [value for _, value in logged] == pytest.approx([loss for _, loss in kept], rel=1e-6)


def test_a_logger_that_nobody_provides_or_whose_package_is_missing_is_named(short, tmp_path, monkeypatch):
    def wants(name):
        return {**short, "train": {**short["train"], "loggers": [name]}}

    with pytest.raises(UsageError, match="unknown logger tensorbord"):
        train(wants("tensorbord"), out=tmp_path / "a")
    known = importlib.metadata.version

    def absent(name):
        if name == "tensorboard":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(PluginError, match="needs tensorboard, which is not installed") as caught:
        train(wants("tensorboard"), out=tmp_path / "b")
    assert "pip install tensorboard" in caught.value.hint


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, by MLflow's own queries
def test_mlflow_holds_the_losses_of_metrics_jsonl(short, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    pytest.importorskip("sqlalchemy")
    run = train({**short, "train": {**short["train"], "loggers": ["mlflow"]}}, out=tmp_path / "run")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    [kept] = client.search_runs([client.get_experiment_by_name("synthgen").experiment_id])
    history = client.get_metric_history(kept.info.run_id, "held_out/held_out")
    losses = [row["loss"] for row in run.history() if row["kind"] == "held_out"]
    assert [metric.value for metric in sorted(history, key=lambda m: m.step)] == losses
    assert kept.info.status == "FINISHED"


def test_pictures_of_samples_are_kept_when_asked_for(short, tmp_path):
    run = train({**short, "train": {**short["train"], "sample_checks": 2, "sample_grids": True}}, out=tmp_path / "run")
    pictures = sorted((run.path / "samples").iterdir())
    checks = [row["samples"] for row in run.history() if row["kind"] == "check"]
    assert [int(picture.stem) for picture in pictures] == checks
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_a_run_keeps_what_was_found_in_the_data(tiny_run):
    document = json.loads((tiny_run.path / "quality.json").read_text())
    assert document["records"] == 1797
    assert sum(document["classes"].values()) == 1797
    assert document["findings"] == tiny_run.facts["quality"]


def test_weights_and_biases_keeps_the_losses_offline(short, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_DATA_DIR", str(tmp_path))):
        monkeypatch.setenv(name, value)
    run = train({**short, "train": {**short["train"], "loggers": ["wandb"]}}, out=tmp_path / "run")
    [kept] = (run.path / "wandb").glob("offline-run-*/*.wandb")
    written = kept.read_bytes()
    for name in ("step/loss", "held_out/held_out", "check/copies"):
        assert name.encode() in written, name
