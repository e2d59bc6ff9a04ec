"""Shares that are asked for: conditions that show them, an output that is measured, misses made anew and counted."""

from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthgen_mask.areas import AREA, areas_of, shares
from synthgen_mask.classes import MaskClass, class_table_text, classes_of, palette

from synthgen.api import Records
from synthgen.errors import UsageError
from synthgen.evaluation.material import gather
from synthgen.generation import generate, generate_records, verify
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.requiring import nearness_of
from synthgen.generation.vetting import TRIES, Reach, Reached, Tally, Verdict, select
from synthgen.generation.worker import make_records
from synthgen.io.atomic import sha256_of
from synthgen.training import train

SIZE = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on stripes: `ink` covers none, a sixth or two thirds of a record, and `speck` never more than a pixel."""
    folder = tmp_path_factory.mktemp("stripes")
    random = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(180):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[:, : (0, 2, 8)[i % 3]] = 1
        mask[-1, -1] = 2 * (i % 5 == 0)
        image = (90 * mask + random.integers(0, 20, mask.shape)).astype(np.uint8)
        for name, picture in (("images", image), ("masks", mask)):
            Image.fromarray(picture).save(folder / name / f"{i:03d}.png")
    table = [MaskClass(k, name, palette(k)) for k, name in enumerate(("ground", "ink", "speck"))]
    (folder / "classes.csv").write_text(class_table_text(table))
    choices = {
        "modality": "mask",
        "data": {"path": str(folder)},
        "network": {"width": 24, "blocks": 1},
        "train": {"samples": 8_000, "precision": "fp32", "sample_checks": 0},
        "optim": {"batch_size": 64, "lr": 3e-3},
        "sampling": {"steps": 6},
    }
    return train(choices, out=tmp_path_factory.mktemp("runs") / "run")


def _share(run, records, name):
    names = [entry.name for entry in classes_of(run.schema)]
    return shares(records["mask"], classes_of(run.schema))[:, names.index(name)]


@pytest.fixture(scope="module")
def asked(run, tmp_path_factory):
    return generate(
        run, n=24, require={"ink": 0.5}, shards=3, format="parquet", out=tmp_path_factory.mktemp("asked") / "d"
    )


def test_records_reach_the_share_that_was_asked_and_say_so(run, asked):
    records = asked.open(run).read(np.arange(24))
    share = _share(run, records, "ink")
    told = asked.provenance["require"]
    assert told["shares"] == {"ink": 0.5}
    assert told["tries"] == TRIES
    assert told["reached"] == (share >= 0.5).sum() >= 22
    table = pd.read_parquet(asked.path / "data").sort_values("sample_id", key=lambda ids: ids % 24)
    assert [row["ink"] for row in table["requested_shares"]] == [0.5] * 24
    np.testing.assert_allclose([row["ink"] for row in table["achieved_shares"]], share, rtol=1e-5)
    first = generate_records(run, n=24, require=None)
    assert (_share(run, first, "ink") >= 0.5).mean() < 0.6  # without asking
    sentence = f"Asked share (ink 50 %) reached on {told['reached']} of 24 records (first draw: {told['first']};"
    assert sentence in (asked.path / "README.md").read_text()
    notes = gather(run, asked.path, real=None).notes
    assert sum(sentence[1:] in note for note in notes) == 1
    drawn = (shares(records["mask"], classes_of(run.schema)) > 0).any(axis=0)
    never = [entry.name for entry, seen in zip(classes_of(run.schema), drawn, strict=True) if not seen]
    assert [note for note in notes if "no synthetic record shows" in note] == (
        [f"no synthetic record shows {', '.join(never)}"] if never else []
    )


def test_first_draws_alone_already_follow_the_condition(run):
    plan = make_plan(run, n=60, require={"ink": 0.5})
    assert (_share(run, make_records(run, plan, range(60)), "ink") >= 0.5).mean() > 0.6


def test_the_data_set_is_a_function_of_its_plan_whatever_the_shards_and_can_be_made_again(run, asked, tmp_path):
    whole = generate(run, n=24, require={"ink": 0.5}, shards=1, format="parquet", out=tmp_path / "whole")
    assert whole.provenance["require"] == asked.provenance["require"]
    ids = [pd.read_parquet(dataset.path / "data")["sample_id"].tolist() for dataset in (whole, asked)]
    assert ids[0] == ids[1]
    lost = next((asked.path / "data").glob("*00001*"))
    before = sha256_of(lost)
    lost.unlink()
    assert verify(asked.path, repair=True).faults == ()
    assert sha256_of(lost) == before


def test_an_interrupted_run_ends_with_the_same_counts(run, asked, tmp_path):
    class InterruptedError(Exception):
        pass

    def stop(event):
        if event["records"] >= 10:
            raise InterruptedError

    again = {"n": 24, "require": {"ink": 0.5}, "shards": 3, "format": "parquet", "out": tmp_path / "d"}
    with pytest.raises(InterruptedError):
        generate(run, progress=stop, **again)
    assert generate(run, **again).provenance["require"] == asked.provenance["require"]


def test_what_no_training_record_shows_is_said_and_the_nearest_try_stays(run, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = generate(run, n=3, require={"speck": 0.9}, out=tmp_path / "d")
    assert "no training record reaches speck 90 %" in caplog.text
    assert dataset.provenance["require"]["reached"] == 0
    assert dataset.provenance["require"]["redrawn"] == {"speck": 3 * (TRIES - 1)}
    rows = [json.loads(line) for line in (tmp_path / "d" / "metadata.jsonl").read_text().splitlines()]
    assert [row["sample_id"] % 3 for row in rows] == [0, 1, 2]
    plan = make_plan(run, n=3, require={"speck": 0.9})
    for place, row in enumerate(rows):
        tries = _share(run, make_records(run, plan, [place + 3 * turn for turn in range(TRIES)]), "speck")
        assert row["achieved_shares"]["speck"] == pytest.approx(tries.max(), rel=1e-5)


def test_conditions_are_rows_that_reach_it_or_come_nearest(run):
    bank = areas_of(run.condition_rows[AREA]).numpy()
    drawn = run.conditions(None, seed=0, sample_ids=range(50), nearness=nearness_of(run, {"ink": 0.5}))
    assert (areas_of(drawn[AREA])[:, 1] > 0.4).all()
    nearest = run.conditions(None, seed=0, sample_ids=range(50), nearness=bank[:, 2] / 0.9)
    assert set(areas_of(nearest[AREA])[:, 2].tolist()) == {bank[:, 2].max()}


def test_the_plan_holds_what_was_asked_and_older_plans_still_open(run):
    plan = make_plan(run, n=8, require={"1": 0.3})
    assert plan.require == {"ink": 0.3}  # named by id
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.places([3, 11]) == [3, 3]
    plain = make_plan(run, n=8)
    assert "require" not in json.loads(plain.to_json())
    assert Tally.from_json('{"judged": 2, "inconsistent": {}, "not_best": {}}').required == Reached()


@pytest.mark.parametrize(
    ("require", "message"),
    [
        ({"ing": 0.2}, "unknown pixel class ing"),
        ({"ink": 0}, "a share lies above 0"),
        ({"ink": 2}, "a share lies above 0"),
        ({"ink": 0.7, "ground": 0.6}, r"add up to 1\.3"),
    ],
)
def test_impossible_shares_are_refused(run, require, message):
    with pytest.raises(UsageError, match=message):
        make_plan(run, n=8, require=require)


def test_shares_are_asked_of_masks_alone_and_not_of_given_records(tiny_run, run):
    with pytest.raises(UsageError, match="image records have none"):
        make_plan(tiny_run, n=8, require={"cat": 0.1})
    with pytest.raises(UsageError, match="drawn whole"):
        make_plan(run, n=8, require={"ink": 0.1}, given=run.config.data.path)


class Nearness:
    """Reaches where the value is 0.9; a judge finds values under 0.2 inconsistent."""

    def verdict(self, records):
        value = records["value"]
        none = np.zeros(len(value), bool)
        about = np.full(len(value), "x", dtype=object)
        return Verdict({"v": value}, value < 0.2, none, ["all"] * len(value), Reach(value / 0.9, about))


def test_each_place_keeps_its_first_candidate_that_reaches_else_the_best_consistent_one_of_ten():
    def value(i):
        return np.random.default_rng(int(i)).random()

    n = 80
    made = select(lambda ids: Records({"value": np.array([value(i) for i in ids])}), range(n), n, Nearness())
    tries = np.array([[value(place + turn * n) for turn in range(TRIES)] for place in range(n)])
    expected = [row[row >= 0.9][0] if (row >= 0.9).any() else row.max() for row in tries]
    assert made.records["value"].tolist() == expected
    assert made.tally.required.first == (tries[:, 0] >= 0.9).sum()
    assert made.tally.required.reached == sum(v >= 0.9 for v in expected) < n
    before = [row[: np.argmax(row >= 0.9)] if (row >= 0.9).any() else row[: TRIES - 1] for row in tries]
    assert made.tally.required.redrawn == {"x": sum(((row >= 0.2) & (row < 0.9)).sum() for row in before)}
