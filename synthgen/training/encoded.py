"""Training data as tensors: small sets encoded once and kept, large ones encoded batch by batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen.api import Batch, Codec, Source
from synthgen.data.order import Order, Shuffled
from synthgen.seeding import generator

__all__ = ["EncodedData", "joined"]

_CACHE_BYTES = 2 << 30
_CHUNK = 1024


class EncodedData:
    """Part of a source, encoded.

    Args:
        source: where the records are.
        indices: which of them, int64.
        codec: fitted.
        seed: of the order.
    """

    def __init__(self, source: Source, indices: NDArray[np.int64], codec: Codec, *, seed: int) -> None:
        self.order: Order = Shuffled(len(indices), seed)
        self._source = source
        self._indices = indices
        self._codec = codec
        self._seed = seed
        self._cache: Batch | None = None
        size = int(np.prod(source.schema.shape)) * 4 * len(indices)
        if size <= _CACHE_BYTES:
            self._cache = joined([self._encode(indices[i : i + _CHUNK]) for i in range(0, len(indices), _CHUNK)])

    def __len__(self) -> int:
        return len(self._indices)

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
