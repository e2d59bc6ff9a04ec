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


def test_init_for_data_gives_the_values_that_training_would_use_with_the_reason(run_cli: Callable[..., Any]) -> None:
    from synthgen.training.prepare import prepare

    text = run_cli("config", "init", "--modality", "image", "--data", "digits").stdout
    everything = tomllib.loads(re.sub(r"(?m)^#(\w+ = )", r"\1", text))
    assert resolve([everything]) == prepare({"modality": "image", "data": {"path": "digits"}}).config
    assert re.search(r"# here: .*1,\d+ training records.*\(default: 0\.1\)\n#dropout = ", text)
    assert re.search(r"# here: the largest distance .* \(default: unset\)\n#sigma_max = ", text)


def test_init_for_data_trains_on_that_data_as_it_stands(run_cli: Callable[..., Any]) -> None:
    assert run_cli("config", "init", "--modality", "image", "--data", "digits", "--out", "run.toml").code == 0
    assert run_cli("config", "validate", "run.toml").code == 0
    layer = tomllib.loads(Path("run.toml").read_text(encoding="utf-8"))
    said = {key: value for key, value in layer.items() if value != {}}
    assert said == {"modality": "image", "preset": "default", "data": {"path": "digits"}}


def test_validate_lists_every_fault_with_its_line_and_what_was_meant(run_cli: Callable[..., Any]) -> None:
    Path("run.toml").write_text(
        "modality = 'image'\n\n[train]\nlr = 0.1\nseed = -1\n\n"
        "[noise]\nparameterisation = 'epsilom'\n\n[netwrk]\nwidth = 9\n"
    )
    ran = run_cli("config", "validate", "run.toml")
    assert ran.code == 2
    assert "4 faults" in ran.stderr
    assert "run.toml:4: unknown configuration key train.lr. Did you mean optim.lr?" in ran.stderr
    assert "run.toml:5: configuration key train.seed: " in ran.stderr
    assert re.search(r"run\.toml:8: configuration key noise\.parameterisation: .*Did you mean epsilon\?", ran.stderr)
    assert "run.toml:10: unknown configuration key netwrk. Did you mean network?" in ran.stderr


@pytest.mark.parametrize(
    ("section", "line", "meant"),
    [
        ("[network]\nname = 'unte'\n", 3, "unet"),
        ("[sampling]\nsampler = 'huen'\n", 3, "heun"),
        ("preset = 'defualt'\n", 2, "default"),
    ],
)
def test_validate_knows_what_plugins_provide(run_cli: Callable[..., Any], section: str, line: int, meant: str) -> None:
    Path("run.toml").write_text(f"modality = 'image'\n{section}")
    ran = run_cli("config", "validate", "run.toml")
    assert ran.code == 2
    assert f"run.toml:{line}: " in ran.stderr
    assert f"Did you mean {meant}?" in ran.stderr


def test_explain_says_where_each_choice_comes_from_and_trains_nothing(run_cli: Callable[..., Any]) -> None:
    arguments = ["train", "--modality", "image", "--samples", "1000", "--set", "network.width=16", "--explain"]
    document = run_cli(*arguments, "--json").document
    origins = {choice["key"]: choice["origin"] for choice in document["choices"]}
    assert (origins["network.width"], origins["train.samples"]) == ("user", "user")
    assert origins["noise.sigma_max"] == "measured"
    assert origins["loss.weight"] == "default"
    assert "data" in origins.values()
    reasons = {choice["key"]: choice["reason"] for choice in document["choices"] if choice["origin"] == "data"}
    assert all(reasons.values())
    assert document["estimated_seconds"] > 0
    assert document["labels"] == [str(digit) for digit in range(10)]
    assert not Path("runs").exists()
    text = run_cli(*arguments).stdout
    assert "the largest distance between two encoded training records" in text
    assert re.search(r"time +about \d+", text)
