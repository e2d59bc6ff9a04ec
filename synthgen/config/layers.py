"""From layers of choices to one checked configuration.

Order, weakest first: defaults < the modality's choice from the data < preset < file < environment < `--set` < flag.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from synthgen.config.faults import explained, faults_of
from synthgen.config.sections import RunConfig
from synthgen.errors import ConfigError

__all__ = ["environment_overrides", "merge", "parse_assignments", "problems", "resolve"]


def merge(base: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries, later layers over earlier ones; nothing is modified in place."""
    merged = dict(base)
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve(layers: Iterable[Mapping[str, Any]]) -> RunConfig:
    """Merge the layers, weakest first, and check the result.

    Raises:
        ConfigError: naming the exact path of the first wrong key or value, with a suggestion.
    """
    try:
        return RunConfig.model_validate(merge({}, *layers))
    except ValidationError as error:
        raise explained(error) from error


def problems(layers: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Every fault of the merged layers as (path of the key, what is wrong, what to do); none when they are valid."""
    try:
        RunConfig.model_validate(merge({}, *layers))
    except ValidationError as error:
        return faults_of(error)
    return []


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["train.seed=3", "network.multipliers=[1, 2]"]` as nested dictionaries; values are TOML, else plain strings.

    Raises:
        ConfigError: an assignment without `=`.
    """
    layers: dict[str, Any] = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path.strip():
            raise ConfigError(f"--set {assignment}: expected section.key=value", hint="For example --set optim.lr=5e-4")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            value = text.strip()
        for key in reversed(path.strip().split(".")):
            value = {key: value}
        layers = merge(layers, value)
    return layers


def environment_overrides(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`SYNTHGEN_SET="train.seed=3;optim.lr=1e-3"` as nested dictionaries."""
    text = (os.environ if environment is None else environment).get("SYNTHGEN_SET", "")
    return parse_assignments(part for part in text.split(";") if part.strip())
