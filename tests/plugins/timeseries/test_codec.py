"""Round trips of the codec, whatever the scale, the gaps and the lengths."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthgen_timeseries.codec import SeriesCodec
from synthgen_timeseries.collection import Collection, channels_named

from synthgen.api import Records
from synthgen.data.attribute_codec import to_condition
from synthgen.errors import DataError


@st.composite
def collections(draw):
    """Series of any number of channels, lengths, scales and gaps; the first value of each channel of each is known."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, 4))
    offset = draw(st.sampled_from([0.0, 1.0, -5e3, 1e6]))
    scale = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    gaps = draw(st.sampled_from([0.0, 0.3]))
    whole = draw(st.booleans())
    lengths = draw(st.lists(st.integers(1, 17), min_size=1, max_size=8))
    series = []
    for length in lengths:
        one = offset + scale * rng.standard_normal((channels, length))
        one = np.rint(one) if whole else one
        one[:, 1:][rng.random((channels, length - 1)) < gaps] = np.nan
        series.append(one)
    names = [f"c{index}" for index in range(channels)]
    label = [str(index % 2) for index in range(len(series))]
    return Collection(series, channels_named(names, integer=names if whole else []), label).source()


@settings(deadline=None, max_examples=60)
@given(source=collections())
def test_observed_values_come_back_within_float32_precision_of_their_channel(source):
    records = source.read(np.arange(len(source)))
    codec = SeriesCodec(source.schema).fit([records])
    batch = codec.encode(records)
    back = codec.decode(batch.x, batch.conditions)
    known = records["observed"]
    spread = codec.scale.std[None, :, None] + np.abs(records["values"])
    assert (np.abs(back["values"] - records["values"]) <= 1e-6 * spread)[known].all()
    assert np.array_equal(back["length"], records["length"])
    assert np.array_equal(back.label, records.label)


@settings(deadline=None, max_examples=30)
@given(source=collections(), cut=st.integers(1, 7))
def test_fitting_in_pieces_gives_the_statistics_of_the_whole(source, cut):
    records = source.read(np.arange(len(source)))
    pieces = [records.take(slice(start, start + cut)) for start in range(0, len(records), cut)]
    scale = SeriesCodec(source.schema).fit(pieces).scale
    for channel in range(records["values"].shape[1]):
        known = records["values"][:, channel][records["observed"][:, channel]].astype(np.float64)
        assert scale.mean[channel] == pytest.approx(known.mean(), rel=1e-9, abs=1e-9 * (1 + np.abs(known).max()))
        assert scale.low[channel] == known.min()
        if known.std() > 1e-5 * (1 + np.abs(known).max()):
            assert scale.std[channel] == pytest.approx(known.std(), rel=1e-6)


