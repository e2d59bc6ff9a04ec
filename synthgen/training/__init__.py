"""Training: `train(...)` turns a user's data into a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["train"]


def train(
    overrides: Mapping[str, Any] | None = None,
    *,
    modality: str | None = None,
    data: str | Path | None = None,
    out: Path | str | None = None,
    resume: bool = True,
    force: bool = False,
    init: Path | str | None = None,
    continued: Path | str | None = None,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> Run:
    """Train a conditional diffusion model and leave a run.

    Args:
        overrides: configuration as nested dictionaries, such as `{"train": {"minutes": 1}}`; keys as in `config init`.
        modality: name of the modality; short for `{"modality": ...}`.
        data: file, folder or demo set; short for `{"data": {"path": ...}}`. None: the modality's demo set.
        out: the run's directory; None: `runs/<modality>-<data>-<n>`.
        resume: take up an interrupted run of the same request; a finished one is returned as it is.
        force: replace what stands at `out`.
        init: a run whose weights are the start, as far as names and shapes agree; classes go by name.
        continued: a run that learns the new data or classes beside what it knows; its modality is taken over.
        progress: called with train events (`kind`, `samples`, `total`, `seconds`, `loss`, `held_out`, ...);
            with `held_out` comes `preview`, a function that makes a few records with the averaged weights.

    Raises:
        ConfigError, DataError, PluginError, RunError, StorageError, TrainingError: see `synthgen.errors`.
        KeyboardInterrupt: SIGINT or SIGTERM came; a checkpoint was written first.
    """
    from synthgen.errors import UsageError
    from synthgen.io.run import read_facts
    from synthgen.training.session import run_training

    layers: dict[str, Any] = dict(overrides or {})
    if init is not None and continued is not None:
        raise UsageError("a run is either the start of another (init) or continued", hint="Give one of them.")
    if continued is not None:
        layers.setdefault("modality", read_facts(Path(continued))["modality"])
    if modality is not None:
        layers["modality"] = modality
    if data is not None:
        layers["data"] = {**layers.get("data", {}), "path": str(data)}
    return run_training(
        layers,
        out=None if out is None else Path(out),
        resume=resume,
        force=force,
        init=None if init is None else Path(init),
        continued=None if continued is None else Path(continued),
        progress=progress,
    )
