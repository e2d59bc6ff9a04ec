"""Every scaling and every kind of channel goes to the model and back; what comes back is always legal."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthgen_timeseries.codec import SeriesCodec
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.encoding import SCALINGS, code_table, renumbered

from synthgen.api import Channel
from synthgen.config import DataConfig
from synthgen.data.attribute_codec import to_condition
from synthgen.errors import ConfigError


def heavy_tailed(size: int = 200, *, seed: int = 0) -> list[np.ndarray]:
    """Two channels of 16 steps: a lognormal over several decades, and a skew one around 0."""
    rng = np.random.default_rng(seed)
    return [
        np.stack([np.exp(2 * rng.standard_normal(16)), rng.gamma(2, 3, 16) * rng.choice([-1, 1], 16)])
        for _ in range(size)
    ]


def fitted(series, options=None, channels=None):
    source = Collection(series, channels or channels_named(["a", "b"])).source("here", options)
    records = source.read(np.arange(len(source)))
    return source.schema, records, SeriesCodec(source.schema).fit([records])


@pytest.mark.parametrize("scaling", SCALINGS)
def test_each_scaling_comes_back(scaling):
    schema, records, codec = fitted(heavy_tailed(), DataConfig(scaling=scaling))
    batch = codec.encode(records)
    back = codec.decode(batch.x, batch.conditions)["values"]
    assert np.abs(back - records["values"]).max() <= 1e-4 * np.abs(records["values"]).max()
    near = np.abs(records["values"]) < 1
    assert np.abs(back - records["values"])[near].max() < 2e-4
    state = SeriesCodec(schema).load_state(*json_state(codec))
    assert torch.equal(state.encode(records).x, batch.x)
    np.testing.assert_array_equal(state.decode(batch.x, batch.conditions)["values"], back)


def json_state(codec):
    facts, tensors = codec.state()
    return json.loads(json.dumps(facts)), tensors


def test_quantiles_make_any_channel_normal_and_min_max_bounds_it():
    _, records, codec = fitted(heavy_tailed(400), DataConfig(scaling="quantile"))
    x = codec.encode(records).x.numpy() / 0.5
    for channel in range(2):
        assert abs(stats.skew(x[:, channel].ravel())) < 0.05
        assert abs(stats.kurtosis(x[:, channel].ravel())) < 0.2
        assert x[:, channel].std() == pytest.approx(1, abs=0.02)
    _, records, codec = fitted(heavy_tailed(400), DataConfig(scaling="minmax"))
    x = codec.encode(records).x.numpy()
    assert np.allclose([x.min(axis=(0, 2)), x.max(axis=(0, 2))], [[-np.sqrt(3) / 2] * 2, [np.sqrt(3) / 2] * 2])


def test_outliers_do_not_set_a_robust_scale():
    calm = [np.random.default_rng(i).standard_normal((1, 20)) for i in range(50)]
    loud = [*calm[:-1], calm[-1] * 1e4]
    channels = channels_named(["a"])
    for scaling, alike in (("robust", True), ("standard", False)):
        quiet, shaken = (fitted(series, DataConfig(scaling=scaling), channels)[2] for series in (calm, loud))
        records = fitted(calm, None, channels)[1]
        same = torch.allclose(quiet.encode(records).x, shaken.encode(records).x, atol=0.05)
        assert same is alike


def test_single_channels_choose_for_themselves_and_a_typo_is_named():
    series = heavy_tailed()
    options = DataConfig(channel_scaling=("a=quantile",))
    schema, records, codec = fitted(series, options)
    plain = fitted(series)[2]
    x, usual = codec.encode(records).x, plain.encode(records).x
    assert schema.extra["scaling"] == ["quantile", "auto"]
    assert torch.equal(x[:, 1], usual[:, 1])
    assert not torch.equal(x[:, 0], usual[:, 0])
    for wrong in ("c=robust", "a=rubost", "robust"):
        with pytest.raises(ConfigError, match="channel_scaling"):
            fitted(series, DataConfig(channel_scaling=(wrong,)))


def test_scalings_are_fitted_on_observed_values_only():
    series = heavy_tailed(100)
    gaps = [one.copy() for one in series]
    for one in gaps:
        one[0, 3:6] = np.nan
    for scaling in SCALINGS:
        _, records, codec = fitted(gaps, DataConfig(scaling=scaling))
        for fill in (0.0, 1e9):
            filled = dataclasses.replace(
                records, columns={**records.columns, "values": np.where(records["observed"], records["values"], fill)}
            )
            again = SeriesCodec(codec._schema).fit([filled])
            assert torch.equal(again.encode(records).x, codec.encode(records).x)


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 40))
def test_codes_of_names_are_all_different(size):
    table = code_table(size)
    assert len(np.unique(table, axis=0)) == size
    assert set(np.unique(table)) <= {-1.0, 1.0}
    assert table.shape[1] == (1 if size <= 2 else size if size <= 8 else int(np.ceil(np.log2(size))))


@pytest.mark.parametrize("names", [2, 5, 12])
def test_categories_come_back_and_noise_is_always_one_of_them(names):
    rng = np.random.default_rng(0)
    series = [np.stack([rng.standard_normal(10), rng.integers(0, names, 10).astype(float)]) for _ in range(60)]
    series[0][1, 2:4] = np.nan
    channels = (Channel("load"), Channel("mode", "categorical", values=tuple(f"m{i}" for i in range(names))))
    schema, records, codec = fitted(series, None, channels)
    batch = codec.encode(records)
    assert batch.x.shape[1] == schema.shape[0] == 1 + code_table(names).shape[1]
    back = codec.decode(batch.x, batch.conditions)
    known = records["observed"]
    np.testing.assert_array_equal(back["values"][:, 1][known[:, 1]], records["values"][:, 1][known[:, 1]])
    assert (batch.observed[0, 1:, 2:4] == 0).all()
    assert (batch.observed[0, 0] == 1).all()
    noise = codec.decode(torch.randn(300, *schema.shape) * 2, {})["values"][:, 1]
    assert set(np.unique(noise)) <= set(range(names))
    assert len(np.unique(noise)) == names


def test_series_of_names_alone_are_series_too():
    series = [np.array([[0.0, 1, 2, 1, 0]]), np.array([[2.0, 2, 1, 0, 0]])] * 5
    schema, records, codec = fitted(series, None, (Channel("mode", "categorical", values=("a", "b", "c")),))
    batch = codec.encode(records)
    np.testing.assert_array_equal(codec.decode(batch.x, {})["values"], records["values"])
    assert schema.shape == (3, 5)


def test_other_data_numbers_names_in_its_own_way():
    first = (Channel("mode", "categorical", values=("a", "b", "c")),)
    second = (Channel("mode", "categorical", values=("b", "z")),)
    series = [np.array([[0.0, 1, 0]])] * 8
    ours, theirs = (Collection(series, channels).source() for channels in (first, second))
    moved = renumbered(theirs.read(np.arange(1)), theirs.schema, ours.schema)
    assert moved["values"][0, 0].tolist() == [1, 0, 1]
    assert moved["observed"][0, 0].tolist() == [True, False, True]


def test_signs_and_whole_numbers_stay_legal_whatever_is_drawn():
    rng = np.random.default_rng(1)
    series = [np.stack([rng.gamma(1, 1, 20), -rng.gamma(1, 1, 20), rng.integers(-3, 9, 20)]) for _ in range(40)]
    schema, _, codec = fitted(series, None, channels_named(["up", "down", "count"]))
    assert [channel.kind for channel in schema.channels] == ["nonnegative", "continuous", "integer"]
    values = codec.decode(torch.randn(100, *schema.shape) * 3, {})["values"]
    assert values[:, 0].min() == 0
    assert values[:, 1].max() == 0
    assert (values[:, 2] == np.rint(values[:, 2])).all()


def levelled(size: int = 80) -> list[np.ndarray]:
    """Waves whose level and amplitude differ by orders of magnitude between series."""
    rng = np.random.default_rng(2)
    steps = np.arange(24)
    return [
        np.stack([rng.normal(0, 1e3) + np.exp(rng.normal(0, 2)) * np.sin(steps * 0.5 + rng.uniform(0, 6))])
        for _ in range(size)
    ]


def test_level_and_spread_stand_beside_the_shape_and_come_back():
    schema, records, codec = fitted(levelled(), DataConfig(series_norm=True), channels_named(["load"]))
    assert schema.shape == (3, 24)
    assert [attribute.name for attribute in schema.attributes] == ["level", "spread"]
    batch = codec.encode(records)
    back = codec.decode(batch.x, {})["values"]  # without a word: as the model drew them
    spread = records["values"].std(axis=2, keepdims=True)
    assert (np.abs(back - records["values"]) <= 1e-3 * np.maximum(spread, 10)).all()
    shape = batch.x[:, 0]
    assert torch.allclose(shape.std(dim=1), shape.std(dim=1).mean().expand(len(shape)), rtol=0.2)


def test_a_level_that_is_asked_for_is_kept_exactly():
    schema, _, codec = fitted(levelled(), DataConfig(series_norm=True), channels_named(["load"]))
    level = next(attribute for attribute in schema.attributes if attribute.name == "level")
    told = {"level": to_condition(level, np.full(6, 250.0))}
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(6, *schema.shape, generator=generator) * 0.5 for _ in range(2)]
    values = codec.decode(drawn[0], told)["values"]
    assert np.abs(values.mean(axis=2) - 250).max() < 0.1
    free = codec.decode(drawn[1], {"level": torch.full((6, 1), float("nan"))})["values"]
    assert free.mean(axis=2).std() > 100


def test_gaps_flat_series_and_unequal_lengths_come_back_with_their_level():
    rng = np.random.default_rng(4)
    series = [np.stack([rng.normal(0, 50) + rng.standard_normal(length) * 3]) for length in (9, 20, 14, 20) * 10]
    series[1][0, 4:8] = np.nan
    series[2][0] = 7.0
    _, records, codec = fitted(series, DataConfig(series_norm=True), channels_named(["load"]))
    batch = codec.encode(records)
    back = codec.decode(batch.x, batch.conditions)
    error = np.abs(back["values"] - records["values"])[records["observed"]]
    assert error.max() < 1e-3
    np.testing.assert_array_equal(back["length"], records["length"])