def test_encoded_values_have_standard_deviation_one_half(two_classes):
    schema, records = two_classes
    x = SeriesCodec(schema).fit([records]).encode(records).x
    assert torch.allclose(x.mean(dim=(0, 2)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(x.std(dim=(0, 2)), torch.full((2,), 0.5), atol=1e-3)


def test_gaps_are_interpolated_without_weight_and_padding_keeps_its_weight(ragged):
    schema, records = ragged
    codec = SeriesCodec(schema).fit([records])
    batch = codec.encode(records)
    values = batch.x[0, 0].double().numpy() * 2 * codec.scale.std[0] + codec.scale.mean[0]
    known = records["values"][0, 0]
    assert values[2] == pytest.approx(known[1] + (known[4] - known[1]) / 3, rel=1e-5)
    assert batch.observed is not None
    assert batch.observed[0, 0].tolist() == [1, 1, 0, 0] + [1] * 16
    assert (batch.x[0, :, 12:] == 0).all()
    assert batch.conditions["length"].flatten().tolist() == pytest.approx(
        [2 * (length - 7) / (20 - 7) - 1 for length in (12, 20, 7, 15, 20, 9)], abs=1e-6
    )


def test_decoding_cuts_at_the_length_that_the_condition_says(ragged):
    schema, records = ragged
    codec = SeriesCodec(schema).fit([records])
    told = to_condition(schema.attributes[0], np.array([4.0, 20.0, 10.02, 140.0, -60.0, np.nan]))
    decoded = codec.decode(torch.randn(6, 2, 20), {"length": told, "label": torch.zeros(6, dtype=torch.int64)})
    assert decoded["length"].tolist() == [4, 20, 10, 20, 1, 20]
    assert decoded["observed"][0].sum(axis=1).tolist() == [4, 4]
    assert (decoded["values"][0, :, 4:] == 0).all()


def test_runs_of_before_there_were_attributes_tell_the_length_as_a_share(ragged):
    schema, records = ragged
    old = dataclasses.replace(schema, attributes=())
    codec = SeriesCodec(old).fit([records])
    batch = codec.encode(records)
    assert batch.conditions["length"].flatten().tolist() == pytest.approx([n / 20 for n in (12, 20, 7, 15, 20, 9)])
    assert codec.decode(batch.x, batch.conditions)["length"].tolist() == records["length"].tolist()


def test_decoded_values_stay_near_the_training_range_and_whole_numbers_stay_whole(ragged):
    schema, records = ragged
    codec = SeriesCodec(schema).fit([records])
    decoded = codec.decode(torch.randn(6, 2, 20) * 1e3, {})
    low, high = codec.scale.low, codec.scale.high
    for channel in range(2):
        inside = decoded["values"][:, channel][decoded["observed"][:, channel]]
        edge = 0.1 * (high[channel] - low[channel]) + 1e-3
        assert inside.min() >= low[channel] - edge - 0.5
        assert inside.max() <= high[channel] + edge + 0.5
    assert np.array_equal(decoded["values"][:, 1], np.rint(decoded["values"][:, 1]))


def test_shorter_records_are_padded_and_longer_ones_refused(two_classes):
    schema, records = two_classes
    codec = SeriesCodec(schema).fit([records])
    short = Records(
        {
            "values": records["values"][:, :, :25],
            "observed": records["observed"][:, :, :25],
            "length": np.full(len(records), 25, dtype=np.int32),
        },
        records.label,
    )
    assert torch.equal(codec.encode(short).x[:, :, :25], codec.encode(records).x[:, :, :25])
    small = SeriesCodec(dataclasses.replace(schema, shape=(2, 30))).fit([records])
    with pytest.raises(DataError, match="a series of 40 steps is longer than the 30"):
        small.encode(records)


def _restless_and_calm():
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(50)[None] * rng.uniform(0.2, 1, (30, 1))) * 40
    wave[::3] *= 0.01
    return Collection(list(wave[:, None] + 7), channels_named(["x"]), ["calm", "wild", "wild"] * 10).source()


def test_calm_series_beside_lively_ones_get_room_and_come_back_exactly():
    source = _restless_and_calm()
    records = source.read(np.arange(30))
    codec = SeriesCodec(source.schema).fit([records])
    batch = codec.encode(records)
    calm = records.label == 0
    share = records["values"][calm].std() / records["values"].std()
    assert float(batch.x[calm].std()) > 2 * share * 0.5  # twice what a straight line leaves them
    assert float(batch.x.std()) == pytest.approx(0.5, rel=1e-3)
    back = codec.decode(batch.x, batch.conditions)
    np.testing.assert_allclose(back["values"], records["values"], rtol=1e-5, atol=1e-5)
    order = np.argsort(records["values"].ravel(), kind="stable")
    assert (np.diff(batch.x.numpy().ravel()[order]) >= 0).all()


def test_series_that_drift_through_a_level_keep_the_linear_scale():
    levels = np.linspace(-50, 50, 40)[:, None, None] + np.random.default_rng(0).standard_normal((40, 1, 30))
    source = Collection(list(levels), channels_named(["x"])).source()
    records = source.read(np.arange(40))
    x = SeriesCodec(source.schema).fit([records]).encode(records).x.numpy()
    values = records["values"].astype(np.float64)
    np.testing.assert_allclose(x, (values - values.mean()) / values.std() * 0.5, atol=1e-5)


def test_a_channel_measured_in_steps_is_decoded_to_its_steps_and_others_are_not():
    rng = np.random.default_rng(0)
    walk = rng.standard_normal((300, 3, 32)).cumsum(axis=2)
    walk[:, 0] = np.round(walk[:, 0] * 2) * 0.37  # an instrument with a step
    walk[:, 2] = np.maximum(walk[:, 2], 0.0)  # often the same, but continuous
    names = channels_named(["stepped", "continuous", "stuck"], integer=[])
    source = Collection(list(walk), names, None).source()
    records = source.read(np.arange(len(source)))
    codec = SeriesCodec(source.schema).fit([records.take(slice(0, 150)), records.take(slice(150, 300))])
    batch = codec.encode(records)
    drawn = batch.x + 0.01 * torch.randn(batch.x.shape, generator=torch.Generator().manual_seed(0))
    again = SeriesCodec(source.schema).load_state(*codec.state())
    for each in (codec, again):
        found = each.decode(drawn, batch.conditions)["values"]
        steps = found[:, 0] / 0.37
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert np.mean(found[:, 0] == records["values"][:, 0]) > 0.9
        assert np.isin(found[:, 1], records["values"][:, 1]).mean() < 0.01
        assert np.isin(found[:, 2][found[:, 2] > 0], records["values"][:, 2]).mean() < 0.01
