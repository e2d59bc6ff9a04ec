"""Attributes: described from raw columns, told to the denoiser and read back, translated between schemas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.api import Attribute, Channel, Records, Schema
from synthgen.data.attribute_codec import attribute_columns, attribute_conditions, from_condition, to_condition
from synthgen.data.attributes import described, recoded
from synthgen.errors import DataError


def schema_of(*attributes: Attribute) -> Schema:
    return Schema(
        "toy",
        (1, 4),
        (Channel("value"),),
        conditions=tuple(attribute.condition for attribute in attributes),
        attributes=attributes,
    )


def test_a_column_says_what_kind_it_is():
    place, codes = described("place", ["b", None, "a", "10", "9"])
    assert (place.kind, place.values, codes.tolist()) == ("category", ("9", "10", "a", "b"), [3, -1, 2, 1, 0])
    age, years = described("age", [30, float("nan"), 51], unit="years")
    assert (age.kind, age.low, age.high, age.integer, age.unit) == ("number", 30, 51, True, "years")
    assert np.isnan(years[1])
    tags, held = described("tags", [["old", "blue"], [], None])
    assert (tags.kind, tags.values, held.tolist()) == ("members", ("blue", "old"), [[1, 1], [0, 0], [-1, -1]])


def test_positive_numbers_of_very_different_size_are_told_as_logarithms():
    dose, column = described("dose", np.geomspace(0.01, 1000, 50))
    assert dose.logarithmic
    told = to_condition(dose, column)[:, 0].numpy()
    assert np.allclose(np.diff(told), 2 / 49, atol=1e-5)
    assert not described("temperature", np.linspace(1, 40, 50))[0].logarithmic


@pytest.mark.parametrize(
    ("cells", "kind", "said"),
    [([None, ""], None, "no value"), ([1.0, float("inf")], None, "infinite"), ([1, "x"], "number", "not a number")],
)
def test_columns_that_are_no_attribute_are_refused(cells, kind, said):
    with pytest.raises(DataError, match=said):
        described("x", cells, kind=kind)


@settings(deadline=None, max_examples=80)
@given(
    numbers=st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=30),
    names=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=30),
)
def test_what_is_told_can_be_read_back(numbers, names):
    size = min(len(numbers), len(names))
    given_names = [*names[: size - 1], "a"]
    number, column = described("number", numbers[:size])
    back = from_condition(number, to_condition(number, column))
    assert np.abs(back - column).max() <= 2e-6 * max(number.high - number.low, 1e-3) + 1e-6
    place, codes = described("place", given_names)
    tags, held = described("tags", [None if name is None else [name] for name in given_names])
    schema = schema_of(number, place, tags)
    records = Records({"values": np.zeros((size, 1, 4)), "number": column, "place": codes, "tags": held})
    conditions = attribute_conditions(records, schema)
    found = attribute_columns(conditions, schema, size)
    assert np.array_equal(found["place"], codes)
    assert np.array_equal(found["tags"], held)
    for condition in schema.conditions:
        told = conditions[condition.name]
        assert told.shape == ((size,) if condition.kind == "class" else (size, condition.size))


def test_what_nobody_knows_is_null_and_comes_back_as_unknown():
    place, _ = described("place", ["a", "b"])
    age, _ = described("age", [1, 2])
    schema = schema_of(place, age)
    told = attribute_conditions(Records({"values": np.zeros((3, 1, 4))}), schema)
    assert told["place"].tolist() == [-1] * 3
    assert torch.isnan(told["age"]).all()
    found = attribute_columns({}, schema, 3)
    assert found["place"].tolist() == [-1] * 3
    assert np.isnan(found["age"]).all()


def test_a_derived_attribute_is_a_condition_and_no_column():
    length = Attribute("length", "number", low=1, high=9, integer=True, derived=True)
    schema = schema_of(length)
    assert schema.conditions[0].kind == "vector"
    assert attribute_conditions(Records({"values": np.zeros((2, 1, 4))}), schema) == {}
    assert attribute_columns({"length": torch.zeros(2, 1)}, schema, 2) == {}


def test_a_schema_with_attributes_survives_json_and_one_of_before_still_reads():
    schema = schema_of(described("place", ["a", "b"])[0], described("age", [1.5, 2], unit="years")[0])
    assert Schema.from_json(schema.to_json()) == schema
    older = schema.to_json().replace('"attributes"', '"of_no_meaning"')
    assert Schema.from_json(older) == dataclasses.replace(schema, attributes=())


def test_another_set_is_translated_and_unknown_names_are_unknown():
    run, _ = described("place", ["a", "b", "c"])
    new, codes = described("place", ["b", "z", "b"])
    found = recoded({"values": np.zeros(3), "place": codes}, schema_of(new), schema_of(run))
    assert found["place"].tolist() == [1, -1, 1]
    digits, column = described("place", [1, 2, float("nan")])
    named = Attribute("place", "category", values=("1", "2"))
    assert recoded({"place": column}, schema_of(digits), schema_of(named))["place"].tolist() == [0, 1, -1]
    run_tags = Attribute("tags", "members", values=("x", "y"))
    text, cells = described("tags", ["x;y", "y", ""])
    assert recoded({"tags": cells}, schema_of(text), schema_of(run_tags))["tags"].tolist() == [[1, 1], [0, 1], [-1, -1]]
