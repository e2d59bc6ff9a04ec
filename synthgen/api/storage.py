"""Where records come from and go to: sources, the readers that open them, and the writers of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthgen.api.records import Records
    from synthgen.api.schema import Schema
    from synthgen.config import DataConfig

__all__ = ["ROW_COLUMNS", "Reader", "Source", "Writer", "WrittenFile"]

ROW_COLUMNS = (
    "sample_id",
    "seed",
    "guidance",
    "origin",
    "source_id",
    "consistency",
    "nearest_id",
    "nearest_distance",
    "requested_shares",
    "achieved_shares",
    "mean_margin",
)
"""Columns of a data set that say where a row comes from; where `sample_id` is, a reader takes none of them for data."""


@runtime_checkable
class Source(Protocol):
    """A user's data, opened lazily. `synthgen.data.source` has two kinds: in memory, and by a load function."""

    schema: Schema
    labels: NDArray[np.int64] | None
    """(N,) index into `schema.labels`, or None."""
    groups: NDArray[Any] | None
    """(N,) records of one group never part at splitting; None: every record is its own group."""
    official_split: NDArray[Any] | None
    """(N,) of "train" / "test" strings where the data set comes with a split, else None."""
    notes: tuple[str, ...]
    """Sentences for the user: what was understood, converted, counted or left out."""

    def __len__(self) -> int: ...

    def read(self, indices: NDArray[np.int64]) -> Records:
        """The records at these positions, decoded."""
        ...


class Reader(Protocol):
    """Opens one kind of file or folder for one modality. Target of `synthgen_readers`."""

    def accepts(self, path: Path) -> bool:
        """Whether this looks like its format, from the name and the first bytes alone."""
        ...

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: naming file, row and column.
        """
        ...


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that a writer left: path relative to the data set, sha256, size in bytes, number of records."""

    path: str
    sha256: str
    bytes: int
    records: int


class Writer(Protocol):
    """Writes one shard of a data set in one format for one modality. Target of `synthgen_writers`."""

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
        """Write the records of one shard, each file atomically.

        Args:
            directory: the data set.
            shard, shards: which of how many.
            records: the shard's records.
            columns: more columns of length N: `sample_id`, `seed`, `guidance`, and for `augment` also `origin`.
            schema: of the run.
            metadata: strings for the file's own metadata (model hash, config hash, versions).
        """
        ...

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Write what belongs to the whole data set (`metadata.csv`, `classes.csv`); idempotent."""
        ...

    def card(self, schema: Schema) -> dict[str, Any]:
        """YAML front matter for the data set's README: `configs` (with `data_files`) and `dataset_info` where known."""
        ...
