"""Generation into an object store: the bytes of a directory, resumed, shared, refused, and read again."""

from __future__ import annotations

import json
import time
import uuid

import fsspec
import pytest

from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError, DatasetError, StorageError, UsageError
from synthgen.generation import generate, storing, verify
from synthgen.generation.plan import make_plan
from synthgen.io.store import Store, is_url, local_copy


@pytest.fixture
def url():
    """A fresh place in memory."""
    address = f"memory://{uuid.uuid4().hex}/faces"
    yield address
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(storing, "_POLL_SECONDS", 0.01)


def contents(place):
    return {name: Store(place).read(name) for name in Store(place).sizes()}


@pytest.mark.parametrize("format", ["parquet", "folder"])
def test_a_store_gets_the_files_of_a_directory(format, tiny_run, tmp_path, url):
    asked = {"n": 20, "shards": 4, "steps": 2, "format": format}
    directory = generate(tiny_run, **asked, out=tmp_path / "d")
    assert generate(tiny_run, **asked, out=url).where == url
    dated = {"provenance.json", "manifest.json", "README.md", "croissant.json"}
    here = {p.relative_to(directory.path).as_posix(): p.read_bytes() for p in directory.path.rglob("*") if p.is_file()}
    there = contents(url)
    assert {name for name in here if not name.startswith(".parts/")} == {
        n for n in there if not n.startswith(".parts/")
    }
    assert {n: c for n, c in here.items() if n not in dated} == {n: c for n, c in there.items() if n not in dated}
    copy = local_copy(url)
    assert verify(copy).faults == ()
    assert len(open_source("image", DataConfig(path=url))) == 20


def test_an_interrupted_store_is_completed_and_nothing_is_made_twice(tiny_run, url):
    made = []

    class StopError(Exception):
        pass

    def stop(event):
        made.append(event["records"])
        if event["records"] >= 10:
            raise StopError

    asked = {"n": 20, "shards": 4, "steps": 2}
    with pytest.raises(StopError):
        generate(tiny_run, **asked, out=url, progress=stop)
    assert Store(url).read("provenance.json") is None
    events = []
    generate(tiny_run, **asked, out=url, progress=events.append)
    assert events[0]["records"] == 5  # one shard was recorded, the second had not been written
    assert events[-1]["records"] == 20
    names = contents(url)
    assert len([name for name in names if name.endswith(".parquet")]) == 4
    assert not [name for name in names if name.startswith((".claims", ".shards"))]
    before = names["provenance.json"]
    generate(tiny_run, **asked, out=url)
    assert Store(url).read("provenance.json") == before


def test_another_plan_and_foreign_objects_are_refused(tiny_run, url):
    generate(tiny_run, n=8, steps=2, out=url)
    with pytest.raises(DatasetError, match="another plan"):
        generate(tiny_run, n=9, steps=2, out=url)
    assert generate(tiny_run, n=9, steps=2, out=url, force=True).n == 9
    other = f"{url}-other"
    Store(other).put("thesis.txt", b"mine")
    with pytest.raises(DatasetError, match="is not a data set"):
        generate(tiny_run, n=9, steps=2, out=other, force=True)
    assert Store(other).read("thesis.txt") == b"mine"


def test_a_shard_that_another_process_claimed_is_left_to_it_until_its_claim_runs_out(tiny_run, url):
    store = Store(url)
    store.put("plan.json", make_plan(tiny_run, n=20, shards=4, steps=2).to_json().encode())
    assert store.claim(".claims/00001.json", seconds=0.8)
    assert not store.claim(".claims/00001.json", seconds=0.8)
    generate(tiny_run, n=20, shards=4, steps=2, out=url)
    assert json.loads(store.read("provenance.json"))["n"] == 20
    assert len([name for name in store.sizes() if name.endswith(".parquet")]) == 4


def test_a_claim_from_a_clock_that_is_wrong_is_taken_over(url):
    store = Store(url)
    store.put("c", json.dumps({"until": time.time() + 10**6}).encode())
    assert store.claim("c", seconds=60)
    store.put("c", b"no JSON")
    assert store.claim("c", seconds=60)
    assert not store.claim("c", seconds=60)


def test_what_a_store_cannot_do_is_one_sentence(tiny_run, tmp_path):
    with pytest.raises(UsageError, match="nosuch"):
        Store("nosuch://bucket/x")
    with pytest.raises(UsageError, match="--executor ray"):
        generate(tiny_run, n=4, out="memory://x/y", executor="ray")
    with pytest.raises(DataError, match="nothing at memory://"):
        local_copy(f"memory://{uuid.uuid4().hex}")
    with pytest.raises(StorageError, match="cannot be written"):
        Store(f"local://{tmp_path}/missing").put("sub/x", b"")
    assert not is_url("runs/x")
    assert not is_url(tmp_path)
