"""The Parquet writer that modalities build on: they say what their columns are, the rest is the same for all.

shard k = sample_id, label, label_name | the record's own columns | seed, guidance, origin
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from synthgen.api import Records, Schema, WrittenFile
from synthgen.io.parquet import Column, label_features, shard_columns, write_shard

__all__ = ["ShardWriter", "data_files"]


def data_files(*patterns: str) -> dict[str, Any]:
    """The card's front matter by which `datasets.load_dataset` finds the one split, `train`."""
    path = patterns[0] if len(patterns) == 1 else list(patterns)
    return {"configs": [{"config_name": "default", "data_files": [{"split": "train", "path": path}]}]}


class ShardWriter(ABC):
    """Implements `synthgen.api.Writer` with one Parquet file a shard, `data/train-00000-of-00008.parquet`."""

    @abstractmethod
    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The record's own columns, a row a record, in order."""

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
        own = self.columns(records, schema, metadata)
        table = shard_columns(records, schema, record=own, extra=columns)
        features = {**label_features(schema), **self.features(schema)}
        footer = {**metadata, **self.footer(schema)}
        return [write_shard(directory, shard, shards, table, features=features, metadata=footer)]

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Nothing belongs to the whole."""
        return []

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the shards lie."""
        return data_files("data/train-*.parquet")
