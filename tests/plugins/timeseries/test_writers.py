"""Every format is read back by our readers and by other people's tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from synthgen_timeseries.collection import Collection, channels_named

from synthgen import registry
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError


def _write(form, folder, schema, records, **extra):
    writer = registry.create("writers", form, "timeseries")
    files = []
    for shard, rows in enumerate(np.array_split(np.arange(len(records)), 2)):
        columns = {"sample_id": rows, "seed": rows.astype(np.uint64), "guidance": np.ones(len(rows), dtype=np.float32)}
        columns |= {name: values[rows] for name, values in extra.items()}
        files += writer.write(folder, shard, 2, records.take(rows), columns, schema, {"model": "abc"})
    assert writer.finish(folder, schema, 2) == []
    assert sum(file.records for file in files) == len(records)
    return files


@pytest.mark.parametrize("form", ["parquet", "long", "csv"])
def test_what_is_written_reads_back_with_gaps_lengths_kinds_and_labels(form, tmp_path, ragged):
    schema, records = ragged
    _write(form, tmp_path, schema, records)
    source = open_source("timeseries", DataConfig(path=str(tmp_path)))
    back = source.read(np.arange(len(source)))
    assert [channel.name for channel in source.schema.channels] == ["level", "count"]
    assert source.schema.labels == schema.labels
    assert source.schema.label_column == schema.label_column
    assert np.array_equal(back.label, records.label)
    for name in ("values", "observed", "length"):
        np.testing.assert_array_equal(back[name], records[name], err_msg=name)
    if form != "csv":
        assert source.schema.channels[1].kind == "integer"


@pytest.mark.parametrize("form", ["parquet", "long"])
def test_padded_size_survives_when_every_written_series_is_shorter(form, tmp_path, ragged):
    schema, records = ragged
    _write(form, tmp_path, schema, records.take([0, 2]))
    assert open_source("timeseries", DataConfig(path=str(tmp_path))).schema.shape == (2, 20)


@pytest.mark.parametrize("form", ["parquet", "long", "csv"])
def test_a_label_column_of_any_name_is_found_again(form, tmp_path, two_classes):
    import dataclasses

    schema, records = two_classes
    _write(form, tmp_path, dataclasses.replace(schema, label_column="gesture"), records)
    source = open_source("timeseries", DataConfig(path=str(tmp_path)))
    assert source.schema.label_column == "gesture"
    assert source.schema.labels == ("fast", "slow")
    assert np.array_equal(source.labels, records.label)


def test_pandas_stacks_the_wide_format_into_an_array(tmp_path, two_classes):
    schema, records = two_classes
    _write("parquet", tmp_path, schema, records)
    frame = pd.read_parquet(tmp_path / "data")
    assert list(frame.columns) == ["sample_id", "label", "label_name", "wave", "noise", "seed", "guidance"]
    stacked = np.stack([np.stack(frame[name]) for name in ("wave", "noise")], axis=1)
    np.testing.assert_array_equal(stacked, records["values"])
    assert pq.read_schema(tmp_path / "data/train-00000-of-00002.parquet").metadata[b"model"] == b"abc"


def test_the_long_format_has_a_row_a_step(tmp_path, ragged):
    schema, records = ragged
    _write("long", tmp_path, schema, records, origin=np.array(["real", "synthetic"] * 3))
    frame = pd.read_parquet(tmp_path / "data")
    assert list(frame.columns) == ["unique_id", "ds", "level", "count", "label", "label_name", "origin"]
    assert len(frame) == records["length"].sum()
    assert frame[frame["unique_id"] == 2]["ds"].tolist() == list(range(7))
    assert frame["level"].isna().sum() == 12


def test_unlabelled_series_are_written_without_label_columns(tmp_path):
    source = Collection([np.ones((1, 5)) * k for k in range(4)], channels_named(["x"])).source()
    _write("parquet", tmp_path, source.schema, source.read(np.arange(4)))
    assert open_source("timeseries", DataConfig(path=str(tmp_path))).labels is None


@pytest.mark.parametrize("form", ["long", "parquet"])
def test_a_channel_named_like_one_of_our_columns_is_refused(form, tmp_path):
    names = {"long": "ds", "parquet": "sample_id"}
    source = Collection([np.ones((1, 5)) * k for k in range(4)], channels_named([names[form]])).source()
    with pytest.raises(DataError, match="two columns of the data set are called"):
        _write(form, tmp_path, source.schema, source.read(np.arange(4)))
