"""Figures: what is asked for is on the axis, for every shape of data."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthgen_timeseries import dynamics
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.modality import TimeSeries

from synthgen.api import Palette, Records
from synthgen.evaluation.figures import PALETTE, themed_svg


def test_a_record_is_drawn_with_a_line_a_channel(two_classes):
    schema, records = two_classes
    axis = Figure().add_subplot()
    TimeSeries().draw(axis, records, 3, schema)
    assert len(axis.lines) == 2


def test_lines_show_the_record_in_its_own_units_when_channels_are_comparable(ragged):
    schema, records = ragged
    axis = Figure().add_subplot()
    TimeSeries().draw(axis, records, 2, schema)
    drawn = axis.lines[1].get_ydata()
    np.testing.assert_allclose(drawn, records["values"][2, 1, :7])


@pytest.mark.parametrize("by_channel", [True, False])
def test_heat_is_drawn_for_steps_and_for_channels(by_channel, ragged):
    schema, records = ragged
    heat = np.linspace(0, 1, 40).reshape(2, 20) if by_channel else np.linspace(0, 1, 20)
    axis = Figure().add_subplot()
    TimeSeries().draw(axis, records, 0, schema, heat=heat)
    assert len(axis.collections if by_channel else axis.images) == (2 if by_channel else 1)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_overview_has_a_row_a_class_and_real_beside_synthetic(labelled, two_classes, other_two_classes):
    schema, records = two_classes
    if not labelled:
        source = Collection(list(records["values"].astype(float)), channels_named(["wave", "noise"])).source()
        schema, records = source.schema, source.read(np.arange(40))
    figure = TimeSeries().overview(records, other_two_classes, schema)
    figure.savefig(io.BytesIO(), format="png")
    assert len(figure.axes) == (8 if labelled else 4)
    titles = [axis.get_title() for axis in figure.axes[:2]]
    assert titles == ["wave: real", "wave: synthetic"]


def test_the_overview_bears_a_class_without_synthetic_records(two_classes):
    schema, records = two_classes
    figure = TimeSeries().overview(records, records.take(records.label == 0), schema)
    figure.savefig(io.BytesIO(), format="png")
    assert any(text.get_text() == "none" for axis in figure.axes for text in axis.texts)


def _drawn(schema, records, other):
    colours = Palette("#111111", "#222222", "#333333", "#0000ff", "#ff0000")
    return {one.title: one.draw(colours) for one in TimeSeries().drawings(schema, records, records, other)}


def test_the_report_has_six_pictures_with_a_caption_each(two_classes, other_two_classes):
    schema, records = two_classes
    made = TimeSeries().drawings(schema, records, records, other_two_classes)
    assert [one.title for one in made] == [
        "Fans",
        "Where the series lie",
        "Autocorrelation",
        "Power spectrum",
        "Correlation of the channels",
        "Nearest neighbours",
    ]
    assert all("Good:" in one.caption for one in made)


def test_fans_show_the_quantiles_of_each_class_on_both_sides(two_classes, other_two_classes):
    schema, records = two_classes
    axes = _drawn(schema, records, other_two_classes)["Fans"].axes
    assert len(axes) == 4
    slow = records.take(records.label == 1)["values"][:, 0]
    drawn = [line.get_ydata() for line in axes[2].lines if line.get_color() == "#0000ff"]
    assert any(np.allclose(line, np.median(slow, axis=0)) for line in drawn)
    assert len(axes[2].collections) == 4


def test_the_neighbour_of_a_copy_is_the_copied_series(two_classes):
    schema, records = two_classes
    for axis in _drawn(schema, records, records)["Nearest neighbours"].axes:
        first, second = (line.get_ydata() for line in axis.lines)
        np.testing.assert_array_equal(first, second)
        assert float(axis.get_title().rpartition("distance ")[2]) < 1e-5  # some processors add up in another order


def test_curves_and_correlations_are_those_of_the_metrics(two_classes, other_two_classes):
    schema, records = two_classes
    drawn = _drawn(schema, records, other_two_classes)
    curve = drawn["Autocorrelation"].axes[0].lines[1].get_ydata()
    np.testing.assert_allclose(curve, dynamics.autocorrelation(other_two_classes["values"])[0])
    shown = drawn["Correlation of the channels"].axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, np.corrcoef(records["values"].transpose(1, 0, 2).reshape(2, -1)), atol=1e-6)


def test_one_channel_has_no_correlations_and_gaps_and_lengths_are_drawn(ragged):
    schema, records = ragged
    many = records.take(np.arange(24) % 6)
    assert len(_drawn(schema, many, many)) == 6
    one = Records({k: v[:, :1] if v.ndim == 3 else v for k, v in many.columns.items()}, many.label)
    scale = {"scale": schema.extra["scale"][:1]}
    alone = replace(schema, shape=(1, 20), channels=schema.channels[:1], extra={**schema.extra, **scale})
    assert "Correlation of the channels" not in _drawn(alone, one, one)


def test_pictures_follow_the_readers_scheme(two_classes, other_two_classes):
    schema, records = two_classes
    for one in TimeSeries().drawings(schema, records, records, other_two_classes):
        text = base64.b64decode(themed_svg(one.draw(PALETTE)).partition(",")[2]).decode()
        assert "var(--synthetic)" in text or "Correlation" in one.title
        assert PALETTE.ink not in text
