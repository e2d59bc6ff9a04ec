"""`synthgen config`: the file that `init` writes is valid, changes nothing by itself, and every key in it works."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen import registry
from synthgen.config import resolve

MODALITIES = ("image", "timeseries", "mask", "vectors")


@pytest.mark.parametrize("modality", MODALITIES)
def test_init_writes_a_file_that_validates_and_decides_nothing(run_cli: Callable[..., Any], modality: str) -> None:
    assert run_cli("config", "init", "--modality", modality, "--out", "run.toml").code == 0
    assert run_cli("config", "validate", "run.toml").stdout == "run.toml is valid\n"
    layer = tomllib.loads(Path("run.toml").read_text(encoding="utf-8"))
    assert {key: value for key, value in layer.items() if value != {}} == {"modality": modality, "preset": "default"}


@pytest.mark.parametrize("modality", MODALITIES)
def test_uncommenting_every_key_gives_the_values_that_applied(run_cli: Callable[..., Any], modality: str) -> None:
    text = run_cli("config", "init", "--modality", modality).stdout
    everything = tomllib.loads(re.sub(r"(?m)^#(\w+ = )", r"\1", text))
    preset = registry.modality(modality).presets()["default"]
    assert resolve([everything]) == resolve([preset, {"modality": modality}])


def test_init_explains_every_key(run_cli: Callable[..., Any]) -> None:
    lines = run_cli("config", "init").stdout.splitlines()
    for position, line in enumerate(lines):
        if re.match(r"#\w+ = ", line):
            assert lines[position - 1].startswith("# "), line


def test_init_does_not_overwrite_unless_forced(run_cli: Callable[..., Any]) -> None:
    Path("run.toml").write_text("precious")
    refused = run_cli("config", "init", "--out", "run.toml")
    assert refused.code == 2
    assert "--force" in refused.stderr
    assert Path("run.toml").read_text() == "precious"
    assert run_cli("config", "init", "--out", "run.toml", "--force").code == 0


def test_show_applies_the_layers_and_prints_a_file_that_validates(
    run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_SET", "train.seed=5")
    shown = run_cli("config", "show", "--modality", "image", "--set", "optim.lr=0.25")
    assert shown.code == 0
    Path("shown.toml").write_text(shown.stdout)
    monkeypatch.delenv("SYNTHGEN_SET")
    document = run_cli("config", "validate", "shown.toml", "--json").document
    assert (document["train"]["seed"], document["optim"]["lr"]) == (5, 0.25)


def test_validate_names_the_exact_key(run_cli: Callable[..., Any]) -> None:
    Path("run.toml").write_text("modality = 'image'\n[optim]\nlearning_rate = 1\nlrr = 2\n")
    ran = run_cli("config", "validate", "run.toml")
    assert ran.code == 2
    assert "optim.l" in ran.stderr


def test_an_unknown_preset_is_answered_with_the_known_ones(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("config", "show", "--modality", "image", "--preset", "defualt")
    assert ran.code == 2
    assert "Did you mean default?" in ran.stderr
