"""Configuration: order of the layers, exact error paths, files that round-trip."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.cli.user_layers import from_flags, user_layers
from synthgen.config import (
    RunConfig,
    dump_toml,
    environment_overrides,
    load_toml,
    merge,
    parse_assignments,
    resolve,
)
from synthgen.errors import ConfigError

IMAGE = {"modality": "image"}


def test_later_layers_win_key_by_key() -> None:
    config = resolve([IMAGE, {"optim": {"lr": 0.1, "clip": 2.0}}, {"optim": {"lr": 0.2}}])
    assert (config.optim.lr, config.optim.clip, config.optim.batch_size) == (
        0.2,
        2.0,
        RunConfig(**IMAGE).optim.batch_size,
    )


def test_a_flag_beats_set_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.toml"
    file.write_text("modality = 'image'\n[train]\nseed = 1\nsamples = 1\nminutes = 1.0\nthreads = 1\n")
    monkeypatch.setenv("SYNTHGEN_SET", "train.seed=2; train.samples=2; train.minutes=2")
    layers = user_layers(file, ["train.seed=3", "train.samples=3"], {"train.seed": 4, "train.threads": None})
    assert layers["train"] == {"seed": 4, "samples": 3, "minutes": 2, "threads": 1}


def test_flags_that_were_not_given_leave_no_trace() -> None:
    assert from_flags({"data.window": None, "preset": None}) == {}
    assert from_flags({"data.window": 8, "data.stride": 0, "preset": "small"}) == {
        "data": {"window": 8, "stride": 0},
        "preset": "small",
    }


def test_merge_changes_nothing_in_place() -> None:
    base = {"optim": {"lr": 1}}
    assert merge(base, {"optim": {"lr": 2}}) == {"optim": {"lr": 2}}
    assert base == {"optim": {"lr": 1}}


@pytest.mark.parametrize(
    ("layer", "path", "suggestion"),
    [
        ({"optim": {"lrr": 1}}, "optim.lrr", "optim.lr"),
        ({"trian": {}}, "trian", "train"),
        ({"sampling": {"guidence": 2}}, "sampling.guidence", "sampling.guidance"),
        ({"network": {"widht": 8}}, "network.widht", "network.width"),
    ],
)
def test_a_typo_is_named_with_its_path_and_a_suggestion(layer: dict[str, object], path: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([IMAGE, layer])
    assert caught.value.message == f"unknown configuration key {path}"
    assert caught.value.hint == f"Did you mean {suggestion}?"


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ({"optim": {"lr": 0}}, "optim.lr"),
        ({"optim": {"lr": "fast"}}, "optim.lr"),
        ({"sampling": {"order": 4}}, "sampling.order"),
        ({"noise": {"parameterisation": "score"}}, "noise.parameterisation"),
        ({"data": {"holdout": 1.5}}, "data.holdout"),
        ({"optim": {"betas": [1.5, 0.9]}}, "optim.betas.0"),
        ({"ema": {"widths": []}}, "ema.widths"),
        ({"ema": {"widths": [-0.1]}}, "ema.widths.0"),
        ({"sampling": {"guidance_interval": [1.6, 0.2]}}, "sampling.guidance_interval"),
        ({"sampling": {"churn_interval": [-1, 2]}}, "sampling.churn_interval"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_path(layer: dict[str, object], path: str) -> None:
    with pytest.raises(ConfigError, match=f"configuration key {path}: "):
        resolve([IMAGE, layer])


def test_no_modality_is_an_error() -> None:
    with pytest.raises(ConfigError, match="modality"):
        resolve([{}])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-4", 5e-4),
        ("3", 3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"a b"', "a b"),
        ("dit", "dit"),
        ("no", "no"),
        ("/data/a=b.csv", "/data/a=b.csv"),
        ("", ""),
    ],
)
def test_assigned_values_are_toml_or_plain_words(text: str, value: object) -> None:
    assert parse_assignments([f"a.b={text}"]) == {"a": {"b": value}}


def test_an_assignment_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected section\.key=value"):
        parse_assignments(["optim.lr"])


def test_the_environment_may_set_several_keys() -> None:
    assert environment_overrides({"SYNTHGEN_SET": "train.seed=3; optim.lr=1e-3;"}) == {
        "train": {"seed": 3},
        "optim": {"lr": 1e-3},
    }
    assert environment_overrides({}) == {}


def test_broken_toml_is_named_with_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[optim]\nlr = = 3\n")
    with pytest.raises(ConfigError, match=r"run\.toml is not a readable TOML file.*line 2, column 6"):
        load_toml(file)


@given(
    lr=st.floats(1e-8, 10),
    path=st.text(st.characters(blacklist_categories=["Cs"]), max_size=20),
    multipliers=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    label=st.none() | st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
)
def test_every_configuration_survives_its_own_file(
    lr: float, path: str, multipliers: list[int], label: str | None
) -> None:
    config = resolve(
        [
            IMAGE,
            {
                "optim": {"lr": lr},
                "data": {"path": path, "label_column": label},
                "network": {"multipliers": multipliers},
            },
        ]
    )
    for comments in (False, True):
        assert resolve([tomllib.loads(dump_toml(config, comments=comments))]) == config
