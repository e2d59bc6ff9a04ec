"""`verify` finds every kind of damage, `repair` restores the same bytes, and two writers never share a directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from synthgen.errors import DatasetError, RunError, StorageError, UsageError
from synthgen.generation import augment, generate, verify
from synthgen.io.atomic import sha256_of
from synthgen.io.lock import OWNER, locked


def digests(path):
    return {str(p.relative_to(path)): sha256_of(p) for p in path.rglob("*") if p.is_file()}


@pytest.fixture(params=["parquet", "folder"])
def dataset(request, tiny_run, tmp_path):
    return generate(tiny_run, n=30, labels=(), shards=3, format=request.param, out=tmp_path / "d").path


def test_an_untouched_data_set_and_run_are_whole(dataset, tiny_run):
    assert verify(dataset).faults == ()
    found = verify(tiny_run.path)
    assert (found.kind, found.faults) == ("run", ())


def records_of(path):
    return sorted([*path.rglob("*.parquet"), *path.rglob("*.png")])


def test_a_lost_a_cut_and_a_flipped_file_are_named_and_made_again_byte_for_byte(dataset):
    before = digests(dataset)
    files = records_of(dataset)
    files[0].unlink()
    os.truncate(files[1], 20)
    damaged = bytearray(files[2].read_bytes())
    damaged[-9] ^= 1
    files[2].write_bytes(damaged)
    found = verify(dataset)
    problems = {fault.path: fault.problem for fault in found.faults}
    assert problems.pop(str(files[0].relative_to(dataset))) == "missing"
    assert problems.pop(str(files[1].relative_to(dataset))).startswith("20 of ")
    assert problems == {str(files[2].relative_to(dataset)): "changed"}
    repaired = verify(dataset, repair=True)
    assert repaired.faults == ()
    assert len(repaired.repaired) == 3
    assert digests(dataset) == before


def test_descriptions_and_tables_come_back_too(dataset):
    before = digests(dataset)
    for name in ("README.md", "croissant.json", "train/metadata.csv"):
        (dataset / name).unlink(missing_ok=True)
    assert verify(dataset, repair=True).faults == ()
    assert digests(dataset) == before


def test_what_the_repair_goes_by_is_not_guessed(dataset):
    (dataset / "plan.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"plan\.json is damaged"):
        verify(dataset, repair=True)
    (dataset / "manifest.json").write_text("[]")
    assert [fault.path for fault in verify(dataset).faults] == ["manifest.json"]


def test_a_manifest_cannot_point_outside(dataset, tmp_path):
    manifest = json.loads((dataset / "manifest.json").read_text())
    manifest["files"][0]["path"] = "../elsewhere"
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    provenance = json.loads((dataset / "provenance.json").read_text())
    provenance["manifest"] = sha256_of(dataset / "manifest.json")
    (dataset / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(DatasetError, match="outside"):
        verify(dataset)


def test_a_damaged_run_is_named_and_not_repaired(tiny_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(tiny_run.path, copy)
    os.truncate(copy / "model.safetensors", 100)
    assert [(fault.path, fault.problem) for fault in verify(copy).faults] == [("model.safetensors", "changed")]
    with pytest.raises(RunError, match="cannot be made again"):
        verify(copy, repair=True)


def test_another_model_does_not_repair(dataset, tiny_run, tmp_path, tiny_overrides):
    from synthgen.training import train

    other = train({**tiny_overrides, "train": {**tiny_overrides["train"], "seed": 1}}, out=tmp_path / "other")
    records_of(dataset)[0].unlink()
    with pytest.raises(DatasetError, match="another model"):
        verify(dataset, repair=True, run=other)


def test_nothing_of_ours_is_said_to_be_neither(tmp_path):
    with pytest.raises(RunError, match="neither a run nor a data set"):
        verify(tmp_path)


@pytest.mark.parametrize("format", ["parquet", "folder"])
def test_an_augmented_data_set_is_whole_in_every_format(format, tiny_run, tmp_path):
    augmented = augment(tiny_run, ratio=0.01, format=format, out=tmp_path / "d")
    assert verify(augmented.path).faults == ()
    source = augmented.open(tiny_run)
    assert len(source) == augmented.n


def test_a_directory_in_use_names_its_owner_and_is_left_alone(tiny_run, tmp_path):
    place = tmp_path / "d"
    code = (
        "import sys\nfrom pathlib import Path\nfrom synthgen.io.lock import locked\n"
        f"with locked(Path({str(place)!r}), 'generating'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None and holder.stdout is not None  # noqa: PT018
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=f"in use by process {holder.pid} on .*, generating since"):
            generate(tiny_run, n=4, steps=1, out=place)
        assert [path.name for path in place.iterdir()] == [OWNER]
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    generate(tiny_run, n=4, steps=1, out=place)  # a killed owner holds nothing
    assert verify(place).faults == ()


def test_a_lock_leaves_no_empty_directories(tmp_path):
    with locked(tmp_path / "a" / "b", "testing"):
        assert (tmp_path / "a" / "b" / OWNER).exists()
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_data_sets_only(tiny_run, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not one"):
        generate(tiny_run, n=4, steps=1, out=tmp_path, force=True)
    assert (tmp_path / "mine.txt").read_text() == "precious"
