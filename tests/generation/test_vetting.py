"""Candidates that an independent judge rejects are replaced: every place is filled, counted, and found again."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthgen_mask.judge import SegmentationJudge

from synthgen.api import AgreementJudge, Records
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DatasetError, UsageError
from synthgen.generation import generate, generate_records, verify
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.vetting import Tally, Verdict, Vetting, select
from synthgen.io.atomic import sha256_of
from synthgen.training import train


class Threshold:
    """Keeps records whose value is at least so large."""

    def __init__(self, least: float) -> None:
        self._least = least

    def verdict(self, records: Records) -> Verdict:
        value = records["value"]
        none = np.zeros(len(value), bool)
        return Verdict(
            {"consistency": value}, value < self._least, none, ["odd" if v else "even" for v in records.label]
        )


def _make(ids):
    """Value and parity of id i, from i alone."""
    value = np.array([np.random.default_rng(int(i)).random() for i in ids])
    return Records({"value": value}, np.array(ids, np.int64) % 2)


def test_each_place_goes_to_its_first_candidate_that_passes_whatever_the_shard():
    n = 60
    whole = select(_make, range(n), n, Threshold(0.7))
    assert (whole.ids % n).tolist() == list(range(n))
    for place, identity in enumerate(whole.ids):
        tries = [place + turn * n for turn in range(identity // n + 1)]
        assert [bool(_make([i])["value"][0] >= 0.7) for i in tries] == [False] * (len(tries) - 1) + [True]
    parts = [select(_make, range(start, start + 20), n, Threshold(0.7)) for start in (0, 20, 40)]
    assert np.concatenate([part.ids for part in parts]).tolist() == whole.ids.tolist()
    assert sum((part.tally for part in parts), Tally()) == whole.tally
    assert whole.tally.judged - whole.tally.dropped == n
    assert whole.records["value"].min() >= 0.7
    assert whole.columns["consistency"].tolist() == whole.records["value"].tolist()
    assert whole.tally.inconsistent["odd"] == sum(
        i // n for i in whole.ids if i % 2
    )  # n is even: parity is the place's


def test_a_standard_that_nothing_meets_is_a_plain_error_and_does_not_run_on():
    made = []
    with pytest.raises(DatasetError, match=r"were dropped, and 50 places are still empty; dropped by class: even"):
        select(lambda ids: made.extend(ids) or _make(ids), range(50), 50, Threshold(2.0))
    assert len(made) <= 200


def test_one_class_that_never_passes_is_hopeless_while_the_others_do():
    class OddFails(Threshold):
        def verdict(self, records):
            found = super().verdict(records)
            return Verdict(found.columns, records.label == 1, found.not_best, found.about)

    made = []
    with pytest.raises(DatasetError, match=r"20 places are still empty; dropped by class: odd"):
        select(lambda ids: made.extend(ids) or _make(ids), range(40), 40, OddFails(0.0))
    assert len(made) <= 20 + 120


def test_the_plan_holds_what_was_asked_and_older_plans_still_open(tiny_run):
    plan = make_plan(tiny_run, n=8, vetting=Vetting(True, 0.5))
    assert Plan.from_json(plan.to_json()) == plan
    plain = make_plan(tiny_run, n=8)
    assert "vetting" not in json.loads(plain.to_json())
    assert plan.places([3, 11, 19]) == [3, 3, 3]
    with pytest.raises(UsageError, match=r"keep_best is 1\.5"):
        Vetting(keep_best=1.5)


TINY = {"network": {"width": 16, "blocks": 1}, "train": {"samples": 640, "precision": "fp32"}, "sampling": {"steps": 4}}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run on labelled vectors that has learnt enough for most of its records to pass; a second of training."""
    choices = {"modality": "vectors", **TINY, "train": {"samples": 30_000, "precision": "fp32"}}
    choices["network"] = {"width": 64}
    return train(choices, out=tmp_path_factory.mktemp("runs") / "vectors")


@pytest.fixture(scope="module")
def vetted(learnt, tmp_path_factory):
    """Its records, the inconsistent ones replaced."""
    out = tmp_path_factory.mktemp("vetted") / "d"
    return generate(learnt, n=200, labels=(), shards=4, drop_inconsistent=True, out=out)


