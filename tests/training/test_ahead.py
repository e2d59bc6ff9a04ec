"""Data that stays on disk: the same figures as from memory, every record once a pass, batches made beforehand."""

from __future__ import annotations

import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.data.order import Blocked
from synthgen.data.split import make_split
from synthgen.errors import DataError
from synthgen.io.run import Run
from synthgen.training import train
from synthgen.training.ahead import Ahead
from synthgen.training.prepare import prepare

RECORDS = 4000
SMALL = RECORDS * 3 * 4 / 2**30 / 4


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A Parquet file of 20 row groups with missing values, whole numbers and labels, some of which are missing."""
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    values = draw.standard_normal((RECORDS, 2))
    values[::7, 1] = np.nan
    label = np.array(["b", "a", None, "c"], dtype=object)[draw.integers(0, 4, RECORDS)]
    columns = {"x": values[:, 0], "y": values[:, 1], "n": draw.integers(0, 9, RECORDS), "label": label}
    pq.write_table(pa.table(columns), path, row_group_size=RECORDS // 20)
    return path


@pytest.fixture(scope="module")
def sources(table):
    """The same file, in memory and streamed."""
    return [open_source("vectors", DataConfig(path=str(table), memory_gib=gib)) for gib in (2.0, SMALL)]


def test_a_streamed_table_is_what_it_is_in_memory(sources):
    memory, streamed = sources
    assert streamed.blocks is not None
    assert getattr(memory, "blocks", None) is None
    assert len(memory) == len(streamed)
    np.testing.assert_array_equal(memory.labels, streamed.labels)
    rows = np.array([5, 2999, 17, 17, 0])
    for one, other in zip(memory.schema.channels, streamed.schema.channels, strict=True):
        assert (one.name, one.kind) == (other.name, other.kind)
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    np.testing.assert_allclose(memory.schema.extra["scale"], streamed.schema.extra["scale"], rtol=1e-6)
    np.testing.assert_array_equal(memory.read(rows)["values"], streamed.read(rows)["values"])
    assert memory.schema.labels == streamed.schema.labels == ("a", "b", "c")
    assert any("without a label are left out" in note for note in streamed.notes)


def test_a_streamed_infinite_value_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    values = np.zeros(RECORDS)
    values[1234] = np.inf
    pq.write_table(pa.table({"x": values, "z": values}), path, row_group_size=100)
    with pytest.raises(DataError, match="record 1234 holds an infinite or too large value in column x"):
        open_source("vectors", DataConfig(path=str(path), memory_gib=1e-6))


@pytest.mark.parametrize("mixed", [1, 500, 10_000])
def test_blocks_are_read_together_and_every_record_comes_once_a_pass(mixed):
    starts = np.array([0, 100, 100, 250, 700])
    order = Blocked(starts, 1000, 3, mixed=mixed)
    whole = np.concatenate([order.positions(seen, 50, 0.0) for seen in range(0, 2000, 50)])
    for turn in (whole[:1000], whole[1000:]):
        np.testing.assert_array_equal(np.sort(turn), np.arange(1000))
    assert not np.array_equal(whole[:1000], whole[1000:])
    if mixed == 1:
        owner = np.searchsorted(np.array([100, 250, 700]), whole[:1000], side="right")
        assert len(np.flatnonzero(np.diff(owner))) == 3
    again = Blocked(starts, 1000, 3, mixed=mixed)
    np.testing.assert_array_equal(again.positions(450, 70, 0.0), whole[450:520])


def test_batches_read_ahead_are_those_read_at_once(table):
    prepared = prepare({"modality": "vectors", "data": {"path": str(table), "memory_gib": SMALL}})
    assert isinstance(prepared.data.order, Blocked)
    ahead = Ahead(prepared.data)
    for seen in (0, 64, 128, 192, 9_000, 256, 320, 12_800, 12_864, 12_928, 12_992, 13_056):
        made, read = ahead.step(seen, 64, 0.0), prepared.data.step(seen, 64, 0.0)
        assert torch.equal(made.x, read.x)
        assert torch.equal(made.conditions["label"], read.conditions["label"])
    ahead.close()
    assert "synthgen-reading-ahead" not in {thread.name for thread in threading.enumerate()}


def test_an_error_of_the_reading_thread_reaches_the_trainer(table):
    prepared = prepare({"modality": "vectors", "data": {"path": str(table), "memory_gib": SMALL}})
    read = prepared.data.step

    def failing(seen, batch_size, progress):
        if seen >= 128:
            raise DataError("the disk was pulled out")
        return read(seen, batch_size, progress)

    prepared.data.step = failing
    ahead = Ahead(prepared.data)
    ahead.step(0, 64, 0.0)
    ahead.step(64, 64, 0.0)
    with pytest.raises(DataError, match="pulled out"):
        ahead.step(128, 64, 0.0)
    ahead.close()


def test_a_training_from_disk_resumes_to_the_same_weights(table, tmp_path):
    asked = {
        "modality": "vectors",
        "data": {"path": str(table), "memory_gib": SMALL},
        "network": {"width": 16, "blocks": 1},
        "train": {"samples": 2560, "precision": "fp32", "checkpoint_seconds": 0.001, "sample_checks": 0},
    }
    whole = train(asked, out=tmp_path / "whole")
    assert whole.facts["waited_for_data"] <= whole.facts["seconds"]

    class StopError(Exception):
        pass

    def stop(event):
        if event["kind"] == "checkpoint" and event["samples"] > 700:
            raise StopError

    with pytest.raises(StopError):
        train(asked, out=tmp_path / "cut", progress=stop)
    assert train(asked, out=tmp_path / "cut").fingerprint == whole.fingerprint
    assert Run.open(tmp_path / "cut").facts["status"] == "finished"


def test_a_million_records_are_split_in_seconds_with_the_shares_asked():
    class Many:
        labels = np.repeat([0, 1], [900_000, 100_000])
        groups = official_split = None

        def __len__(self):
            return 1_000_000

    started = time.monotonic()
    split = make_split(Many(), DataConfig(), 0)
    assert time.monotonic() - started < 60
    parts = [getattr(split, name) for name in split.sizes()]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1_000_000))
    for name, share in (("validation", 0.05), ("holdout", 0.2), ("calibration", 0.1)):
        part = getattr(split, name)
        assert len(part) == pytest.approx(share * 1_000_000, abs=2)
        assert (Many.labels[part] == 1).sum() == pytest.approx(share * 100_000, abs=2)
