"""Series that follow from stated ranges alone: what a private training learns its scaling from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from synthgen.errors import ConfigError
from synthgen.seeding import generator
from synthgen_timeseries.collection import Collection

if TYPE_CHECKING:
    from synthgen.api import Schema, Source

__all__ = ["invent"]

_SERIES = 2_000
_SHORTEST = 4  # the shortest series is a quarter of the longest, where lengths differ
_KNOWN = {"label", "length"}


def invent(schema: Schema, ranges: Mapping[str, tuple[float, float]], *, seed: int) -> Source:
    """Uniform over the ranges: every second series keeps one level a channel, the others draw each step anew.

    So mean and deviation are those of a uniform distribution, and the largest distance is that of the ranges. Classes
    are equally frequent, lengths uniform where the model is told a length.

    Raises:
        ConfigError: a channel without a range, or a condition that only records can tell.
    """
    missing = [channel.name for channel in schema.channels if channel.name not in ranges]
    if missing:
        raise ConfigError(
            f"the scaling of channel {missing[0]} would be learnt from the records, which costs privacy",
            hint=f"State its range (--dp-range {missing[0]}=LOW:HIGH), or name public data: --dp-public PATH.",
        )
    others = [condition.name for condition in schema.conditions if condition.name not in _KNOWN]
    if others:
        raise ConfigError(
            f"the condition {others[0]} of generated series would be taken from the private ones",
            hint="Name public data of the same kind: --dp-public PATH.",
        )
    draws, (_, steps) = generator(seed, "invented-series"), schema.shape
    low, high = (np.array([ranges[channel.name][end] for channel in schema.channels]) for end in (0, 1))
    told_length = any(condition.name == "length" for condition in schema.conditions)
    series = []
    for index in range(_SERIES):
        length = int(draws.integers(max(1, steps // _SHORTEST), steps + 1)) if told_length else steps
        width = 1 if index % 2 else length
        one = draws.uniform(low[:, None], high[:, None], (len(low), width))
        series.append(np.repeat(one, length, axis=1) if width < length else one)
    label = [schema.labels[(index // 2) % len(schema.labels)] for index in range(_SERIES)] if schema.labels else None
    channels = schema.channels
    return Collection(series, channels, label=label, label_column=schema.label_column, steps=steps).source("the ranges")
