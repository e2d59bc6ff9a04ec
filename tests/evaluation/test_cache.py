from __future__ import annotations

import numpy as np

from synthgen.api import Records
from synthgen.evaluation.cache import Cache, content_hash


def records(seed=0, n=6):
    rng = np.random.default_rng(seed)
    return Records({"image": rng.integers(0, 9, (n, 2, 2, 1)).astype(np.uint8)}, rng.integers(0, 3, n))


def counted(cache, *parts, value=1.0):
    calls = []

    def make():
        calls.append(1)
        return {"a": np.array([value, 2.0]), "b": np.arange(3)}

    found = cache.arrays("test", *parts, make=make)
    return len(calls), found


def test_equal_content_has_one_hash_and_any_change_another():
    same, other = records(0), records(0)
    assert content_hash(same) == content_hash(other)
    other.columns["image"][0, 0, 0, 0] += 1
    assert content_hash(same) != content_hash(other)
    assert content_hash(same) != content_hash(Records(same.columns))
    wider = Records({"image": same["image"].astype(np.int16)}, same.label)
    assert content_hash(same) != content_hash(wider)


def test_a_second_cache_on_the_same_directory_computes_nothing(tmp_path):
    assert counted(Cache(tmp_path), records(), 3)[0] == 1
    calls, found = counted(Cache(tmp_path), records(), 3)
    assert calls == 0
    assert found["a"].tolist() == [1.0, 2.0]
    assert found["b"].dtype == np.int64


def test_other_records_or_settings_are_computed(tmp_path):
    cache = Cache(tmp_path)
    assert [counted(cache, records(), 3)[0], counted(cache, records(1), 3)[0], counted(cache, records(), 4)[0]] == [
        1,
        1,
        1,
    ]


def test_a_damaged_file_is_computed_again(tmp_path):
    counted(Cache(tmp_path), 1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:20])
    calls, found = counted(Cache(tmp_path), 1)
    assert calls == 1
    assert found["a"].tolist() == [1.0, 2.0]


def test_what_cannot_be_stored_is_made_once_for_each_key():
    cache = Cache()
    first = cache.live("thing", records(), make=object)
    assert cache.live("thing", records(), make=object) is first
    assert cache.live("thing", records(1), make=object) is not first


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert counted(Cache(blocked), 1)[0] == 1


def test_records_changed_in_place_between_two_caches_are_noticed(tmp_path):
    changed = records()
    assert counted(Cache(tmp_path), changed)[0] == 1
    changed.columns["image"][0] = 0
    assert counted(Cache(tmp_path), changed)[0] == 1