def test_records_are_replaced_until_the_labels_are_as_asked(vetted, learnt):
    table = pd.read_parquet(vetted.path / "data")
    classes = len(learnt.schema.labels)
    assert (table["sample_id"] % 200).tolist() == list(range(200))
    assert table["label"].tolist() == [i % classes for i in range(200)]
    told = vetted.provenance["vetting"]
    assert told["dropped"] == sum(i // 200 for i in table["sample_id"]) > 0
    assert told["judged"] == 200 + told["dropped"]
    assert sum(told["inconsistent"].values()) == told["dropped"]
    lowest = np.array(told["standard"]["lowest"])
    assert (table["consistency"] >= lowest[table["label"]] - 1e-6).all()
    assert f"dropped {told['dropped']} of {told['judged']} candidates" in (vetted.path / "README.md").read_text()
    rest = generate_records(learnt, n=200, labels=())
    first = vetted.open(learnt).read(np.arange(200))["values"]
    untouched = (table["sample_id"] < 200).to_numpy()
    np.testing.assert_allclose(first[untouched], rest["values"][untouched], rtol=1e-3, atol=1e-3)


def test_the_nearest_training_record_is_named_by_its_place_in_the_data(vetted, learnt):
    table = pd.read_parquet(vetted.path / "data")
    source, modality = learnt.source(), learnt.modality
    assert set(table["nearest_id"]) <= set(learnt.split.train.tolist())
    records = vetted.open(learnt).read(np.arange(3))
    near = source.read(table["nearest_id"].to_numpy()[:3])
    flat = [modality.flatten(side, learnt.schema).astype(float) for side in (records, near)]
    np.testing.assert_allclose(np.linalg.norm(flat[0] - flat[1], axis=1), table["nearest_distance"][:3], rtol=1e-3)


def test_an_interrupted_run_and_a_repair_give_the_same_records(vetted, learnt, tmp_path):
    def digests(path):
        return {p.name: sha256_of(p) for p in sorted(path.rglob("*.parquet"))}

    class InterruptedError(Exception):
        pass

    def stop(event):
        if event["records"] >= 70:
            raise InterruptedError

    again = {"n": 200, "labels": (), "shards": 4, "drop_inconsistent": True, "out": tmp_path / "d"}
    with pytest.raises(InterruptedError):
        generate(learnt, progress=stop, **again)
    assert generate(learnt, **again).provenance["vetting"] == vetted.provenance["vetting"]
    assert digests(tmp_path / "d") == digests(vetted.path)
    next((tmp_path / "d" / "data").glob("*00002*")).unlink()
    assert verify(tmp_path / "d", repair=True).faults == ()


def test_the_best_share_is_kept_class_by_class(learnt, tmp_path):
    every = generate(learnt, n=120, labels=(), check=True, out=tmp_path / "every")
    best = generate(learnt, n=120, labels=(), keep_best=0.4, out=tmp_path / "best")
    tables = [pd.read_parquet(dataset.path / "data") for dataset in (every, best)]
    assert tables[0]["label"].tolist() == tables[1]["label"].tolist()
    means = [table.groupby("label")["consistency"].mean() for table in tables]
    assert (means[1] > means[0]).all()
    told = best.provenance["vetting"]
    assert 0.25 < 120 / told["judged"] < 0.6
    assert told["inconsistent"] == {}


def test_checking_alone_drops_nothing(learnt, tmp_path):
    dataset = generate(learnt, n=12, check=True, out=tmp_path / "d")
    table = pd.read_parquet(tmp_path / "d" / "data")
    assert table["sample_id"].tolist() == list(range(12))
    assert table["consistency"].between(0, 1).all()
    assert dataset.provenance["vetting"]["dropped"] == 0


def test_a_model_that_has_not_learnt_is_refused_plainly(tiny_run, tmp_path):
    with pytest.raises(DatasetError, match="places are still empty") as caught:
        generate(tiny_run, n=30, drop_inconsistent=True, out=tmp_path / "d")
    assert "Train the model longer" in caught.value.hint


@pytest.mark.parametrize("modality", ["image", "timeseries", "mask"])
def test_every_modality_is_vetted_by_the_same_mechanism(modality, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(SegmentationJudge.__init__.__kwdefaults__, "steps", 30)
    run = tiny_run if modality == "image" else train({"modality": modality, **TINY}, out=tmp_path / "run")
    judge = run.modality.judge(run.schema, seed=0)
    assert isinstance(judge, AgreementJudge)
    dataset = generate(run, n=8, keep_best=0.5, out=tmp_path / "d")
    told = dataset.provenance["vetting"]
    assert told["judged"] == 8 + told["dropped"]
    assert set(told["not_best"]) <= {*run.schema.labels}


def test_records_without_labels_cannot_be_vetted(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, X=np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
    source = open_source("vectors", DataConfig(path=str(path)))
    assert source.labels is None
    run = train({"modality": "vectors", **TINY}, data=path, out=tmp_path / "run")
    with pytest.raises(UsageError, match="no label or mask"):
        generate(run, n=4, drop_inconsistent=True, out=tmp_path / "d")
    assert not (tmp_path / "d").exists()
