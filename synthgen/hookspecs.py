"""The hooks of a plugin: what synthgen asks, when, and what it expects back. This file is the contract.

A plugin is a module (or object) named by an entry point of the group `synthgen`:

    [project.entry-points.synthgen]
    spectra = "my_spectra"

whose functions, marked with `synthgen.api.hookimpl`, bear the names below. Each is optional. Nine hooks return `Spec`
records: cheap descriptions whose `target` is imported on first use, so they must not import anything heavy.
Two observe. `docs/plugins.md` walks through a whole plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from synthgen.api import ShardEvent, Spec, TrainEvent

__all__ = [
    "synthgen_commands",
    "synthgen_datasets",
    "synthgen_loggers",
    "synthgen_metrics",
    "synthgen_modalities",
    "synthgen_networks",
    "synthgen_readers",
    "synthgen_samplers",
    "synthgen_shard_written",
    "synthgen_train_event",
    "synthgen_writers",
]

hookspec = pluggy.HookspecMarker("synthgen")


@hookspec
def synthgen_modalities() -> Iterable[Spec]:
    """Kinds of record. The target is a class that implements `synthgen.api.Modality`.

    Example:
        @hookimpl
        def synthgen_modalities():
            return [Spec("spectra", "one-dimensional spectra", "my_spectra.modality:Spectra")]
    """
    raise NotImplementedError


@hookspec
def synthgen_datasets() -> Iterable[Spec]:
    """Embedded demo sets, opened by name, offline. The target is a function without arguments; it returns a `Source`.

    Example:
        @hookimpl
        def synthgen_datasets():
            return [Spec("wines", "3 cultivars", "my_spectra.demo:open_wines", modality="spectra")]
    """
    raise NotImplementedError


@hookspec
def synthgen_readers() -> Iterable[Spec]:
    """File and folder formats that can be read. The target is a class that implements `synthgen.api.Reader`.

    Example:
        @hookimpl
        def synthgen_readers():
            return [Spec("jcamp", "JCAMP-DX files", "my_spectra.readers:JcampReader", modality="spectra")]
    """
    raise NotImplementedError


@hookspec
def synthgen_writers() -> Iterable[Spec]:
    """Formats of `generate --format`. The target is a class that implements `synthgen.api.Writer`.

    Example:
        @hookimpl
        def synthgen_writers():
            return [Spec("jcamp", "one file a spectrum", "my_spectra.writers:JcampWriter", modality="spectra")]
    """
    raise NotImplementedError


@hookspec
def synthgen_networks() -> Iterable[Spec]:
    """Networks of `network.name`. The target takes `(shape, conditions, *, width, multipliers, ...)` like `UNet`.

    Its `forward(x, noise, conditions)` maps x `(B, C, *spatial)` and the noise coordinate `(B,)` to x's shape.

    Example:
        @hookimpl
        def synthgen_networks():
            return [Spec("mixer", "an MLP-mixer", "my_spectra.mixer:Mixer")]
    """
    raise NotImplementedError


@hookspec
def synthgen_samplers() -> Iterable[Spec]:
    """Samplers of `sampling.sampler`. The target is a `synthgen.diffusion.samplers.Sampler` object.

    Example:
        @hookimpl
        def synthgen_samplers():
            return [Spec("euler", "explicit Euler", "my_spectra.samplers:EULER")]
    """
    raise NotImplementedError


@hookspec
def synthgen_metrics() -> Iterable[Spec]:
    """Metrics beside the built-in ones. The target is a `synthgen.api.Metric`: function, direction, definition, cost.

    The function `(real, synthetic, context) -> number` knows nothing of floor and interval: the host calls it with
    training records in the place of the synthetic ones, and with resampled ones. A plain function is taken too; it may
    return a mapping of a row's fields (`value`, `ci`, `floor`, `better`). One that raises becomes a row with its error.

    Example:
        @hookimpl
        def synthgen_metrics():
            return [Spec("peak_shift", "shift of the main peak", "my_spectra.metrics:PEAK_SHIFT", modality="spectra")]
    """
    raise NotImplementedError


@hookspec
def synthgen_commands() -> Iterable[Spec]:
    """Subcommands of `synthgen`. The target is a `typer.Typer`; a command of the core keeps its name.

    Example:
        @hookimpl
        def synthgen_commands():
            return [Spec("peaks", "list the peaks of a data set", "my_spectra.commands:app")]
    """
    raise NotImplementedError


@hookspec
def synthgen_loggers() -> Iterable[Spec]:
    """Places to which training metrics go. The target takes the run's directory and returns a function of an event.

    Used when `train.loggers` names them.

    Example:
        @hookimpl
        def synthgen_loggers():
            return [Spec("tensorboard", "TensorBoard", "my_loggers:tensorboard", requires=("tensorboard",))]
    """
    raise NotImplementedError


@hookspec
def synthgen_train_event(event: TrainEvent) -> None:
    """Told what happens in training; `event["kind"]` is start, step, held_out, check (samples), checkpoint or finish.

    Each observer gets its own copy; what it raises is reported and stops nothing.

    Example:
        @hookimpl
        def synthgen_train_event(event):
            if event["kind"] == "finish":
                ring_a_bell(event["samples"])
    """


@hookspec
def synthgen_shard_written(shard: ShardEvent) -> None:
    """Told that a shard of a data set is complete on disk: directory, shard, shards, records, files.

    Each observer gets its own copy; what it raises is reported and stops nothing.

    Example:
        @hookimpl
        def synthgen_shard_written(shard):
            upload(Path(shard["directory"]), shard["files"])
    """
