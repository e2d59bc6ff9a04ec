"""The writers that modalities build on: they say what their table is, the rest is the same for all.

    a row a record:  sample_id, label, label_name | attributes | the record's own columns | seed, guidance, origin

`RecordWriter` makes that table; a modality with another one (a row a step, say) gives its own to `ShardWriter`. With
`AsCsv` before either, the same table becomes text.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.api import Records, Schema, WrittenFile
from synthgen.io.atomic import atomic_file, written
from synthgen.io.attribute_cells import attribute_footer, cell_text
from synthgen.io.parquet import Column, label_features, shard_columns, shard_path, write_shard

__all__ = ["AsCsv", "RecordWriter", "ShardWriter", "data_files"]


def data_files(*patterns: str) -> dict[str, Any]:
    """The card's front matter by which `datasets.load_dataset` finds the one split, `train`."""
    path = patterns[0] if len(patterns) == 1 else list(patterns)
    return {"configs": [{"config_name": "default", "data_files": [{"split": "train", "path": path}]}]}


class ShardWriter(ABC):
    """Implements `synthgen.api.Writer` with one Parquet file a shard, `data/train-00000-of-00008.parquet`."""

    suffix = ".parquet"

    @abstractmethod
    def table(
        self, records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema, metadata: Mapping[str, str]
    ) -> Mapping[str, Column]:
        """All columns of a shard, in order; the arguments are those of `write`."""

    def features(self, schema: Schema) -> dict[str, Any]:
        """Hugging Face features of own columns whose Arrow type alone does not say it."""
        return {}

    def footer(self, schema: Schema) -> dict[str, str]:
        """Own entries of the file's metadata."""
        return {}

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
        """Write one shard."""
        path = directory / shard_path(shard, shards).replace(".parquet", self.suffix)
        table = self.table(records, columns, schema, metadata)
        file = self.store(path, directory, (shard, shards), table, schema, metadata)
        return [dataclasses.replace(file, records=len(records))]

    def store(
        self,
        path: Path,
        directory: Path,
        number: tuple[int, int],
        table: Mapping[str, Column],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> WrittenFile:
        """Put the table at `path`, the place of shard `number` (which, of how many) in `directory`."""
        features = {**label_features(schema), **self.features(schema)}
        footer = {**metadata, **attribute_footer(schema), **self.footer(schema)}
        return write_shard(directory, *number, table, features=features, metadata=footer)

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing belongs to the whole."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        return data_files(f"data/train-*{self.suffix}")


class RecordWriter(ShardWriter):
    """A row a record."""

    @abstractmethod
    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The record's own columns, in order."""

    def table(
        self, records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema, metadata: Mapping[str, str]
    ) -> Mapping[str, Column]:
        """The record's columns among those of every data set."""
        return shard_columns(records, schema, record=self.columns(records, schema, metadata), extra=columns)


class AsCsv(ShardWriter):
    """Before another writer among a class's bases: its table as text, whose numbers read back as they were."""

    suffix = ".csv"

    def store(
        self,
        path: Path,
        directory: Path,
        number: tuple[int, int],
        table: Mapping[str, Column],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> WrittenFile:
        """Write a CSV file; members of an attribute are joined by `;`."""
        rows = pa.table({name: _as_text(column) for name, column in table.items()})
        with atomic_file(path) as temporary:
            pd.DataFrame(rows.to_pandas(integer_object_nulls=True)).to_csv(temporary, index=False)
        return written(directory, path, len(rows))


def _as_text(column: Column) -> Column:
    """Lists of names as one text each; anything else as it is."""
    if isinstance(column, pa.Array) and pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        return pa.array([None if value is None else cell_text(value) for value in column.to_pylist()], pa.string())
    return column
