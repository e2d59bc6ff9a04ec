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
from synthgen.io.parquet import label_columns, label_features, shard_columns, shard_path, write_shard
from synthgen_timeseries.series import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LongCsv", "LongParquet", "WideParquet"]

_STEPS = "synthgen.steps"


class _Sharded:
    """What the three have in common: nothing belongs to the whole data set but its card."""

    suffix = ".parquet"

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing: the shards are all."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        files = [{"split": "train", "path": f"data/*{self.suffix}"}]
        return {"configs": [{"config_name": "default", "data_files": files}]}


class WideParquet(_Sharded):
    """A row a series: sample_id, label, label_name, a list column for each channel, seed, guidance.

    Lists are as long as their series and hold null where a value is missing; whole-number channels are `list<int64>`,
    the others `list<float32>`.
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
        within = inside(records["length"], records["values"].shape[2])
        offsets = np.concatenate([[0], np.cumsum(within.sum(axis=1))]).astype(np.int32)
        record = {}
        for index, channel in enumerate(schema.channels):
            kind = pa.int64() if channel.kind == "integer" else pa.float32()
            flat = records["values"][:, index][within]
            missing = ~records["observed"][:, index][within]
            values = pa.array(np.rint(flat).astype(np.int64) if kind == pa.int64() else flat, kind, mask=missing)
            record[channel.name] = pa.ListArray.from_arrays(offsets, values)
        table = shard_columns(records, schema, record=record, extra=columns)
        facts = {**metadata, _STEPS: str(schema.shape[1])}
        return [write_shard(directory, shard, shards, table, features=label_features(schema), metadata=facts)]


class LongParquet(_Sharded):
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


class LongCsv(_Sharded):
    """The columns of `LongParquet` as text, for those without Parquet."""

    suffix = ".csv"

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
        path = directory / shard_path(shard, shards).replace(".parquet", self.suffix)
        with atomic_file(path) as temporary:
            pd.DataFrame(frame).to_csv(temporary, index=False)
        return [written(directory, path, len(records))]


def _long_table(records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema) -> dict[str, pa.Array]:
    within = inside(records["length"], records["values"].shape[2])
    row, step = np.nonzero(within)
    identity = columns.get("sample_id", np.arange(len(records)))
    table: dict[str, pa.Array] = {"unique_id": pa.array(identity[row]), "ds": pa.array(step.astype(np.int64))}
    for index, channel in enumerate(schema.channels):
        flat, missing = records["values"][:, index][within], ~records["observed"][:, index][within]
        if channel.kind == "integer":
            column = pa.array(np.rint(flat).astype(np.int64), pa.int64(), mask=missing)
        else:
            column = pa.array(flat, pa.float32(), mask=missing)
        _add(table, channel.name, column)
    for name, labels in label_columns(records, schema).items():
        _add(table, name, labels.take(pa.array(row)))
    if "origin" in columns:
        _add(table, "origin", pa.array(columns["origin"]).take(pa.array(row)))
    return table


def _add(table: dict[str, pa.Array], name: str, column: pa.Array) -> None:
    if name in table:
        raise DataError(f"two columns of the data set are called {name!r}", hint="Rename the channel or the label.")
    table[name] = column
