"""`cite`: the papers behind a run, behind a data set that was made with it, and all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen import Given
from synthgen.api import Condition
from synthgen.cli.citations import TECHNIQUES, shown_by, used_by
from synthgen.generation import generate
from synthgen.generation.plan import make_plan
from synthgen.generation.vetting import Vetting
from synthgen.io.run import Run


def keys(ran: Any) -> set[str]:
    assert ran.code == 0, ran.stderr
    return {reference["key"] for reference in ran.document["references"]}


def cited(run: Run) -> set[str]:
    return {technique.key for technique in used_by(run.config, shown_by(run))}


@pytest.fixture
def archive(tiny_run: Run) -> Path:
    digits = tiny_run.source().read(tiny_run.split.holdout[:3])
    np.savez("three.npz", X=digits["image"], y=digits.label)
    return Path("three.npz")


def test_a_data_set_is_cited_with_what_was_chosen_when_it_was_made(
    run_cli: Callable[..., Any], tiny_run: Run, archive: Path
) -> None:
    run = str(tiny_run.path)
    sampling = {"rescale": 0.5, "guidance": 2.0}
    generate(tiny_run, given=Given(archive, 0.5), sampler="ancestral", steps=4, sampling=sampling, out="varied")
    plain, varied = keys(run_cli("cite", "--run", run, "--json")), keys(run_cli("cite", "--data", "varied", "--json"))
    assert varied - plain == {"meng2022sdedit", "ho2020ddpm", "lin2024flawed"}
    assert plain - varied == {"lu2022dpmpp", "zhao2023unipc"}  # the run's default sampler, which was not used
    assert run_cli("cite", "--data", "varied", "--json").document["run"] == run


@pytest.mark.parametrize(
    ("options", "behind"),
    [
        ({"given": Given("three.npz", regions="box")}, {"rozet2024mmps", "song2023pigdm"}),
        ({"given": Given("three.npz", regions="box"), "sampler": "repaint"}, {"lugmayr2022repaint"}),
        ({"n": 3, "vetting": Vetting(drop_inconsistent=True)}, {"yang2023freemask"}),
    ],
    ids=["inpainted", "replaced", "vetted"],
)
def test_how_given_records_and_judges_were_used_stands_in_the_plan(
    run_cli: Callable[..., Any], tiny_run: Run, archive: Path, options: dict[str, Any], behind: set[str]
) -> None:
    Path("made").mkdir()
    Path("made/plan.json").write_text(make_plan(tiny_run, **{"n": None, **options}).to_json())
    plain = keys(run_cli("cite", "--run", str(tiny_run.path), "--json"))
    assert behind == (keys(run_cli("cite", "--data", "made", "--json")) - plain)


def test_dense_conditions_and_rehearsal_are_seen_in_the_run(tiny_run: Run) -> None:
    def like(**changes: Any) -> set[str]:
        parts = {"facts": tiny_run.facts, "config": tiny_run.config, "schema": tiny_run.schema, **changes}
        return cited(Run(tiny_run.path, split=tiny_run.split, **parts)) - cited(tiny_run)

    aligned = (*tiny_run.schema.conditions, Condition("map", "dense", 1))
    assert like(schema=dataclasses.replace(tiny_run.schema, conditions=aligned)) == {"saharia2022palette"}
    continued = {**tiny_run.facts, "continued": {}}
    assert like(facts=continued) == {"rolnick2019replay", "zajac2023continual"}
    assert like(facts={**tiny_run.facts, "init": {"run": "runs/old"}}) == {"yosinski2014transfer"}
    none = tiny_run.config.train.model_copy(update={"rehearsal": 0.0})
    assert like(facts=continued, config=tiny_run.config.model_copy(update={"train": none})) == set()


def test_all_is_every_reference(run_cli: Callable[..., Any]) -> None:
    assert keys(run_cli("cite", "--all", "--json")) == {technique.key for technique in TECHNIQUES}
    refused = run_cli("cite", "--all", "--run", "runs/x")
    assert refused.code != 0
    assert "--all is every reference" in refused.stderr


def test_a_run_that_did_not_make_the_data_set_is_refused(run_cli: Callable[..., Any], tiny_run: Run) -> None:
    plan = dataclasses.replace(make_plan(tiny_run, n=3), model="0" * 64)
    Path("made").mkdir()
    Path("made/plan.json").write_text(plan.to_json())
    refused = run_cli("cite", "--data", "made")
    assert refused.code != 0
    assert "did not make made" in refused.stderr
    assert "nowhere is not a data set of synthgen" in run_cli("cite", "--data", "nowhere").stderr
