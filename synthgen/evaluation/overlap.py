"""Which records of some data are copies of records that the model was trained, stopped, tested or calibrated on.

Exact copies are found by a 64-bit hash of the encoded record, so memory is eight bytes a record of the run's data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Source

__all__ = ["Overlap"]

_PIECE = 1024


@dataclass(frozen=True)
class Overlap:
    """The hashed records of a run's splits."""

    digests: Mapping[str, NDArray[np.uint64]]
    """Part -> sorted hashes of its records; looked up in this order."""
    vectors: Callable[[Records], NDArray[np.float32]]

    @classmethod
    def of(
        cls, source: Source, parts: Mapping[str, NDArray[np.int64]], vectors: Callable[[Records], NDArray[np.float32]]
    ) -> Self:
        """Hash the records of each part (positions in `source`), reading them in pieces."""
        digests = {}
        for name, positions in parts.items():
            hashed = [
                _digests(vectors(source.read(positions[start : start + _PIECE])))
                for start in range(0, len(positions), _PIECE)
            ]
            digests[name] = np.sort(np.concatenate([*hashed, np.empty(0, dtype=np.uint64)]))
        return cls(digests, vectors)

    def part_of(self, records: Records) -> NDArray[np.str_]:
        """`(N,)` the first part that holds a copy of each record, or the empty string."""
        wanted = _digests(self.vectors(records))
        found = np.full(len(wanted), "", dtype=f"<U{max(len(name) for name in self.digests)}")
        for name, known in self.digests.items():
            found[(found == "") & np.isin(wanted, known)] = name
        return found


def _digests(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    return np.array(
        [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest()) for row in rows], dtype=np.uint64
    )
