"""Generation: the plan decides every byte, and nothing is lost or written twice."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from synthgen.cli.generate import describe_dataset, summarise_dataset
from synthgen.errors import DatasetError, StorageError, UsageError
from synthgen.generation import Dataset, augment, generate, generate_records
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.worker import make_records
from synthgen.io.atomic import sha256_of
from synthgen.training import train


def digests(path):
    return {p.name: sha256_of(p) for p in sorted(path.rglob("*.parquet"))}


def test_a_record_is_the_same_whatever_its_batch_shard_or_neighbours(tiny_run):
    whole = generate_records(tiny_run, n=40, labels=(), seed=3)
    plan = make_plan(tiny_run, n=400, labels=(), seed=3)
    few = make_records(tiny_run, plan, [7, 33])
    assert few.label.tolist() == whole.label[[7, 33]].tolist()
    difference = few["image"].astype(int) - whole["image"][[7, 33]].astype(int)
    assert np.abs(difference).max() <= 1  # one grey level: float sums differ by batch shape in the last bit


def test_another_seed_gives_other_records(tiny_run):
    first, second = (generate_records(tiny_run, n=8, seed=seed)["image"] for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("sampler", ["multistep", "ddim", "heun", "ancestral"])
def test_every_sampler_makes_records(sampler, tiny_run):
    assert generate_records(tiny_run, n=4, sampler=sampler, steps=5, guidance=1.5)["image"].shape == (4, 8, 8, 1)


def test_bare_labels_come_equally_names_are_kept_and_frequencies_are_followed(tiny_run):
    names = tiny_run.schema.labels
    equal = make_plan(tiny_run, n=25, labels=()).label_counts(names)
    assert set(equal.values()) == {2, 3}
    assert make_plan(tiny_run, n=10, labels=("3", "7")).label_counts(names) == {"3": 5, "7": 5}
    assert make_plan(tiny_run, n=None, counts={"1": 3, "4": 2}).label_counts(names) == {"1": 3, "4": 2}
    plan = make_plan(tiny_run, n=3000)
    drawn = np.bincount(plan.label_ids(names, range(3000)), minlength=10)
    assert stats.chisquare(drawn, 3000 * tiny_run.label_frequencies()).pvalue > 1e-3


def test_balance_overrides_how_the_chosen_classes_come(tiny_run):
    assert make_plan(tiny_run, n=20, labels=(), balance=False).labels.mode == "frequencies"
    assert make_plan(tiny_run, n=20, balance=True).labels.mode == "equal"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": -5}, "n is -5"),
        ({"n": 4, "labels": ("77",)}, "unknown label 77"),
        ({"n": 4, "steps": 0}, "steps is 0"),
        ({"n": 4, "guidance": -1}, "must not be negative"),
        ({"n": 4, "sampler": "huen"}, "huen"),
        ({"n": 4, "format": "parket"}, "parket"),
        ({"n": 4, "counts": {"1": 3}}, "add up to 3"),
        ({"n": 4, "shards": 0}, "shards is 0"),
    ],
)
def test_an_impossible_request_is_one_sentence_and_writes_nothing(wrong, said, tiny_run, tmp_path):
    with pytest.raises(UsageError, match=said):
        generate(tiny_run, out=tmp_path / "d", **wrong)
    assert not (tmp_path / "d").exists()


def test_a_data_set_is_whole_described_and_opens_again(tiny_run, tmp_path):
    dataset = generate(tiny_run, n=30, labels=(), shards=3, out=tmp_path / "d")
    table = pd.read_parquet(tmp_path / "d" / "data")
    assert table["sample_id"].tolist() == list(range(30))
    assert Counter(table["label_name"]) == {name: 3 for name in "0123456789"}
    assert {"seed", "guidance"} <= set(table.columns)
    for row in dataset.manifest:
        assert sha256_of(tmp_path / "d" / row["path"]) == row["sha256"]
    listed = {row["path"] for row in dataset.manifest} | {"manifest.json", "provenance.json"}
    found = {str(p.relative_to(tmp_path / "d")) for p in (tmp_path / "d").rglob("*") if p.is_file()}
    assert found == listed
    assert dataset.provenance["model"] == tiny_run.fingerprint
    again = dataset.open(tiny_run)
    assert again.labels.tolist() == [i % 10 for i in range(30)]
    records = generate_records(tiny_run, n=30, labels=())
    np.testing.assert_array_equal(again.read(np.arange(30))["image"], records["image"])
    assert json.loads((tmp_path / "d" / "croissant.json").read_text())["@type"] == "Dataset"


def test_the_same_call_again_completes_what_is_missing_and_changes_nothing(tiny_run, tmp_path):
    generate(tiny_run, n=30, shards=3, out=tmp_path / "whole")
    expected = digests(tmp_path / "whole")
    generate(tiny_run, n=30, shards=3, out=tmp_path / "again")
    stamp = (tmp_path / "again" / "provenance.json").stat().st_mtime_ns
    generate(tiny_run, n=30, shards=3, out=tmp_path / "again")
    assert (tmp_path / "again" / "provenance.json").stat().st_mtime_ns == stamp
    assert digests(tmp_path / "again") == expected


def test_a_killed_generation_is_completed_to_the_same_bytes(tiny_run, tmp_path):
    generate(tiny_run, n=60, shards=12, out=tmp_path / "whole")
    out = tmp_path / "killed"
    code = (
        f"from synthgen.generation import generate;generate({str(tiny_run.path)!r}, n=60, shards=12, out={str(out)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while not list(out.glob("data/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    generate(tiny_run, n=60, shards=12, out=out)
    assert digests(out) == digests(tmp_path / "whole")
    assert not list(out.rglob(".tmp-*"))


def test_two_processes_write_the_bytes_of_one(tiny_run, tmp_path):
    one = generate(tiny_run, n=20, shards=2, out=tmp_path / "one")
    two = generate(tiny_run, n=20, shards=2, workers=2, out=tmp_path / "two")
    first, second = (d.open(tiny_run).read(np.arange(20))["image"].astype(int) for d in (one, two))
    assert np.abs(first - second).max() <= 1


def test_torchrun_ranks_share_the_shards(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    generate(tiny_run, n=20, shards=4, out=tmp_path / "d", executor="torchrun")
    assert len(list((tmp_path / "d" / "data").glob("*.parquet"))) == 2
    assert not (tmp_path / "d" / "provenance.json").exists()
    monkeypatch.setenv("RANK", "0")
    generate(tiny_run, n=20, shards=4, out=tmp_path / "d", executor="torchrun")
    assert len(pd.read_parquet(tmp_path / "d" / "data")) == 20


def test_torchrun_without_a_launch_is_explained(tiny_run, tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="needs a torchrun launch"):
        generate(tiny_run, n=4, out=tmp_path / "d", executor="torchrun")


def test_another_plan_in_the_same_place_is_refused(tiny_run, tmp_path):
    generate(tiny_run, n=5, out=tmp_path / "d")
    with pytest.raises(DatasetError, match="another plan"):
        generate(tiny_run, n=6, out=tmp_path / "d")
    assert generate(tiny_run, n=6, out=tmp_path / "d", force=True).n == 6
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DatasetError, match="not a data set"):
        generate(tiny_run, n=5, out=tmp_path / "mine")
    with pytest.raises(UsageError, match="--force replaces data sets only"):
        generate(tiny_run, n=5, out=tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_a_full_disk_ends_in_one_sentence_and_leaves_no_half_file(tiny_run, small_disk):
    with pytest.raises(StorageError, match="No space left"):
        generate(tiny_run, n=4000, steps=1, out=small_disk / "d", format="folder")
    assert not list(small_disk.rglob(".tmp-*"))


def test_a_dry_run_counts_and_writes_nothing(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = generate(tiny_run, n=1000, labels=(), dry_run=True)
    assert planned.provenance["labels"] == {name: 100 for name in "0123456789"}
    assert planned.provenance["estimated_bytes"] == 64_000
    assert planned.provenance["estimated_seconds"] > 0
    assert not any(tmp_path.iterdir())


def test_a_plan_survives_json(tiny_run):
    plan = make_plan(tiny_run, n=12, labels=("1", "2"), guidance=2.0)
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(DatasetError, match="not a plan"):
        Plan.from_json("{}")


def test_newest_finds_the_data_set_of_this_run(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Dataset.newest(tiny_run) is None
    first = generate(tiny_run, n=4)
    second = generate(tiny_run, n=5)
    assert first.path != second.path
    assert Dataset.newest(tiny_run).path == second.path


def test_augment_marks_the_origin_and_takes_the_training_split_only(tiny_run, tmp_path):
    dataset = augment(tiny_run, ratio=0.1, out=tmp_path / "d", steps=2)
    table = pd.read_parquet(tmp_path / "d" / "data")
    real = len(tiny_run.split.train)
    assert Counter(table["origin"]) == {"real": real, "synthetic": round(real * 0.1)}
    assert dataset.provenance["origin"] == {"real": real, "synthetic": round(real * 0.1)}
    note = dataset.provenance["notes"][0]
    assert f"training split, {real:,} of {len(tiny_run.source()):,} records" in note
    assert "hold-out" in note
    assert f"  note    {note}" in summarise_dataset(describe_dataset(dataset))
    assert table["sample_id"].is_unique


def test_augment_balances_the_classes(tiny_run, tmp_path):
    augment(tiny_run, balance=True, out=tmp_path / "d", steps=1)
    table = pd.read_parquet(tmp_path / "d" / "data")
    assert table["label_name"].value_counts().nunique() == 1


def test_other_images_to_augment_are_read_as_the_run_read_its_own(tiny_overrides, tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("own", "other"):
        np.savez(tmp_path / f"{folder}.npz", X=rng.integers(0, 255, (24, 20, 20, 1), dtype=np.uint8), y=[0, 1] * 12)
    sized = {**tiny_overrides, "data": {"path": str(tmp_path / "own.npz"), "image_size": 8}}
    run = train(sized, out=tmp_path / "run")
    made = augment(run, data=tmp_path / "other.npz", ratio=0.25, out=tmp_path / "data")
    sizes = {Image.open(io.BytesIO(cell["bytes"])).size for cell in pd.read_parquet(made.path / "data")["image"]}
    assert sizes == {(8, 8)}
