"""The configuration of a run: what may be set, how layers of choices become one, and how it is read and written."""

from __future__ import annotations

from synthgen.config.layers import environment_overrides, merge, parse_assignments, problems, resolve
from synthgen.config.sections import (
    DataConfig,
    DistillConfig,
    EmaConfig,
    LossConfig,
    NetworkConfig,
    NoiseConfig,
    OptimConfig,
    RunConfig,
    SamplingConfig,
    TrainConfig,
)
from synthgen.config.toml import dump_layers, dump_toml, load_toml

__all__ = [
    "DataConfig",
    "DistillConfig",
    "EmaConfig",
    "LossConfig",
    "NetworkConfig",
    "NoiseConfig",
    "OptimConfig",
    "RunConfig",
    "SamplingConfig",
    "TrainConfig",
    "dump_layers",
    "dump_toml",
    "environment_overrides",
    "load_toml",
    "merge",
    "parse_assignments",
    "problems",
    "resolve",
]
