"""Every configuration file in `examples/configs` is valid and says only what it changes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.config import RunConfig

CONFIGS = sorted((Path(__file__).parents[2] / "examples" / "configs").glob("*.toml"))


def test_there_are_examples() -> None:
    assert len(CONFIGS) >= 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_an_example_configuration_is_valid(run_cli: Callable[..., Any], path: Path) -> None:
    ran = run_cli("config", "validate", str(path))
    assert (ran.code, ran.stderr) == (0, "")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_an_example_configuration_changes_every_key_that_it_names(path: Path) -> None:
    layer = tomllib.loads(path.read_text(encoding="utf-8"))
    default = RunConfig(modality="").model_dump()
    for section, keys in layer.items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            assert default[section][key] != value, f"{section}.{key} is the default"
