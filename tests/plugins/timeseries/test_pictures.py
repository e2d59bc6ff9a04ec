"""Figures: what is asked for is on the axis, for every shape of data."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.modality import TimeSeries


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
