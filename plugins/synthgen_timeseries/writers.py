"""The writers: wide Parquet (a row a series), long Parquet and long CSV (a row a step). Our readers read each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synthgen.api import Records, Schema
from synthgen.errors import DataError
from synthgen.io.attribute_cells import attribute_cells
from synthgen.io.parquet import Column, label_columns
from synthgen.io.shard_writer import AsCsv, RecordWriter, ShardWriter
from synthgen_timeseries.series import inside
from synthgen_timeseries.times import time_stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LongCsv", "LongParquet", "WideParquet"]

_STEPS = "synthgen.steps"
_STAMPS = "ds"


class WideParquet(RecordWriter):
    """A row a series: sample_id, label, label_name, a list column for each channel, seed, guidance.

    Lists are as long as their series and hold null where a value is missing; whole-number channels are `list<int64>`,
    the others `list<float32>`. Where the steps of the training data are unevenly apart, a list `ds` of the time of each
    step comes first and the channel of intervals stays.
    """

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """A list column for each channel."""
        within = inside(records["length"], records["values"].shape[2])
        offsets = np.concatenate([[0], np.cumsum(within.sum(axis=1))]).astype(np.int32)
        flat = _flat_channels(records, schema, within)
        if "time" in schema.extra:
            flat = {_STAMPS: _stamps(records, schema), **flat}
        return {name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()}

    def footer(self, schema: Schema) -> dict[str, str]:
        """The longest length, which one shard alone may not show, and what the channels are."""
        return _footer(schema)


class LongParquet(ShardWriter):
    """A row a step: unique_id, ds, the channels, label, label_name, the attributes, and origin where given.

    `ds` is the step, from 0, or the time where the steps of the training data are unevenly apart.

    The manner of Nixtla and AutoGluon. Seed and guidance are left to the wide format and to `provenance.json`.
    """

    def table(
        self, records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema, metadata: Mapping[str, str]
    ) -> Mapping[str, Column]:
        """The steps of all series, one series after the other."""
        within = inside(records["length"], records["values"].shape[2])
        row, step = np.nonzero(within)
        identity = columns.get("sample_id", np.arange(len(records)))
        flat = _flat_channels(records, schema, within)
        table: dict[str, Column] = {"unique_id": pa.array(identity[row]), _STAMPS: pa.array(step.astype(np.int64))}
        if "time" in schema.extra:
            table[_STAMPS] = _stamps(records, schema)
            del flat[schema.extra["time"]["channel"]]
        for name, column in flat.items():
            _add(table, name, column)
        for name, column in {**label_columns(records, schema), **attribute_cells(records, schema)}.items():
            _add(table, name, column.take(pa.array(row)))
        if "origin" in columns:
            _add(table, "origin", pa.array(columns["origin"]).take(pa.array(row)))
        return table

    def footer(self, schema: Schema) -> dict[str, str]:
        """The longest length, which one shard alone may not show, and what the channels are."""
        return _footer(schema)


class LongCsv(AsCsv, LongParquet):
    """The columns of `LongParquet` as text, for those without Parquet; its numbers read back to the same float32."""


def _stamps(records: Records, schema: Schema) -> pa.Array:
    """The time of every step inside the series, one series after the other."""
    facts = schema.extra["time"]
    names = [channel.name for channel in schema.channels]
    gaps = records["values"][:, names.index(facts["channel"])]
    return pa.array(time_stamps(gaps, records["length"], facts))


def _footer(schema: Schema) -> dict[str, str]:
    channels = [dataclasses.asdict(channel) for channel in schema.channels]
    return {_STEPS: str(schema.shape[1]), "synthgen.channels": json.dumps(channels, ensure_ascii=False)}


def _flat_channels(records: Records, schema: Schema, within: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Every channel's values inside the series, one series after the other; null where a value is missing."""
    flat: dict[str, pa.Array] = {}
    for index, channel in enumerate(schema.channels):
        values, missing = records["values"][:, index][within], ~records["observed"][:, index][within]
        if channel.kind == "categorical":
            names = np.array(channel.values, dtype=object)[np.rint(values).astype(np.int64)]
            truth = channel.values == ("False", "True")
            flat[channel.name] = (
                pa.array(names == "True", pa.bool_(), mask=missing)
                if truth
                else pa.array(names, pa.string(), mask=missing)
            )
        elif channel.kind == "integer":
            flat[channel.name] = pa.array(np.rint(values).astype(np.int64), pa.int64(), mask=missing)
        else:
            flat[channel.name] = pa.array(values, pa.float32(), mask=missing)
    return flat


def _add(table: dict[str, Column], name: str, column: Column) -> None:
    if name in table:
        raise DataError(
            f"two columns of the data set are called {name!r}", hint="Rename the channel, attribute or label."
        )
    table[name] = column
