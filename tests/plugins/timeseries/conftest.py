"""Small sets of series made from formulas."""

from __future__ import annotations

import numpy as np
import pytest
from synthgen_timeseries.collection import Collection, channels_named

from synthgen.api import Records, Schema


def _classes(size: int, seed: int) -> Collection:
    """Two classes that differ in frequency, two channels, 40 steps, noise that no class shares."""
    rng = np.random.default_rng(seed)
    steps = np.arange(40)
    series, label = [], []
    for index in range(size):
        slow = index % 2 == 0
        phase = rng.uniform(0, 2 * np.pi)
        wave = np.sin(steps * (0.3 if slow else 0.9) + phase)
        series.append(np.stack([10 * wave, 3 + 0.1 * rng.standard_normal(40)]))
        label.append("slow" if slow else "fast")
    return Collection(series, channels_named(["wave", "noise"]), label)


@pytest.fixture
def two_classes():
    """`(schema, records)` of 40 labelled series."""
    source = _classes(40, 0).source()
    return source.schema, source.read(np.arange(40))


@pytest.fixture
def other_two_classes():
    """40 more of the same kind."""
    return _classes(40, 1).source().read(np.arange(40))


@pytest.fixture
def ragged() -> tuple[Schema, Records]:
    """`(schema, records)` with unequal lengths, gaps, and a channel of whole numbers."""
    rng = np.random.default_rng(3)
    series = []
    for length in (12, 20, 7, 15, 20, 9):
        one = np.stack([rng.standard_normal(length) * 5 + 100, rng.integers(0, 9, length).astype(float)])
        one[0, 2:4] = np.nan
        series.append(one)
    collection = Collection(series, channels_named(["level", "count"], integer=["count"]), list("aabbab"))
    source = collection.source()
    return source.schema, source.read(np.arange(6))
