"""The embedded sets and the choices that follow from the data."""

from __future__ import annotations

import numpy as np
import pytest
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.modality import TimeSeries

from synthgen.config import DataConfig, resolve
from synthgen.data.opening import open_source


@pytest.mark.parametrize(
    ("name", "shape", "classes", "train", "test"),
    [("basic-motions", (6, 100), 4, 40, 40), ("gunpoint", (1, 150), 2, 50, 150)],
)
def test_demo_sets_are_the_published_ones(name, shape, classes, train, test):
    source = open_source("timeseries", DataConfig(path=name))
    assert source.schema.shape == shape
    assert len(source.schema.labels) == classes
    split, counts = np.unique(source.official_split, return_counts=True)
    assert dict(zip(split.tolist(), counts.tolist(), strict=True)) == {"train": train, "test": test}


@pytest.mark.parametrize("steps", [1, 24, 100, 500, 5000])
@pytest.mark.parametrize("records", [10, 1000, 100_000])
def test_every_choice_is_a_valid_configuration(steps, records, two_classes):
    import dataclasses

    schema = dataclasses.replace(two_classes[0], shape=(2, steps))
    chosen = TimeSeries().configure(schema, records)
    for preset in TimeSeries().presets().values():
        resolve([{"modality": "timeseries"}, chosen, preset])


def test_several_channels_have_their_covariance_built_in(two_classes):
    import dataclasses

    for channels in (1, 2):
        schema = dataclasses.replace(two_classes[0], shape=(channels, 40))
        assert TimeSeries().configure(schema, 100)["noise"]["covariance"] == (channels > 1)


def test_calm_curves_are_read_with_their_fine_detail_and_rough_ones_without():
    noisy = np.random.default_rng(0)
    curves = [np.sin(2 * np.pi * (np.arange(200) + phase) / 200)[None] for phase in range(10)]
    rough = [curve + noisy.normal(size=curve.shape) for curve in curves]
    found = []
    for series in (curves, rough):
        schema = Collection(series, channels_named(["x"])).source().schema
        found.append(TimeSeries().configure(schema, len(series))["noise"]["details"])
    assert found == [3, 0]
    schema = (
        Collection([np.concatenate([curve, curve]) for curve in curves], channels_named(["x", "y"])).source().schema
    )
    assert TimeSeries().configure(schema, 10)["noise"]["details"] == 0


def test_calm_series_beside_lively_ones_lower_the_smallest_noise_level():
    steps = np.arange(50)
    lively = [np.sin(steps + phase)[None] for phase in range(10)]
    mixed = [*lively, *[0.01 * one for one in lively]]
    smallest = []
    for series in (lively, mixed):
        schema = Collection(series, channels_named(["x"])).source().schema
        chosen = resolve([{"modality": "timeseries"}, TimeSeries().configure(schema, len(series))])
        smallest.append(chosen.noise.sigma_min)
        assert chosen.noise.mean - 2 * chosen.noise.std == pytest.approx(np.log(2 * smallest[-1]), abs=0.05)
    assert smallest[1] < smallest[0] / 3
