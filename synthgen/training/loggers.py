"""TensorBoard, Weights & Biases and MLflow behind one protocol: a function of the run's directory makes a function that
takes training events. `train.loggers` names those to use; a plugin offers others through `synthgen_loggers`.

Every finite number of an event becomes a scalar under its kind (`step/loss`, `held_out/bands/0`, `held_out/classes/3`),
at the number of records seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

__all__ = ["mlflow", "scalars", "tensorboard", "wandb"]

Logger = Callable[[Mapping[str, Any]], None]

_WHERE = ("samples", "total", "total_seconds", "kind", "run")


def scalars(event: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of an event by name."""
    return {f"{event['kind']}/{name}": value for name, value in _numbers(event) if name not in _WHERE}


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        match value:
            case bool() | str():
                continue
            case int() | float() if math.isfinite(value):
                yield f"{prefix}{name}", float(value)
            case Mapping():
                yield from _numbers(value, f"{prefix}{name}/")
            case list() | tuple():
                yield from _numbers({str(index): item for index, item in enumerate(value)}, f"{prefix}{name}/")


def tensorboard(run: Path) -> Logger:
    """Scalars below `RUN/tensorboard`; a resumed run goes on where its checkpoint was."""
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = None

    def log(event: Mapping[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            writer = cast(Any, SummaryWriter)(str(run / "tensorboard"), purge_step=event["samples"] or None)
        for name, value in scalars(event).items():
            writer.add_scalar(name, value, event["samples"])
        if event["kind"] == "finish":
            writer.close()

    return log


def wandb(run: Path) -> Logger:
    """A run of Weights & Biases in project `synthgen` (or `WANDB_PROJECT`); `WANDB_MODE=offline` sends nothing."""
    import os

    import wandb as service

    begun = service.init(
        project=os.environ.get("WANDB_PROJECT", "synthgen"), name=run.name, dir=str(run), resume="allow"
    )

    def log(event: Mapping[str, Any]) -> None:
        if values := scalars(event):
            begun.log({**values, "samples": event["samples"]})
        if event["kind"] == "finish":
            begun.finish()

    return log


def mlflow(run: Path) -> Logger:
    """A run of MLflow where `MLFLOW_TRACKING_URI` points."""
    import mlflow as service

    client = service.MlflowClient()
    name = "synthgen"
    experiment = client.get_experiment_by_name(name)
    number = client.create_experiment(name) if experiment is None else experiment.experiment_id
    begun = client.create_run(number, run_name=run.name).info.run_id

    def log(event: Mapping[str, Any]) -> None:
        for key, value in scalars(event).items():
            client.log_metric(begun, key, value, step=event["samples"])
        if event["kind"] == "finish":
            client.set_terminated(begun)

    return log
