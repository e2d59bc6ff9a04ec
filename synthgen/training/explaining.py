"""Why a training would be what it is: where every choice comes from, and how long it would take. Trains nothing.

A value comes from the default, from the data (the modality's `configure`), from the preset, from the user, or is
measured: the largest noise level on the encoded records, the precision and the time of a step on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from synthgen.config import RunConfig, resolve
from synthgen.data.augmentation import augmentation_of
from synthgen.io.run import Run, build_denoiser
from synthgen.training.loop import Trainer
from synthgen.training.precision import choose_device, choose_precision, seconds_a_step
from synthgen.training.prepare import Prepared, prepare
from synthgen.training.threads import settle_threads

__all__ = ["Choice", "Explanation", "choices_of", "explain"]

Origin = Literal["default", "data", "preset", "user", "measured"]


@dataclass(frozen=True)
class Choice:
    """One configuration key.

    Args:
        key: `section.key`.
        value: what it would be.
        default: what it is when nobody says anything.
        origin: who chose it.
        reason: why, in a few words; empty for defaults and the user's own.
    """

    key: str
    value: Any
    default: Any
    origin: Origin
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What a training would be.

    Args:
        config: resolved.
        choices: every key.
        facts: about data, split and machine, for `--json`.
    """

    config: RunConfig
    choices: tuple[Choice, ...]
    facts: Mapping[str, Any]


def explain(overrides: Mapping[str, Any], continued: Run | None = None) -> Explanation:
    """Open and encode the data, settle everything, and time a few steps.

    Args:
        overrides: as for `synthgen.train`.
        continued: the run that would be continued.

    Raises:
        ConfigError, DataError, PluginError: as `synthgen.train`.
    """
    prepared = prepare(overrides, continued)
    config = prepared.config
    device = choose_device()
    denoiser = build_denoiser(config, prepared.schema).to(device)
    augmentation = augmentation_of(config, prepared.schema)
    trainer = Trainer(
        config, denoiser, prepared.data, prepared.schema.conditions, device=device, augmentation=augmentation
    )
    notes = [*prepared.source.notes, *prepared.quality.findings]
    if said := settle_threads(config.train, trainer.trial):
        notes.append(said)
    precision = choose_precision(config.train.precision, trainer.trial)
    (step,) = seconds_a_step(trainer.trial, precision)
    samples = config.train.samples
    minutes = config.train.minutes
    seconds = 60 * minutes if minutes is not None else None if samples is None else step * samples / trainer.batch_size
    facts = {
        "records": len(prepared.source),
        "split": prepared.split.sizes(),
        "shape": list(prepared.schema.shape),
        "labels": list(prepared.schema.labels),
        "notes": notes,
        "parameters": sum(parameter.numel() for parameter in denoiser.network.parameters()),
        "precision": precision,
        "device": device.type,
        "seconds_a_step": step,
        "samples_a_second": trainer.batch_size / step,
        "estimated_seconds": seconds,
    }
    return Explanation(config, tuple(choices_of(prepared, overrides)), facts)


def choices_of(prepared: Prepared, overrides: Mapping[str, Any]) -> Iterator[Choice]:
    """Each key of the settled configuration with who chose it."""
    schema, records = prepared.schema, len(prepared.data)
    modality = prepared.modality
    layers: dict[Origin, dict[str, Any]] = {
        "user": _flat(overrides),
        "preset": _flat(modality.presets()[prepared.config.preset]),
        "data": _flat(modality.configure(schema, records)),
    }
    defaults = _flat(resolve([{"modality": prepared.config.modality}]).model_dump())
    for key, value in _flat(prepared.config.model_dump()).items():
        default = defaults[key]
        origin = next((name for name, layer in layers.items() if _chooses(layer, key, value)), None)
        if origin is None:
            origin = "default" if value == default else "measured"
        yield Choice(key, value, default, origin, _reason(key, origin, prepared))


def _chooses(layer: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in layer and _plain(layer[key]) == _plain(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _flat(nested: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested dictionaries as `{"section.key": value}`."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        key = f"{above}{name}"
        flat |= _flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat


def _reason(key: str, origin: Origin, prepared: Prepared) -> str:
    """In a few words, why this value."""
    records, shape = len(prepared.data), " x ".join(str(size) for size in prepared.schema.shape)
    if origin == "preset":
        return f"preset {prepared.config.preset}"
    if origin == "measured":
        if key == "noise.sigma_max":
            return "the largest distance between two encoded training records"
        if key == "data.path":
            path = prepared.config.data.path
            return "where the data lies" if Path(path).exists() else f"the demo set of {prepared.config.modality}"
        return f"{records:,} training records"
    if origin != "data":
        return ""
    section, _, name = key.partition(".")
    if name == "dropout":
        return f"{records:,} training records; the fewer, the more dropout against memorising"
    if key in ("optim.name", "optim.lr") and prepared.config.optim.name == "muon":
        return "orthogonal updates come nearer to such data in equal time"
    if section == "network":
        return f"records of shape {shape}" + (f" and {records:,} of them" if name in ("width", "blocks") else "")
    if key == "noise.covariance":
        return f"{prepared.schema.shape[0]} channels; from two on, how they vary together is built in"
    if key == "noise.details":
        return "how fine the finest movement is: calm curves hide small noise, and their details show it"
    if section == "noise":
        return "how fine the finest movement of the encoded data is"
    return f"{records:,} training records of shape {shape}"
