"""Groups of channels that a modality declares, where a run gives them noise levels of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen import registry
from synthgen.api import Schema
from synthgen.config import RunConfig, merge
from synthgen.errors import ConfigError

__all__ = ["channel_groups", "declared_groups", "yielding"]

_ONE_LEVEL_ONLY = ("noise.adaptive", "loss.frequency", "loss.contrastive")


def yielding(usual: Mapping[str, Any], *asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """A modality's usual choices, without levels of groups where something is asked for that needs one level a record.

    Args:
        usual: nested, as `Modality.configure` gives them.
        asked: what the preset and the user say, nested.
    """
    said = merge({}, *asked)
    needs_one = any(said.get(section, {}).get(name) for section, name in (key.split(".") for key in _ONE_LEVEL_ONLY))
    return merge(usual, {"noise": {"independent": 0.0, "clean": 0.0}}) if needs_one else usual


def declared_groups(modality: str, schema: Schema) -> Mapping[str, int]:
    """The modality's groups, name -> channels, in the order of the channels; empty where it declares none."""
    declared = getattr(registry.modality(modality), "channel_groups", None)
    return {} if declared is None else dict(declared(schema))


def channel_groups(config: RunConfig, schema: Schema) -> Mapping[str, int]:
    """The groups with a noise level of their own in this run; empty where all channels share one.

    Raises:
        ConfigError: levels of their own were asked for where there are no groups, or beside what needs one level.
    """
    if config.noise.independent == 0 and config.noise.clean == 0:
        return {}
    groups = declared_groups(config.modality, schema)
    if len(groups) < 2:
        raise ConfigError(
            f"noise.independent and noise.clean need groups of channels, and the modality {config.modality} has none",
            hint="Leave both at 0.",
        )
    if config.noise.independent + config.noise.clean > 1:
        raise ConfigError("noise.independent and noise.clean are shares of the training records: at most 1 together")
    for key in _ONE_LEVEL_ONLY:
        section, name = key.split(".")
        if getattr(getattr(config, section), name):
            raise ConfigError(
                f"{key} is for one noise level a record, but noise.independent and noise.clean give groups their own",
                hint=f"Leave {key} away, or set noise.independent=0 and noise.clean=0.",
            )
    return groups
