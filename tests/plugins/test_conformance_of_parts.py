"""The checks of metrics, writers, samplers and networks pass our own and say what is wrong with broken ones."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from synthgen import registry
from synthgen.api import Batch, Metric, Records, Source
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.diffusion.samplers import DDIM, Sampler, Task
from synthgen.io.atomic import write_text
from synthgen.io.atomic import written as written_file
from synthgen.nn.unet import UNet
from synthgen.testing import (
    ConformanceError,
    check_metric,
    check_modality,
    check_network,
    check_sampler,
    check_writer,
)
from synthgen.testing.codec import CODEC_CHECKS

KIND = "timeseries"


@cache
def series() -> Source:
    return open_source(KIND, DataConfig(path="gunpoint"))


# --- samplers ---------------------------------------------------------------------------------------------------------


NEED_MORE = ("consistency", "repaint")
"""The exact denoiser is no consistency function, and 128 evaluations are 32 levels for what takes each step 4 times."""


@pytest.mark.parametrize("name", [name for name in registry.names("samplers") if name not in NEED_MORE])
def test_our_samplers_pass(name: str) -> None:
    check_sampler(name)


def forgets_conditions(task: Task) -> Any:
    return DDIM.method(dataclasses.replace(task, conditions={}))


def twice(task: Task) -> Any:
    def asked_twice(*arguments: Any) -> Any:
        task.denoiser(*arguments)
        return task.denoiser(*arguments)

    return DDIM.method(dataclasses.replace(task, denoiser=asked_twice))


def to_zero(task: Task) -> Any:
    return task.clean(task.x, 0.0)


def flattened(task: Task) -> Any:
    return DDIM.method(task).flatten(1)


def in_place(task: Task) -> Any:
    found = DDIM.method(task)
    task.x.zero_()
    return found


def global_noise(task: Task) -> Any:
    return DDIM.method(task) + 1e-3 * torch.randn(task.x.shape)


def mixing(task: Task) -> Any:
    found = DDIM.method(task)
    return found - found.mean(dim=0, keepdim=True)


def stops_early(task: Task) -> Any:
    return DDIM.method(task) * 1.2


SAMPLERS: dict[str, tuple[Any, str]] = {
    "no sampler": (DDIM.method, "must be a synthgen.diffusion.samplers.Sampler"),
    "steps not whole": (
        Sampler(DDIM.method, steps=lambda evaluations, settings: evaluations / 2),
        "whole number of grid steps",
    ),
    "over budget": (
        Sampler(twice, steps=lambda evaluations, settings: evaluations),
        "let steps() return fewer grid steps",
    ),
    "without conditions": (dataclasses.replace(DDIM, method=forgets_conditions), "hand `conditions` to the denoiser"),
    "asks at zero": (dataclasses.replace(DDIM, method=to_zero), "asks the denoiser at sigma 0"),
    "other shape": (dataclasses.replace(DDIM, method=flattened), "shape and type must stay"),
    "global randomness": (dataclasses.replace(DDIM, method=global_noise), "take the noise of step k from noise(k)"),
    "mixes the batch": (dataclasses.replace(DDIM, method=mixing), "treat each row of x alone"),
    "wrong law": (dataclasses.replace(DDIM, method=stops_early), "check the step formula"),
}


@pytest.mark.parametrize("fault", SAMPLERS)
def test_a_broken_sampler_is_refused(fault: str) -> None:
    sampler, sentence = SAMPLERS[fault]
    with pytest.raises(ConformanceError) as raised:
        check_sampler("broken", sampler=sampler)
    assert sentence in str(raised.value)


def test_a_sampler_that_overwrites_its_start_is_refused() -> None:
    """The start is scaled on the way, so the fault must reach the tensor that was handed over."""
    with pytest.raises(ConformanceError, match="changes its x in place"):
        check_sampler("broken", sampler=dataclasses.replace(DDIM, method=in_place))


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes"), [("unet", ((2, 12), (1, 8, 7))), ("dit", ((2, 12),)), ("grid", ((2, 12),))]
)
def test_our_networks_pass(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    check_network(name, shapes=shapes)


class Cropped(UNet):
    def forward(self, x: Any, noise: Any, conditions: Any) -> Any:
        return super().forward(x, noise, conditions)[..., 1:]


class Deaf(UNet):
    def forward(self, x: Any, noise: Any, conditions: Any) -> Any:
        return super().forward(x, noise, {})


class Timeless(UNet):
    def forward(self, x: Any, noise: Any, conditions: Any) -> Any:
        return super().forward(x, torch.zeros_like(noise), conditions)


class Demanding(UNet):
    def forward(self, x: Any, noise: Any, conditions: Any) -> Any:
        known = {"label": torch.zeros(len(x), dtype=torch.int64), **conditions}
        return super().forward(x, noise, known)


class Mixed(UNet):
    def forward(self, x: Any, noise: Any, conditions: Any) -> Any:
        y = super().forward(x, noise, conditions)
        return y - y.mean(dim=0, keepdim=True)


class Spare(UNet):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spare = nn.Linear(2, 2)


def narrow(shape: Any, conditions: Any, *, width: int) -> nn.Module:
    return UNet(shape, conditions, width=width)


NETWORKS: dict[str, tuple[Callable[..., nn.Module], str]] = {
    "options": (narrow, "it must take (shape, conditions, *, width"),
    "shape": (Cropped, "the shape must stay"),
    "label": (Deaf, "does not depend on the label"),
    "noise level": (Timeless, "does not depend on the noise level"),
    "null": (Demanding, "a missing condition must mean null"),
    "batch": (Mixed, "depends on the others in its batch"),
    "idle parameters": (Spare, "no gradient reaches spare.weight"),
}


@pytest.mark.parametrize("fault", NETWORKS)
def test_a_broken_network_is_refused(fault: str) -> None:
    network, sentence = NETWORKS[fault]
    with pytest.raises(ConformanceError) as raised:
        check_network("broken", network=network)
    assert sentence in str(raised.value)


# --- metrics ----------------------------------------------------------------------------------------------------------


def spread(real: Records, synthetic: Records, context: Mapping[str, Any]) -> dict[str, Any]:
    """Ratio of the standard deviations of all values."""
    value = float(np.std(synthetic["values"]) / np.std(real["values"]))
    return {"value": value, "ci": (value - 0.1, value + 0.1), "floor": 1.0, "better": "floor"}


def test_a_sound_metric_passes_on_every_kind_of_record() -> None:
    check_metric("spread", modality=KIND, metric=spread, source=series())


def test_a_sound_metric_object_passes_too() -> None:
    measured = Metric(lambda real, synthetic, context: spread(real, synthetic, context)["value"], "floor", "Spread.")
    check_metric("spread", modality=KIND, metric=measured, source=series())


def ruins(real: Records, synthetic: Records, context: Any) -> Any:
    real["values"][:] = 0
    return {"value": 1.0}


def counting() -> Callable[..., Any]:
    counter = itertools.count()
    return lambda real, synthetic, context: {"value": float(next(counter))}


METRICS: dict[str, tuple[Any, str]] = {
    "no function": (3, "must be a synthgen.api.Metric or a function"),
    "no definition": (Metric(lambda real, synthetic, context: 1.0, "lower", " "), "its `definition` is empty"),
    "unknown cost": (Metric(lambda real, synthetic, context: 1.0, "lower", "One.", cost="free"), "`cost` is 'free'"),
    "unknown direction": (Metric(lambda real, synthetic, context: 1.0, "up", "One."), "`better` is 'up'"),
    "a bare number": (lambda real, synthetic, context: 0.5, "return a mapping with `value`"),
    "no value": (lambda real, synthetic, context: {"floor": 1.0}, "has no `value`"),
    "not a number": (lambda real, synthetic, context: {"value": float("nan")}, "must be a finite number"),
    "unknown field": (lambda real, synthetic, context: {"value": 1.0, "interval": (0, 1)}, "['interval']"),
    "direction": (lambda real, synthetic, context: {"value": 1.0, "better": "up"}, "`better` is 'up'"),
    "interval": (lambda real, synthetic, context: {"value": 1.0, "ci": (2.0, 1.0)}, "must be (low, high)"),
    "floor": (lambda real, synthetic, context: {"value": 1.0, "floor": float("inf")}, "`floor` is 'inf'"),
    "changes its records": (ruins, "work on copies"),
    "another number each time": (counting(), "measuring twice gave different rows"),
    "needs labels": (
        lambda real, synthetic, context: {"value": float(synthetic.label.mean())},
        "with records without labels it raised AttributeError",
    ),
    "needs equal sides": (
        lambda real, synthetic, context: {"value": float(np.abs(real["values"] - synthetic["values"]).mean())},
        "with sides of unequal size it raised ValueError",
    ),
}


@pytest.mark.parametrize("fault", METRICS)
def test_a_broken_metric_is_refused(fault: str) -> None:
    metric, sentence = METRICS[fault]
    with pytest.raises(ConformanceError) as raised:
        check_metric("broken", modality=KIND, metric=metric, source=series(), records=32)
    assert sentence in str(raised.value)


def test_a_metric_may_not_bear_the_name_of_a_row_of_the_report() -> None:
    with pytest.raises(ConformanceError, match="give the metric another name"):
        check_metric("fd", modality=KIND, metric=spread, source=series())


# --- writers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names("writers", KIND))
def test_our_writers_pass_on_a_second_data_set(name: str) -> None:
    check_writer(name, modality=KIND, source=series(), records=24)


class Faulty:
    """The wide Parquet writer with one fault."""

    def __init__(self) -> None:
        self.real: Any = registry.create("writers", "parquet", KIND)

    def write(self, directory: Path, shard: int, shards: int, records: Records, *rest: Any) -> Any:
        return self.real.write(directory, shard, shards, records, *rest)

    def finish(self, directory: Path, schema: Any, shards: int) -> Any:
        return self.real.finish(directory, schema, shards)

    def card(self, schema: Any) -> Any:
        return self.real.card(schema)


class Untidy(Faulty):
    def write(self, directory: Path, *rest: Any) -> Any:
        write_text(directory / "notes.txt", "left here")
        return super().write(directory, *rest)


class Dishonest(Faulty):
    def write(self, *given: Any) -> Any:
        return [dataclasses.replace(file, bytes=file.bytes + 1) for file in super().write(*given)]


class Undercounting(Faulty):
    def write(self, *given: Any) -> Any:
        return [dataclasses.replace(file, records=1) for file in super().write(*given)]


class Rounding(Faulty):
    def write(self, directory: Path, shard: int, shards: int, records: Records, *rest: Any) -> Any:
        rounded = Records({**records.columns, "values": np.round(records["values"])}, records.label)
        return super().write(directory, shard, shards, rounded, *rest)


class Relabelling(Faulty):
    def write(self, directory: Path, shard: int, shards: int, records: Records, *rest: Any) -> Any:
        label = None if records.label is None else np.zeros_like(records.label)
        return super().write(directory, shard, shards, Records(records.columns, label), *rest)


class Losing(Faulty):
    def write(self, directory: Path, shard: int, shards: int, records: Records, columns: Any, *rest: Any) -> Any:
        fewer = {name: column[1:] for name, column in columns.items()}
        files = super().write(directory, shard, shards, records.take(slice(1, None)), fewer, *rest)
        return [dataclasses.replace(file, records=file.records + 1) for file in files]


class Overwriting(Faulty):
    def write(self, directory: Path, shard: int, shards: int, records: Records, *rest: Any) -> Any:
        files = super().write(directory, shard, shards, records, *rest)
        records["values"][:] += 1
        return files


class Dated(Faulty):
    runs = itertools.count()

    def write(self, directory: Path, shard: int, shards: int, *rest: Any) -> Any:
        files = super().write(directory, shard, shards, *rest)
        path = directory / f"made-{shard}.txt"
        write_text(path, str(next(self.runs)))
        return [*files, written_file(directory, path, 0)]


class Labelled(Faulty):
    def write(self, directory: Path, shard: int, shards: int, records: Records, *rest: Any) -> Any:
        assert records.label is not None
        return super().write(directory, shard, shards, records, *rest)


class Silent(Faulty):
    def card(self, schema: Any) -> Any:
        return None


WRITERS: dict[type[Faulty], str] = {
    Untidy: "files that it does not list",
    Dishonest: "take it after the last write",
    Undercounting: "claim 1 records",
    Rounding: "does not come back as it was",
    Relabelling: "the labels change",
    Losing: "records written,",
    Overwriting: "must not change the records",
    Dated: "write no time, name or random number",
    Labelled: "raised AssertionError",
    Silent: "card() must return a dict",
}


@pytest.mark.parametrize("fault", WRITERS)
def test_a_broken_writer_is_refused(fault: type[Faulty]) -> None:
    copied = series().read(np.arange(16))
    from synthgen.data.source import ArraySource

    source = ArraySource(series().schema, Records({k: v.copy() for k, v in copied.columns.items()}, copied.label))
    with pytest.raises(ConformanceError) as raised:
        check_writer("broken", modality=KIND, writer=fault, source=source)
    assert WRITERS[fault] in str(raised.value)


# --- what the codec checks know beside the faults of test_conformance -------------------------------------------------


class Codec:
    """The real codec with one method replaced."""

    def __init__(self, real: Any, **replaced: Callable[..., Any]) -> None:
        self.real, self.replaced = real, replaced

    def __getattr__(self, name: str) -> Any:
        if name in self.replaced:
            return lambda *given: self.replaced[name](self.real, *given)
        return getattr(self.real, name)

    def fit(self, batches: Any) -> Any:
        self.real.fit(batches)
        return self


class Modality:
    def __init__(self, **replaced: Callable[..., Any]) -> None:
        self.real, self.replaced = registry.modality(KIND), replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def codec(self, schema: Any) -> Any:
        return Codec(self.real.codec(schema), **self.replaced)


def invents_labels(codec: Any, records: Records) -> Batch:
    label = np.zeros(len(records), dtype=np.int64) if records.label is None else records.label
    batch: Batch = codec.encode(dataclasses.replace(records, label=label))
    return batch


def always_labelled(codec: Any, x: Any, conditions: Any) -> Records:
    records: Records = codec.decode(x, conditions)
    label = np.zeros(len(records), dtype=np.int64) if records.label is None else records.label
    return dataclasses.replace(records, label=label)


def mixes_rows(codec: Any, x: Any, conditions: Any) -> Records:
    records: Records = codec.decode(x, conditions)
    shift = np.float32(1e-6 * len(records))
    return Records({**records.columns, "values": records["values"] + shift}, records.label)


CODECS: dict[str, tuple[dict[str, Callable[..., Any]], str]] = {
    "invents labels": ({"encode": invents_labels}, "or to -1 for each"),
    "labels without being told": ({"decode": always_labelled}, "conditions has no 'label'; give None"),
    "decode mixes rows": ({"decode": mixes_rows}, "decode of a record must not depend on the others"),
}


@pytest.mark.parametrize("fault", CODECS)
def test_a_codec_that_mishandles_labels_or_batches_is_refused(fault: str) -> None:
    replaced, sentence = CODECS[fault]
    with pytest.raises(ConformanceError) as raised:
        check_modality(KIND, modality=Modality(**replaced), source=series(), records=24)
    assert sentence in str(raised.value)


def test_every_codec_check_is_run() -> None:
    from synthgen.testing import modality_checks

    assert {check.__name__.removeprefix("_check_") for check in CODEC_CHECKS} <= set(modality_checks())
