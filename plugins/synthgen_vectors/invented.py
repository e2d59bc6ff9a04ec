"""Vectors that follow from stated ranges alone: what a private training learns its scaling from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from synthgen.errors import ConfigError
from synthgen.seeding import generator
from synthgen_vectors.collection import vector_source

if TYPE_CHECKING:
    from synthgen.api import Schema, Source

__all__ = ["invent"]

_VECTORS = 2_000


def invent(schema: Schema, ranges: Mapping[str, tuple[float, float]], *, seed: int) -> Source:
    """Uniform and independent over the ranges, classes equally frequent.

    Raises:
        ConfigError: a column without a range.
    """
    missing = [channel.name for channel in schema.channels if channel.name not in ranges]
    if missing:
        raise ConfigError(
            f"the scaling of column {missing[0]} would be learnt from the records, which costs privacy",
            hint=f"State its range (--dp-range {missing[0]}=LOW:HIGH), or name public data: --dp-public PATH.",
        )
    names = [channel.name for channel in schema.channels]
    low, high = (np.array([ranges[name][end] for name in names]) for end in (0, 1))
    values = generator(seed, "invented-vectors").uniform(low, high, (_VECTORS, len(names)))
    whole = np.array([channel.kind == "integer" for channel in schema.channels])
    labels = [schema.labels[index % len(schema.labels)] for index in range(_VECTORS)] if schema.labels else None
    return vector_source(
        np.where(whole, np.rint(values), values),
        names,
        where="the ranges",
        labels=labels,
        label_column=schema.label_column,
    )
