"""The writers: wide Parquet (a row a series), long Parquet and long CSV (a row a step). Our readers read each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from synthgen.api import Records, Schema, WrittenFile
from synthgen.errors import DataError
from synthgen.io.atomic import atomic_file, written
from synthgen.io.parquet import Column, label_columns, label_features, shard_path, write_shard
from synthgen.io.shard_writer import ShardWriter, data_files
from synthgen_timeseries.series import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LongCsv", "LongParquet", "WideParquet"]

_STEPS = "synthgen.steps"


class WideParquet(ShardWriter):
    """A row a series: sample_id, label, label_name, a list column for each channel, seed, guidance.

    Lists are as long as their series and hold null where a value is missing; whole-number channels are `list<int64>`,
    the others `list<float32>`.
    """

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """A list column for each channel."""
        within = inside(records["length"], records["values"].shape[2])
        offsets = np.concatenate([[0], np.cumsum(within.sum(axis=1))]).astype(np.int32)
        flat = _flat_channels(records, schema, within)
        return {name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()}

    def footer(self, schema: Schema) -> dict[str, str]:
        """The longest length, which one shard alone may not show."""
        return {_STEPS: str(schema.shape[1])}


class LongParquet:
    """A row a step: unique_id, ds (the step, from 0), the channels, label, label_name, and origin where given.

    The manner of Nixtla and AutoGluon. Seed and guidance are left to the wide format and to `provenance.json`.
    """

    def write(
        self,
        directory: Path,
        shard: int,
        shards: int,
        records: Records,
        columns: Mapping[str, NDArray[Any]],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> list[WrittenFile]:
        """One Parquet file."""
        table = _long_table(records, columns, schema)
        facts = {**metadata, _STEPS: str(schema.shape[1])}
        file = write_shard(directory, shard, shards, table, features=label_features(schema), metadata=facts)
        return [dataclasses.replace(file, records=len(records))]

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing belongs to the whole."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        return data_files("data/*.parquet")


class LongCsv:
    """The columns of `LongParquet` as text, for those without Parquet."""

    def write(
        self,
        directory: Path,
        shard: int,
        shards: int,
        records: Records,
        columns: Mapping[str, NDArray[Any]],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> list[WrittenFile]:
        """One CSV file; its numbers read back to the same float32."""
        table = pa.table(_long_table(records, columns, schema))
        frame = table.to_pandas(integer_object_nulls=True)
        path = directory / shard_path(shard, shards).replace(".parquet", ".csv")
        with atomic_file(path) as temporary:
            pd.DataFrame(frame).to_csv(temporary, index=False)
        return [written(directory, path, len(records))]

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing belongs to the whole."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        return data_files("data/*.csv")


def _flat_channels(records: Records, schema: Schema, within: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Every channel's values inside the series, one series after the other; null where a value is missing."""
    flat: dict[str, pa.Array] = {}
    for index, channel in enumerate(schema.channels):
        values, missing = records["values"][:, index][within], ~records["observed"][:, index][within]
        if channel.kind == "integer":
            flat[channel.name] = pa.array(np.rint(values).astype(np.int64), pa.int64(), mask=missing)
        else:
            flat[channel.name] = pa.array(values, pa.float32(), mask=missing)
    return flat


def _long_table(records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema) -> dict[str, pa.Array]:
    within = inside(records["length"], records["values"].shape[2])
    row, step = np.nonzero(within)
    identity = columns.get("sample_id", np.arange(len(records)))
    table: dict[str, pa.Array] = {"unique_id": pa.array(identity[row]), "ds": pa.array(step.astype(np.int64))}
    for name, column in _flat_channels(records, schema, within).items():
        _add(table, name, column)
    for name, labels in label_columns(records, schema).items():
        _add(table, name, labels.take(pa.array(row)))
    if "origin" in columns:
        _add(table, "origin", pa.array(columns["origin"]).take(pa.array(row)))
    return table


def _add(table: dict[str, pa.Array], name: str, column: pa.Array) -> None:
    if name in table:
        raise DataError(f"two columns of the data set are called {name!r}", hint="Rename the channel or the label.")
    table[name] = column
