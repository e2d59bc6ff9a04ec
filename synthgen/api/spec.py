"""What a plugin's hooks are marked with and what they return: cheap descriptions, and the events that observers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

__all__ = ["ShardEvent", "Spec", "TrainEvent", "hookimpl"]

hookimpl = pluggy.HookimplMarker("synthgen")
"""Marks a function of a plugin as the implementation of the hook that bears its name."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One thing that a plugin provides; what hooks return.

    Args:
        name: how users name it; lower case, digits and dashes.
        summary: one line for `synthgen list`.
        target: `"package.module:attribute"`, imported on first use. A class is called without arguments.
        modality: for readers, writers and demo sets, the modality they serve; empty where it does not apply.
        requires: distributions that must be installed beside the plugin, named in the error when they are not.
    """

    name: str
    summary: str
    target: str
    modality: str = ""
    requires: tuple[str, ...] = ()


TrainEvent = Mapping[str, Any]
"""`{"kind": "start" | "step" | "held_out" | "check" | "checkpoint" | "finish", "samples": int, ...}`."""

ShardEvent = Mapping[str, Any]
"""`{"directory": str, "shard": int, "shards": int, "records": int, "files": [...]}`."""
