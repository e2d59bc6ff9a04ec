"""What the user chose, merged: file < environment < `--set` < flag. Defaults, data and preset lie below, in `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import UsageError

__all__ = ["checked_layers", "from_flags", "user_layers"]


def from_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train.seed": 3, "data.window": None}` as nested dictionaries, flags that were not given (None) left out."""
    from synthgen.config import merge

    nested: dict[str, Any] = {}
    for path, flag in flags.items():
        if flag is None:
            continue
        value: Any = flag
        for key in reversed(path.split(".")):
            value = {key: value}
        nested = merge(nested, value)
    return nested


def user_layers(file: Path | None, assignments: Sequence[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the user said, as nested dictionaries."""
    from synthgen.config import environment_overrides, load_toml, merge, parse_assignments

    return merge(
        load_toml(file) if file is not None else {},
        environment_overrides(),
        parse_assignments(assignments or ()),
        from_flags(flags),
    )


def checked_layers(file: Path | None, assignments: Sequence[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The same, checked key by key before anything heavy is imported.

    Raises:
        UsageError: no modality anywhere, or one that nobody provides.
        ConfigError: naming the exact path of the first wrong key or value.
    """
    from synthgen import registry
    from synthgen.config import resolve

    layers = user_layers(file, assignments, flags)
    if "modality" not in layers:
        raise UsageError(
            "no modality is named",
            hint=f"Add --modality with one of: {', '.join(registry.names('modalities'))}.",
        )
    registry.find("modalities", resolve([layers]).modality)
    return layers
