"""Training data as tensors: small sets encoded once and kept, large ones encoded batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen.api import Batch, Codec, Source
from synthgen.data.order import Order, Shuffled
from synthgen.seeding import generator

__all__ = ["EncodedData", "joined", "pieces"]

_CHUNK = 1024
_LARGE_CHUNK = 32_768
_LARGE = 200_000


class EncodedData:
    """Part of a source, encoded.

    Args:
        source: where the records are.
        indices: which of them, int64.
        codec: fitted.
        seed: of the order.
        memory_gib: sets that are larger are encoded batch by batch.
    """

    def __init__(
        self, source: Source, indices: NDArray[np.int64], codec: Codec, *, seed: int, memory_gib: float = 2.0
    ) -> None:
        self.order: Order = Shuffled(len(indices), seed)
        self._source = source
        self._indices = indices
        self._codec = codec
        self._seed = seed
        self._cache: Batch | None = None
        if self.record_bytes * len(indices) <= memory_gib * 2**30:
            self._cache = joined([self._encode(piece) for piece in pieces(indices)])

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def record_bytes(self) -> int:
        """Of one record as float32."""
        return int(np.prod(self._source.schema.shape)) * 4

    @property
    def kept(self) -> bool:
        """Whether all of it is in memory."""
        return self._cache is not None

    @property
    def blocks(self) -> NDArray[np.int64] | None:
        """Where, within this part, records begin that are read together; None where that does not matter."""
        starts = getattr(self._source, "blocks", None)
        return None if self.kept or starts is None else np.searchsorted(self._indices, starts)

    def at(self, positions: NDArray[np.int64]) -> Batch:
        """The records at positions within this part."""
        if self._cache is None:
            return self._encode(self._indices[positions])
        rows = torch.from_numpy(positions)
        observed = self._cache.observed
        return Batch(
            self._cache.x[rows],
            None if observed is None else observed[rows],
            {name: values[rows] for name, values in self._cache.conditions.items()},
        )

    def step(self, samples_seen: int, batch_size: int, progress: float) -> Batch:
        """The batch of a training step after `samples_seen` records, at this share of training."""
        return self.at(self.order.positions(samples_seen, batch_size, progress))

    def sample(self, count: int) -> Batch:
        """A fixed selection of at most `count` records."""
        order = generator(self._seed, "selection").permutation(len(self))
        return self.at(np.sort(order[:count]))

    def _encode(self, indices: NDArray[np.int64]) -> Batch:
        return self._codec.encode(self._source.read(indices))


def pieces(indices: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The positions in runs that are read at once."""
    step = _CHUNK if len(indices) <= _LARGE else _LARGE_CHUNK
    for start in range(0, len(indices), step):
        yield indices[start : start + step]


def joined(batches: list[Batch]) -> Batch:
    """Batches one after the other."""
    observed = [batch.observed for batch in batches]
    known = [item for item in observed if item is not None]
    if known and len(known) < len(observed):
        known = [torch.ones_like(b.x) if b.observed is None else b.observed for b in batches]
    return Batch(
        torch.cat([batch.x for batch in batches]),
        torch.cat(known) if known else None,
        {name: torch.cat([batch.conditions[name] for batch in batches]) for name in batches[0].conditions},
    )
