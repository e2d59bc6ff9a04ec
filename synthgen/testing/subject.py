"""What the checks of a modality work on: its demo set, a small balanced sample of it, and the sample encoded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Batch, Codec, Modality, Records, Schema, Source
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.testing.conformance import demand, guarded

__all__ = ["Subject", "balanced", "subject", "unlabelled"]


@dataclass(frozen=True)
class Subject:
    """A modality with what its checks need: the demo set, a small balanced sample of it, and the sample encoded."""

    name: str
    modality: Modality
    source: Source
    records: Records
    codec: Codec
    batch: Batch
    registered: bool = True
    """Whether this is what `registry.modality(name)` gives, on its own demo set; only that can be trained by name."""

    @property
    def schema(self) -> Schema:
        """Of the demo set."""
        return self.source.schema


def subject(name: str, *, modality: Modality | None = None, source: Source | None = None, records: int = 64) -> Subject:
    """Open the demo set, take a sample with every class, and fit the codec on it.

    Raises:
        ConformanceError: one of these steps fails.
    """

    def prepare() -> Subject:
        chosen = registry.modality(name) if modality is None else modality
        data = open_source(name, DataConfig(path=chosen.demo)) if source is None else source
        demand(isinstance(data, Source), f"the demo set is a {type(data).__name__}; it must have what api.Source lists")
        sample = data.read(balanced(data, records))
        codec = chosen.codec(data.schema)
        half = len(sample) // 2
        fitted = codec.fit(iter([sample.take(slice(0, half)), sample.take(slice(half, None))]))
        demand(fitted is codec, "codec.fit must return the codec itself (`return self`)")
        registered = modality is None and source is None
        return Subject(name, chosen, data, sample, codec, codec.encode(sample), registered)

    return guarded("opening the demo set and fitting the codec", prepare)


def balanced(source: Source, records: int) -> NDArray[np.int64]:
    """Positions of at most `records` records, the classes as equal as can be, ascending."""
    n = len(source)
    if source.labels is None:
        return np.arange(min(n, records))
    rank = np.empty(n, dtype=np.int64)  # position of each record within its class
    for label in np.unique(source.labels):
        members = np.flatnonzero(source.labels == label)
        rank[members] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:records])


def unlabelled(schema: Schema) -> Schema:
    """The schema that the same data would have without its labels."""
    rest = tuple(condition for condition in schema.conditions if condition.name != "label")
    return dataclasses.replace(schema, labels=(), conditions=rest)
