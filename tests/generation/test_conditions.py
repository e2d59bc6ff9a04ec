"""Attributes of a user's file become conditions, are asked for by name, and stand in what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from synthgen.api import Attribute, Channel, Condition, Schema
from synthgen.cli import main
from synthgen.errors import RunError, UsageError
from synthgen.generation import Dataset, generate, generate_records
from synthgen.generation.plan import Plan, make_plan
from synthgen.io.condition_bank import ConditionBank
from synthgen.io.run import Run
from synthgen.training import train

TINY: dict[str, Any] = {
    "modality": "timeseries",
    "network": {"width": 8, "multipliers": [1], "blocks": 1},
    "optim": {"batch_size": 16},
    "train": {"samples": 160, "precision": "fp32", "held_out_every": 1, "sample_checks": 0},
    "sampling": {"steps": 2},
}


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long CSV: 60 series of 8 steps, state as label; the ward follows from the sex, the dose spans four decades."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        sex = "female" if number % 3 else "male"
        facts = {
            "state": "ill" if number % 2 else "well",
            "sex": sex,
            "ward": "north" if sex == "female" else "south",
            "age": 20 + number if number != 7 else None,
            "dose": float(np.round(10.0 ** rng.uniform(-2, 2), 4)),
        }
        rows += [{"id": f"p{number}", "t": step, "pulse": rng.normal(70, 9), **facts} for step in range(8)]
    path = tmp_path_factory.mktemp("patients") / "patients.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(patients: Path) -> Run:
    """Trained for a moment."""
    overrides = {**TINY, "data": {"path": str(patients), "label_column": "state"}}
    return train(overrides, out=patients.parent / "run")


def test_columns_that_never_change_within_a_series_are_attributes(run: Run) -> None:
    assert [channel.name for channel in run.schema.channels] == ["pulse"]
    by_name = {attribute.name: attribute for attribute in run.schema.attributes}
    assert sorted(by_name) == ["age", "dose", "sex", "ward"]
    assert by_name["sex"].values == ("female", "male")
    assert (by_name["age"].low, by_name["age"].high, by_name["age"].integer) == (20, 79, True)
    assert by_name["dose"].logarithmic
    assert {condition.name for condition in run.schema.conditions} == {"label", *by_name}


def test_what_is_asked_for_is_what_the_records_say(run: Run) -> None:
    asked = {"sex": "female", "age": "30..40", "dose": 0.5}
    records = generate_records(run, n=40, labels=("ill",), conditions=asked)
    assert (records["sex"] == 0).all()
    assert records["age"].min() >= 30
    assert records["age"].max() <= 40
    assert len(np.unique(records["age"])) > 4
    assert (records["dose"] == 0.5).all()
    assert (records["ward"] == 0).all()  # what is not asked for belongs to what is
    assert (records.label == run.schema.labels.index("ill")).all()


def test_what_is_not_asked_for_comes_from_one_record(run: Run) -> None:
    records = generate_records(run, n=60, seed=2)
    assert np.array_equal(records["sex"], records["ward"])
    assert {0, 1} <= set(records["sex"].tolist())


def test_a_record_does_not_depend_on_its_batch_or_place(run: Run) -> None:
    plan = make_plan(run, n=50, conditions={"age": (30, 60), "sex": ["female", "male"]}, seed=5)
    whole = run.conditions(None, seed=5, sample_ids=range(50), asked=plan.conditions)
    few = run.conditions(None, seed=5, sample_ids=[41, 3], asked=plan.conditions)
    for name, values in few.items():
        assert torch.equal(values, whole[name][[41, 3]])
    assert {0, 1} == set(whole["sex"].tolist())


def test_labels_follow_from_the_attributes_unless_they_are_asked_for() -> None:
    schema = Schema(
        "toy",
        (1, 4),
        (Channel("value"),),
        ("well", "ill"),
        conditions=(Condition("label", "class", 2), Condition("sex", "class", 2)),
        attributes=(Attribute("sex", "category", values=("f", "m")),),
    )
    bank = ConditionBank({"label": torch.tensor([0, 0, 0, 1]), "sex": torch.tensor([0, 0, 0, 1])}, schema)
    assert bank.label_frequencies({"sex": ("m",)}).tolist() == [0, 1]
    told = bank.draw(np.array([0, 0]), {"sex": ("m",)}, seed=0, sample_ids=[0, 1])
    assert told["sex"].tolist() == [1, 1]  # never seen together: asked for all the same
    with pytest.raises(RunError, match="no training records of class"):
        ConditionBank({"label": torch.tensor([0])}, schema).draw(np.array([1]), {}, seed=0, sample_ids=[0])


@pytest.mark.parametrize(
    ("wrong", "said", "hint"),
    [
        ({"sexx": "male"}, "unknown condition sexx", "Did you mean sex"),
        ({"sex": "femal"}, "sex has no value femal", "Did you mean female"),
        ({"sex": ""}, "sex is empty", "female, male"),
        ({"age": "old"}, "'old' is not a number", "age=20"),
        ({"age": 30.5}, "not a whole number", ""),
        ({"age": "60..30"}, "ends before it begins", ""),
        ({"age": (1, 2, 3)}, "a number or a range", ""),
        ({"dose": -1}, "not positive", ""),
        ({"state": "ill"}, "is the label", "--label"),
    ],
)
def test_a_wrong_wish_says_what_there_is(wrong: dict[str, Any], said: str, hint: str, run: Run) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        make_plan(run, n=4, conditions=wrong)
    assert hint in caught.value.hint


def test_runs_without_attributes_say_so(tiny_run: Run) -> None:
    with pytest.raises(UsageError, match="trained without attributes"):
        make_plan(tiny_run, n=4, conditions={"age": 3})


def test_a_number_outside_what_was_seen_is_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    plan = make_plan(run, n=2, conditions={"age": 200})
    assert plan.conditions == {"age": (200.0,)}
    assert "age=200 lies outside what training saw, 20 to 79" in caplog.text


def test_a_plan_keeps_what_was_asked_for_and_those_of_before_still_read(run: Run) -> None:
    plan = make_plan(run, n=4, conditions={"sex": "male,female", "age": "30..40"})
    assert Plan.from_json(plan.to_json()) == plan
    older = json.loads(plan.to_json())
    del older["conditions"]
    assert Plan.from_json(json.dumps(older)).conditions == {}


@pytest.mark.parametrize("form", ["parquet", "long", "csv"])
def test_attributes_are_written_and_read_back(form: str, run: Run, tmp_path: Path) -> None:
    dataset = generate(run, n=12, conditions={"age": 33}, format=form, out=tmp_path / "d")
    made = generate_records(run, n=12, conditions={"age": 33})
    opened = Dataset(dataset.path).open(run)
    back = opened.read(np.arange(12))
    for name in ("sex", "ward", "age", "dose"):
        np.testing.assert_array_equal(back[name], made[name])
    assert dataset.provenance["conditions"] == {"age": [33.0]}
    assert "Asked for: age 33." in (dataset.path / "README.md").read_text()


def test_in_memory_the_names_stand_in_the_frame(run: Run) -> None:
    frame = run.generate(n=6, conditions={"sex": "male"}).pandas()
    assert set(frame["sex"]) == {"male"}
    assert frame["age"].dtype.kind in "iuf"


def test_the_command_takes_conditions(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", "--run", str(run.path), "--n", "5", "--out", str(tmp_path / "d")]
    assert main([*command, "--condition", "sex=male", "--condition", "age=40"]) == 0
    assert "asked   sex male; age 40" in capsys.readouterr().out
    frame = pd.read_parquet(tmp_path / "d" / "data")
    assert set(frame["sex"]) == {"male"}
    assert set(frame["age"]) == {40}
    assert main([*command, "--condition", "sex=mall"]) == 2
    assert "Did you mean male" in capsys.readouterr().err


def test_inspect_shows_what_can_be_asked_for(patients: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(patients), "--modality", "timeseries", "--label-column", "state"]) == 0
    shown = capsys.readouterr().out
    assert "attribute sex: one of female, male" in shown
    assert "attribute age: whole number, 20 to 79" in shown


def test_guidance_acts_on_any_of_them(run: Run) -> None:
    guided = {"guided": ["sex", "age"]}
    first = generate_records(run, n=3, conditions={"sex": "male"}, guidance=2.0, sampling=guided)
    second = generate_records(run, n=3, conditions={"sex": "male"})
    assert not np.array_equal(first["values"], second["values"])
