"""The two ready-made sources: records in memory, and records behind a load function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Schema
from synthgen.errors import DataError

__all__ = ["ArraySource", "LazySource", "ThroughFile"]


class ThroughFile(Protocol):
    """What the file format of a source's records does to records that are stored in it."""

    def __call__(self, records: Records, *, seed: int = 0) -> tuple[Records, str]:
        """The records as they would be read back, and a sentence for the reader; empty where nothing changes."""
        ...


class ArraySource:
    """A source whose records are in memory.

    Args:
        schema: what one record is.
        records: all of them.
        groups: `(N,)` records of one group never part at splitting.
        official_split: `(N,)` of `"train"` and `"test"` where the data set comes with a split.
        notes: sentences for the user.
        through_file: what storing does to records, where it does anything; `evaluate` asks for it.
        names: what the data calls each record: its file, the id of its series; `score` says them.
    """

    def __init__(
        self,
        schema: Schema,
        records: Records,
        *,
        groups: NDArray[Any] | None = None,
        official_split: NDArray[Any] | None = None,
        notes: Sequence[str] = (),
        through_file: ThroughFile | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        _check_size(len(records))
        self.schema = schema
        self.records = records
        self.labels = records.label
        self.groups = groups
        self.official_split = official_split
        self.notes = tuple(notes)
        self.through_file = through_file
        self.names = names

    def __len__(self) -> int:
        return len(self.records)

    def read(self, indices: NDArray[np.int64]) -> Records:
        """The records at these positions."""
        return self.records.take(indices)


class LazySource:
    """A source that loads records when they are asked for.

    Args:
        schema: what one record is.
        size: number of records.
        load: `(indices) -> Records`, in the order of the indices.
        labels: `(N,)` index into `schema.labels`, or None.
        groups, official_split, notes, through_file, names: see `ArraySource`.
        blocks: `(K,)` positions where records begin that are read together, such as the row groups of a file; a
            source that has them is read near to itself in training.
    """

    def __init__(
        self,
        schema: Schema,
        size: int,
        load: Callable[[NDArray[np.int64]], Records],
        *,
        labels: NDArray[np.int64] | None = None,
        groups: NDArray[Any] | None = None,
        official_split: NDArray[Any] | None = None,
        notes: Sequence[str] = (),
        through_file: ThroughFile | None = None,
        blocks: NDArray[np.int64] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        _check_size(size)
        self.schema = schema
        self.labels = labels
        self.groups = groups
        self.official_split = official_split
        self.notes = tuple(notes)
        self.through_file = through_file
        self.blocks = blocks
        self.names = names
        self._size = size
        self._load = load

    def __len__(self) -> int:
        return self._size

    def read(self, indices: NDArray[np.int64]) -> Records:
        """The records at these positions, loaded now."""
        return self._load(indices)


def _check_size(size: int) -> None:
    if size < 1:
        raise DataError(
            "the data holds no records", hint="`synthgen inspect PATH` shows what was understood of a file."
        )
