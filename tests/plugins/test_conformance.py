"""The conformance suite passes our modalities and refuses modalities that break one promise, saying which."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthgen import registry
from synthgen.api import Batch, Records, Schema
from synthgen.data.attributes import described
from synthgen.data.source import ArraySource
from synthgen.testing import ConformanceError, Subject, check_modality, modality_checks, subject

OURS = ("image", "mask", "timeseries", "vectors")
REAL = "timeseries"


@cache
def ours(name: str) -> Subject:
    return subject(name)


@pytest.mark.parametrize("check", modality_checks())
@pytest.mark.parametrize("name", OURS)
def test_our_modalities_keep_every_promise(name: str, check: str) -> None:
    modality_checks()[check](ours(name))


class Altered:
    """A real object with some of its attributes replaced; a replacement function gets the real object first."""

    def __init__(self, real: Any, **replacements: Any) -> None:
        self.real = real
        self.replacements = replacements

    def __getattr__(self, name: str) -> Any:
        if name not in self.replacements:
            return getattr(self.real, name)
        replacement = self.replacements[name]
        if not callable(replacement):
            return replacement
        return lambda *arguments, **named: replacement(self.real, *arguments, **named)


class AlteredCodec(Altered):
    def fit(self, batches: Any) -> AlteredCodec:
        self.real.fit(batches)
        return self

    def load_state(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> AlteredCodec:
        if "load_state" in self.replacements:
            self.replacements["load_state"](self.real, facts, tensors)
        else:
            self.real.load_state(facts, tensors)
        return self


def with_codec(**replacements: Any) -> Any:
    return Altered(registry.modality(REAL), codec=lambda real, schema: AlteredCodec(real.codec(schema), **replacements))


def with_judge(**replacements: Any) -> Any:
    def judge(real: Any, schema: Schema, **options: Any) -> Any:
        altered = Altered(real.judge(schema, **options), **replacements)
        altered.replacements.setdefault("fit", lambda inner, records: (inner.fit(records), altered)[1])
        return altered

    return Altered(registry.modality(REAL), judge=judge)


def noisy(codec: Any, records: Records) -> Batch:
    batch: Batch = codec.encode(records)
    return dataclasses.replace(batch, x=batch.x + 1e-5 * torch.rand_like(batch.x))


def coarse(codec: Any, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
    decoded: Records = codec.decode(torch.zeros_like(x), conditions)
    return decoded


def forgetful(codec: Any, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
    return Records(codec.decode(x, conditions).columns)


def in_float64(codec: Any, records: Records) -> Batch:
    batch: Batch = codec.encode(records)
    return dataclasses.replace(batch, x=batch.x.double())


def unscaled(codec: Any, records: Records) -> Batch:
    batch: Batch = codec.encode(records)
    return dataclasses.replace(batch, x=batch.x * 100)


def without_conditions(codec: Any, records: Records) -> Batch:
    return dataclasses.replace(codec.encode(records), conditions={})


def leaking_figure(real: Any, first: Records, second: Records, schema: Schema) -> Any:
    from matplotlib import pyplot

    return pyplot.figure()


BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "name": (lambda: Altered(registry.modality(REAL), name="other"), "`name` is 'other'"),
    "demo": (lambda: Altered(registry.modality(REAL), demo="nowhere"), "nowhere"),
    "formats": (lambda: Altered(registry.modality(REAL), formats=("papyrus",)), "`formats` names 'papyrus'"),
    "no formats": (lambda: Altered(registry.modality(REAL), formats=()), "`formats` is empty"),
    "presets": (lambda: Altered(registry.modality(REAL), presets=lambda real: {}), 'key "default"'),
    "preset with a typo": (
        lambda: Altered(registry.modality(REAL), presets=lambda real: {"default": {"network": {"widht": 3}}}),
        "network.widht",
    ),
    "encode in float64": (lambda: with_codec(encode=in_float64), "must be float32"),
    "encode unscaled": (lambda: with_codec(encode=unscaled), "scale it to about 0.5"),
    "encode without conditions": (lambda: with_codec(encode=without_conditions), "no condition 'label'"),
    "encode at random": (lambda: with_codec(encode=noisy), "nothing in a codec may be random"),
    "decode loses the values": (lambda: with_codec(decode=coarse), "decode(encode(r))"),
    "decode loses the labels": (lambda: with_codec(decode=forgetful), 'labels from conditions["label"]'),
    "state not JSON": (lambda: with_codec(state=lambda codec: ({"path": Path()}, {})), "must be JSON-able"),
    "state forgotten": (lambda: with_codec(load_state=lambda codec, facts, tensors: None), "codec state"),
    "flatten in float64": (
        lambda: Altered(registry.modality(REAL), flatten=lambda real, *given: real.flatten(*given).astype(float)),
        "flatten gave float64",
    ),
    "flatten depends on the others": (
        lambda: Altered(
            registry.modality(REAL), flatten=lambda real, *given: real.flatten(*given) + np.float32(len(given[0]))
        ),
        "must not depend on the others",
    ),
    "no judge and no reason": (
        lambda: Altered(registry.modality(REAL), judge=lambda real, schema, **options: None, missing_judge=None),
        "say why",
    ),
    "judge that fails": (
        lambda: with_judge(evaluate=lambda inner, records: 1 / 0),
        "raised ZeroDivisionError",
    ),
    "drawing nothing": (
        lambda: Altered(registry.modality(REAL), draw=lambda real, *arguments, **options: None),
        "draw left the axis empty",
    ),
    "leaking figures": (lambda: Altered(registry.modality(REAL), overview=leaking_figure), "opened pyplot figures"),
}


def with_attributes() -> ArraySource:
    """The demo set, each record with a place and an age."""
    real = ours(REAL).source
    records = real.read(np.arange(len(real)))
    place, places = described("place", ["north", "south", None, "east"] * (len(records) // 4))
    age, ages = described("age", np.linspace(20, 60, len(records)))
    told = (*real.schema.conditions, place.condition, age.condition)
    schema = dataclasses.replace(real.schema, conditions=told, attributes=(place, age))
    columns = {**records.columns, "place": places, "age": ages}
    return ArraySource(schema, Records(columns, records.label))


def test_a_modality_with_attributes_keeps_every_promise() -> None:
    check_modality(REAL, source=with_attributes(), records=24)


@pytest.mark.parametrize(
    ("codec", "sentence"),
    [
        ({"decode": lambda real, x, told: real.decode(x, {k: v for k, v in told.items() if k != "age"})}, "decode"),
        ({"encode": lambda real, records: without_nulls(real.encode(records))}, "must encode to its null"),
    ],
)
def test_a_codec_that_forgets_attributes_is_refused(codec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConformanceError) as raised:
        check_modality(REAL, modality=with_codec(**codec), source=with_attributes(), records=24)
    assert sentence in str(raised.value)


def without_nulls(batch: Batch) -> Batch:
    told = {name: value.clamp_min(0) if name == "place" else value for name, value in batch.conditions.items()}
    return dataclasses.replace(batch, conditions=told)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_modality_is_refused_with_a_sentence_that_names_the_fault(fault: str) -> None:
    make, sentence = BROKEN[fault]
    try:
        with pytest.raises(ConformanceError) as raised:
            check_modality(REAL, modality=make(), source=ours(REAL).source, records=30)
    finally:
        if fault == "leaking figures":
            from matplotlib import pyplot

            pyplot.close("all")
    assert sentence in str(raised.value)
