"""Every choice has a technique, every technique a section, a source and a way to choose it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from synthgen import registry
from synthgen.cli.citations import TECHNIQUES
from synthgen.cli.citations_evaluation import EVALUATION
from synthgen.cli.techniques import OFFERED
from synthgen.config import LossConfig, NoiseConfig, OptimConfig, SamplingConfig, parse_assignments, resolve

PAGE = (Path(__file__).parents[1] / "docs" / "techniques.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.+)\n\n((?:(?!^#).*\n?)*)", PAGE, re.M))
SETTINGS = {offered.setting for offered in OFFERED}


def test_the_page_has_one_section_for_each_technique_and_no_other():
    assert list(SECTIONS) == [offered.name for offered in OFFERED]


@pytest.mark.parametrize("offered", OFFERED, ids=lambda offered: offered.name)
def test_each_section_says_how_it_is_chosen(offered):
    said = SECTIONS[offered.name]
    assert offered.setting in said or offered.setting == "always on"


@pytest.mark.parametrize("offered", OFFERED, ids=lambda offered: offered.name)
def test_each_technique_has_a_source_that_can_be_cited(offered):
    known = {paper.key for paper in TECHNIQUES}
    assert offered.sources
    assert set(offered.sources) <= known
    assert offered.summary


def test_no_reference_stands_unused():
    """Papers behind the report, the judges, the scores and the seeds are no techniques of training or sampling."""
    elsewhere = {paper.key for paper in EVALUATION} | {"salmon2011philox"}
    cited = {key for offered in OFFERED for key in offered.sources}
    assert {paper.key for paper in TECHNIQUES} - cited <= elsewhere


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (NoiseConfig, "noise.parameterisation"),
        (NoiseConfig, "noise.density"),
        (LossConfig, "loss.weight"),
        (SamplingConfig, "sampling.grid"),
        (OptimConfig, "optim.name"),
        (OptimConfig, "optim.schedule"),
    ],
)
def test_every_value_of_a_choice_is_a_technique(section, key):
    values = get_args(section.model_fields[key.partition(".")[2]].annotation)
    assert values
    assert {f"{key}={value}" for value in values} <= SETTINGS


def test_every_sampler_and_network_of_the_core_is_a_technique():
    for kind, key in (("samplers", "sampling.sampler"), ("networks", "network.name")):
        ours = [record.spec.name for record in registry.specs(kind) if record.plugin == "synthgen"]
        assert ours
        assert {f"{key}={name}" for name in ours} <= SETTINGS


@pytest.mark.parametrize("setting", sorted(s for s in SETTINGS if re.match(r"^[a-z]+\.[a-z_]+=", s)))
def test_every_setting_is_one_that_the_configuration_takes(setting):
    resolve([{"modality": "image"}, parse_assignments([setting])])


def test_techniques_are_listed_with_setting_and_source(capsys):
    from synthgen.cli import main

    assert main(["list", "techniques"]) == 0
    text = capsys.readouterr().out
    for offered in OFFERED:
        assert offered.name in text
    assert "Hang et al" in text
