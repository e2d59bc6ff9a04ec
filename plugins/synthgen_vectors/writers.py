"""The writers: Parquet and CSV, a row a record, a column a number. Our readers read both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from synthgen.api import Records, Schema, WrittenFile
from synthgen.io.atomic import atomic_file, written
from synthgen.io.parquet import Column, shard_columns, shard_path
from synthgen.io.shard_writer import ShardWriter, data_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VectorCsv", "VectorParquet"]


class VectorParquet(ShardWriter):
    """sample_id, label, label_name, the columns, seed, guidance; whole-number columns are int64, others float32."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """A column a number; null where it is missing."""
        return _columns(records, schema)


class VectorCsv:
    """The columns of `VectorParquet` as text; its numbers read back to the same float32."""

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
        """One CSV file."""
        table = pa.table(shard_columns(records, schema, record=_columns(records, schema), extra=columns))
        path = directory / shard_path(shard, shards).replace(".parquet", ".csv")
        with atomic_file(path) as temporary:
            pd.DataFrame(table.to_pandas(integer_object_nulls=True)).to_csv(temporary, index=False)
        return [written(directory, path, len(records))]

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing belongs to the whole."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        return data_files("data/*.csv")


def _columns(records: Records, schema: Schema) -> dict[str, pa.Array]:
    columns = {}
    for index, channel in enumerate(schema.channels):
        values = records["values"][:, index]
        missing = np.isnan(values)
        if channel.kind == "integer":
            whole = np.rint(np.nan_to_num(values.astype(np.float64), nan=0.0)).astype(np.int64)
            columns[channel.name] = pa.array(whole, pa.int64(), mask=missing)
        else:
            columns[channel.name] = pa.array(values, pa.float32(), mask=missing)
    return columns
