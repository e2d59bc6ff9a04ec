"""Parquet shards: columns in order, metadata for other tools, same bytes again, rows by position, damage in words."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.api import Channel, Condition, Records, Schema
from synthgen.errors import DataError
from synthgen.io.parquet import (
    ParquetRows,
    features_of,
    image_column,
    label_features,
    parquet_files,
    read_columns,
    shard_columns,
    write_shard,
)

SCHEMA = Schema(
    "image", (1, 2, 2), (Channel("grey", "integer"),), ("cat", "dog"), "species", (Condition("label", "class", 2),)
)


def shard(directory, number=0, shards=1, *, schema=SCHEMA):
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    records = Records({"image": images}, np.array([1, 0, 1]))
    extra = {
        "sample_id": np.arange(3) + 3 * number,
        "seed": np.array([2**63 + 5, 1, 2], dtype=np.uint64),
        "guidance": np.ones(3, dtype=np.float32),
    }
    columns = shard_columns(records, schema, record={"image": image_column(images)}, extra=extra)
    features = {**label_features(schema), "image": {"_type": "Image"}}
    return write_shard(directory, number, shards, columns, features=features, metadata={"model": "abc"})


def test_a_shard_has_its_name_its_columns_in_order_and_its_metadata(tmp_path):
    file = shard(tmp_path, 1, 8)
    assert file.path == "data/train-00001-of-00008.parquet"
    assert (file.records, file.bytes) == (3, (tmp_path / file.path).stat().st_size)
    table = pq.read_table(tmp_path / file.path)
    assert table.column_names == ["sample_id", "species", "species_name", "image", "seed", "guidance"]
    assert table["species"].to_pylist() == [1, 0, 1]
    assert table["species_name"].to_pylist() == ["dog", "cat", "dog"]
    assert table.schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert table["seed"].to_pylist()[0] == 2**63 + 5
    assert table.schema.metadata[b"model"] == b"abc"
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["species"] == {"names": ["cat", "dog"], "_type": "ClassLabel"}
    assert features["guidance"] == {"dtype": "float32", "_type": "Value"}
    assert features_of(table.schema) == features


def test_the_same_shard_has_the_same_bytes(tmp_path):
    assert shard(tmp_path / "a").sha256 == shard(tmp_path / "b").sha256


def test_a_shard_leaves_no_temporary_file(tmp_path):
    shard(tmp_path)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train-00000-of-00001.parquet"]


def test_a_record_column_cannot_hide_the_label(tmp_path):
    records = Records({"x": np.zeros(2)}, np.array([0, 1]))
    with pytest.raises(DataError, match="species"):
        shard_columns(records, SCHEMA, record={"species": np.zeros(2)}, extra={})


def test_unlabelled_records_have_no_label_columns():
    columns = shard_columns(Records({"x": np.zeros(2)}), SCHEMA, record={"x": np.zeros(2)}, extra={})
    assert list(columns) == ["x"]


def test_the_files_of_a_data_set_are_found_in_data(tmp_path):
    for number in (1, 0):
        shard(tmp_path, number, 2)
    assert [path.name for path in parquet_files(tmp_path)] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert read_columns(parquet_files(tmp_path), ["sample_id"])["sample_id"].to_pylist() == list(range(6))


@given(st.lists(st.integers(0, 24), max_size=40), st.sampled_from([1e-9, 1.0]))
def test_rows_come_by_position_whatever_the_files_row_groups_and_memory(tmp_path_factory, indices, memory):
    directory = tmp_path_factory.mktemp("rows")
    for number, (start, stop) in enumerate([(0, 7), (7, 7), (7, 25)]):
        table = pa.table({"a": list(range(start, stop)), "b": [str(value) for value in range(start, stop)]})
        table = table.cast(pa.schema([("a", pa.int64()), ("b", pa.string())]))
        pq.write_table(table, directory / f"{number}.parquet", row_group_size=4)
    rows = ParquetRows(parquet_files(directory), memory_gib=memory)
    assert len(rows) == 25
    read = rows.read(np.array(indices, dtype=np.int64), ["b", "a"])
    assert read["a"].to_pylist() == indices
    assert read["b"].to_pylist() == [str(index) for index in indices]


@pytest.mark.parametrize("reading", ["in order", "by position"])
def test_rows_that_were_passed_leave_memory(tmp_path, reading):
    values = np.random.default_rng(0).random(1_000_000)  # 8 MB that no codec makes smaller
    pq.write_table(pa.table({"a": values}), tmp_path / "a.parquet", row_group_size=25_000)
    rows = ParquetRows([tmp_path / "a.parquet"], memory_gib=1 / 1024)
    before, held, total = pa.total_allocated_bytes(), [], 0.0
    if reading == "in order":
        batches = (batch for _, batch in rows.iterate(["a"], rows=5_000))
    else:
        batches = (rows.read(np.arange(start, start + 5_000), ["a"]) for start in range(0, 1_000_000, 5_000))
    for batch in batches:
        total += batch.column(0).to_numpy().sum()
        held.append(pa.total_allocated_bytes() - before)
    assert total == pytest.approx(values.sum())
    assert max(held) < 2.5e6


def test_a_row_is_named_by_its_file_and_number(tmp_path):
    for number, size in enumerate([3, 2]):
        pq.write_table(pa.table({"a": list(range(size))}), tmp_path / f"{number}.parquet")
    rows = ParquetRows(parquet_files(tmp_path))
    assert [rows.position(row) for row in (0, 2, 3, 4)] == [
        (tmp_path / "0.parquet", 0),
        (tmp_path / "0.parquet", 2),
        (tmp_path / "1.parquet", 0),
        (tmp_path / "1.parquet", 1),
    ]
    assert rows.file_of_row.tolist() == [0, 0, 0, 1, 1]
    assert [(start, batch.num_rows) for start, batch in rows.iterate(["a"], rows=2)] == [(0, 2), (2, 1), (3, 2)]


@pytest.mark.parametrize("kept", [0, 3, 0.5, 0.99])
def test_a_truncated_file_is_a_sentence_that_names_it(tmp_path, kept):
    file = shard(tmp_path)
    data = (tmp_path / file.path).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: int(kept if kept > 1 else len(data) * kept)])
    with pytest.raises(DataError, match=r"cut\.parquet is not a readable Parquet file"):
        ParquetRows([tmp_path / "cut.parquet"])


def test_a_damaged_page_is_a_sentence_that_names_the_file(tmp_path):
    path = tmp_path / "x.parquet"
    values = np.random.default_rng(0).normal(size=4000)
    pq.write_table(pa.table({"a": values}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[40:4000] = bytes(3960)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.parquet is damaged"):
        read_columns(path, ["a"])


def test_a_column_that_does_not_exist_is_answered_with_those_that_do(tmp_path):
    file = shard(tmp_path)
    with pytest.raises(DataError, match="no column 'label'; its columns are sample_id, species"):
        read_columns(tmp_path / file.path, ["label"])


def test_files_with_different_columns_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"b": [1]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet has columns b, but 0\.parquet has a"):
        ParquetRows(parquet_files(tmp_path))


def test_a_file_with_fewer_than_no_rows_is_refused(tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0]}), path)
    content = path.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert footer.count(b"\x16\x06") == 3  # Thrift's 64-bit 3: of the file, its row group, its column
    path.write_bytes(content.replace(footer, footer.replace(b"\x16\x06", b"\x16\x05")))  # and -3
    assert pq.ParquetFile(path).metadata.num_rows == -3
    with pytest.raises(DataError, match="fewer than no rows"):
        ParquetRows([path])
