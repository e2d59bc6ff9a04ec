"""The writers: Parquet and CSV, a row a record, a column a number. Our readers read both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from synthgen.api import Records, Schema
from synthgen.io.parquet import Column
from synthgen.io.shard_writer import AsCsv, RecordWriter

__all__ = ["VectorCsv", "VectorParquet"]


class VectorParquet(RecordWriter):
    """sample_id, label, label_name, the columns, seed, guidance; whole-number columns are int64, others float32."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """A column a number; null where it is missing."""
        columns: dict[str, pa.Array] = {}
        for index, channel in enumerate(schema.channels):
            values = records["values"][:, index]
            missing = np.isnan(values)
            if channel.kind == "integer":
                whole = np.rint(np.nan_to_num(values.astype(np.float64), nan=0.0)).astype(np.int64)
                columns[channel.name] = pa.array(whole, pa.int64(), mask=missing)
            else:
                columns[channel.name] = pa.array(values, pa.float32(), mask=missing)
        return columns


class VectorCsv(AsCsv, VectorParquet):
    """The columns of `VectorParquet` as text; its numbers read back to the same float32."""
