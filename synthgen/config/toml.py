"""Configurations as TOML: read by the standard library, written with or without an explanation of each key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.config.sections import RunConfig, Section
from synthgen.errors import ConfigError

__all__ = ["dump_layers", "dump_toml", "load_toml"]


def load_toml(path: Path) -> dict[str, Any]:
    """A configuration file as nested dictionaries.

    Raises:
        ConfigError: missing, unreadable or not TOML (with line and column).
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is no ordinary file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration file at {path}") from error
    except (OSError, ValueError, RecursionError) as error:  # integers without end and deep nesting too
        raise ConfigError(f"{path} is not a readable TOML file: {error}") from error


def dump_toml(config: RunConfig, *, comments: bool = False) -> str:
    """The configuration as TOML; with comments, each key is explained. Unset keys are written as comments."""
    lines: list[str] = []
    for name, value in config:
        if not isinstance(value, Section):
            lines.append(f"{name} = {_toml_value(value)}")
    for name, section in config:
        if not isinstance(section, Section):
            continue
        lines.append("")
        if comments:
            lines.append(f"# {type(section).__doc__}")
        lines.append(f"[{name}]")
        for key, value in section:
            if comments:
                lines.append(f"# {type(section).model_fields[key].description}")
            lines.append(f"# {key} is unset" if value is None else f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def dump_layers(layers: Mapping[str, Any], *, heading: str = "") -> str:
    """Nested choices as TOML that `load_toml` reads again; unset values are left out.

    Args:
        layers: plain values, and sections of them.
        heading: comment lines above.
    """
    lines = [f"# {line}" for line in heading.splitlines()]
    lines += [f"{key} = {_toml_value(value)}" for key, value in layers.items() if not isinstance(value, Mapping)]
    for name, section in layers.items():
        if isinstance(section, Mapping):
            kept = {key: value for key, value in section.items() if value is not None}
            lines += ["", f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in kept.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case tuple() | list():
            return "[" + ", ".join(_toml_value(item) for item in value) + "]"
        case _:
            # TOML's basic strings escape as JSON's do, but for DEL.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
