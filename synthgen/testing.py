"""The conformance suite for modalities, in the manner of scikit-learn's `check_estimator`.

    from synthgen.testing import check_modality

    def test_my_modality():
        check_modality("spectra")

Each failure is a `ConformanceError` whose sentence says what to change. `modality_checks()` gives the checks one by
one, for a test report with a line each.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Batch, Codec, Modality, Records, Schema, Source, Writer, WrittenFile
from synthgen.config import DataConfig, resolve
from synthgen.data.opening import open_source

__all__ = ["ConformanceError", "Subject", "check_modality", "modality_checks", "subject"]

_T = TypeVar("_T")


class ConformanceError(AssertionError):
    """A modality breaks a promise of `synthgen.api`; the message says which and what to change."""


@dataclass(frozen=True)
class Subject:
    """A modality with what its checks need: the demo set, a small balanced sample of it, and the sample encoded."""

    name: str
    modality: Modality
    source: Source
    records: Records
    codec: Codec
    batch: Batch

    @property
    def schema(self) -> Schema:
        """Of the demo set."""
        return self.source.schema


def check_modality(
    name: str, *, modality: Modality | None = None, source: Source | None = None, records: int = 64
) -> None:
    """Run every check on a registered modality and its demo set.

    Args:
        name: as registered, with its readers, writers and demo set.
        modality: check this object instead of the registered one.
        source: check with this data instead of the demo set.
        records: how many records of the data are used.

    Raises:
        ConformanceError: at the first broken promise.
    """
    under_test = subject(name, modality=modality, source=source, records=records)
    for check in modality_checks().values():
        check(under_test)


def modality_checks() -> Mapping[str, Callable[[Subject], None]]:
    """Name -> check, in the order in which `check_modality` runs them; for `pytest.mark.parametrize`."""
    return {check.__name__.removeprefix("_check_"): _sentence(check) for check in _CHECKS}


def subject(name: str, *, modality: Modality | None = None, source: Source | None = None, records: int = 64) -> Subject:
    """Open the demo set, take a sample with every class, and fit the codec on it.

    Raises:
        ConformanceError: one of these steps fails.
    """

    def prepare() -> Subject:
        chosen = registry.modality(name) if modality is None else modality
        data = open_source(name, DataConfig(path=chosen.demo)) if source is None else source
        _demand(
            isinstance(data, Source), f"the demo set is a {type(data).__name__}; it must have what api.Source lists"
        )
        sample = data.read(_balanced(data, records))
        codec = chosen.codec(data.schema)
        half = len(sample) // 2
        fitted = codec.fit(iter([sample.take(slice(0, half)), sample.take(slice(half, None))]))
        _demand(fitted is codec, "codec.fit must return the codec itself (`return self`)")
        return Subject(name, chosen, data, sample, codec, codec.encode(sample))

    return _guarded("opening the demo set and fitting the codec", prepare)


def _check_names(it: Subject) -> None:
    _demand(it.modality.name == it.name, f"`name` is {it.modality.name!r}; it must be the registered {it.name!r}")
    demos = registry.names("datasets", it.name)
    _demand(it.modality.demo in demos, f"`demo` is {it.modality.demo!r}; synthgen_datasets provides {demos}")
    writers = registry.names("writers", it.name)
    _demand(len(it.modality.formats) > 0, "`formats` is empty; name at least one writer, the default first")
    for form in it.modality.formats:
        _demand(form in writers, f"`formats` names {form!r}; synthgen_writers provides {writers}")


def _check_configuration(it: Subject) -> None:
    presets = it.modality.presets()
    _demand("default" in presets, 'presets() must have the key "default"')
    chosen = it.modality.configure(it.schema, len(it.source))
    for name, preset in presets.items():
        config = resolve([{"modality": it.name}, chosen, preset])
        _demand(config.modality == it.name, f"preset {name!r} changes the modality")
        registry.find("networks", config.network.name)
        registry.find("samplers", config.sampling.sampler)


def _check_schema(it: Subject) -> None:
    schema = it.schema
    _demand(schema.modality == it.name, f"schema.modality is {schema.modality!r}; it must be {it.name!r}")
    _demand(len(schema.shape) in (2, 3), f"schema.shape is {schema.shape}; it must be (C, L) or (C, H, W)")
    again = Schema.from_json(schema.to_json())
    _demand(again == schema, "the schema changes in a JSON round trip; use only lists, dicts and strings in `extra`")
    if schema.labels:
        first = schema.conditions[0] if schema.conditions else None
        right = first is not None and (first.name, first.kind, first.size) == ("label", "class", len(schema.labels))
        _demand(right, f'with labels, conditions[0] must be Condition("label", "class", {len(schema.labels)})')


def _check_source(it: Subject) -> None:
    indices = np.array([3, 0, 1])
    records = it.source.read(indices)
    _demand(len(records) == 3, f"source.read of 3 indices gave {len(records)} records")
    _same(records, it.source.read(indices), "source.read twice with the same indices must give the same records")
    one = it.source.read(indices[:1])
    _same(records.take(slice(0, 1)), one, "source.read must give the records in the order of the indices")
    labels = it.source.labels
    _demand(
        (labels is None) == (not it.schema.labels), "source.labels must be None exactly when schema.labels is empty"
    )
    if labels is not None:
        _demand(labels.dtype == np.int64, f"source.labels is {labels.dtype}; it must be int64")
        _demand(len(labels) == len(it.source), f"{len(labels)} labels for {len(it.source)} records")
        inside = labels.min() >= 0 and labels.max() < len(it.schema.labels)
        _demand(bool(inside), "source.labels must be indices into schema.labels")
        right = records.label is not None and np.array_equal(records.label, labels[indices])
        _demand(right, "the labels of source.read must be source.labels at the same indices")


def _check_encoded_shapes(it: Subject) -> None:
    x, observed, n = it.batch.x, it.batch.observed, len(it.records)
    _demand(x.dtype == torch.float32, f"encode gave x of {x.dtype}; it must be float32")
    wanted = (n, *it.schema.shape)
    _demand(tuple(x.shape) == wanted, f"encode gave x of shape {tuple(x.shape)}; schema.shape asks for {wanted}")
    _demand(
        bool(torch.isfinite(x).all()), "encode gave NaN or infinity; fill missing values and mark them in `observed`"
    )
    _demand(
        observed is None or observed.shape == x.shape, "`observed` must be None or have the shape of x (loss weights)"
    )
    spread = float(x.std())
    _demand(0.1 < spread < 2, f"the encoded demo set has standard deviation {spread:.3g}; scale it to about 0.5")
    for condition in it.schema.conditions:
        value = it.batch.conditions.get(condition.name)
        _demand(value is not None, f"encode gives no condition {condition.name!r}, which the schema lists")
        assert value is not None
        shape, dtype = ((n,), torch.int64) if condition.kind == "class" else ((n, condition.size), torch.float32)
        right = tuple(value.shape) == shape and value.dtype == dtype
        _demand(
            right, f"condition {condition.name!r} must be {dtype} of shape {shape}, not {value.dtype} {value.shape}"
        )


def _check_round_trip(it: Subject) -> None:
    back = it.codec.decode(it.batch.x.clone(), it.batch.conditions)
    _alike(it.records, back, "decode(encode(r))")


def _check_decode_is_legal(it: Subject) -> None:
    noise = torch.randn(it.batch.x.shape, generator=torch.Generator().manual_seed(0)) * 3
    for what, x in (("noise", noise), ("zeros", torch.zeros_like(noise)), ("large values", noise * 1e4)):
        records = it.codec.decode(x, it.batch.conditions)
        _demand(len(records) == len(noise), f"decode of {len(noise)} x gave {len(records)} records")
        for name, column in it.records.columns.items():
            _demand(
                name in records.columns, f"decode of {what} gave no column {name!r}, which the source's records have"
            )
            got = records[name].dtype
            _demand(got == column.dtype, f"decode gave {name!r} as {got}, the source has {column.dtype}")
        again = it.codec.encode(records).x
        finite = bool(torch.isfinite(again).all())
        _demand(finite, f"decode of {what} gave records that encode to NaN; clip to the legal range in decode")


def _check_labels_are_kept(it: Subject) -> None:
    if it.records.label is None:
        return
    told = torch.from_numpy(it.records.label[::-1].copy())
    decoded = it.codec.decode(it.batch.x.clone(), {**it.batch.conditions, "label": told})
    right = decoded.label is not None and np.array_equal(decoded.label, told.numpy())
    _demand(right, 'decode must take the labels from conditions["label"], whatever x looks like')


def _check_codec_is_deterministic(it: Subject) -> None:
    before = {name: column.copy() for name, column in it.records.columns.items()}
    again = it.codec.encode(it.records)
    _demand(torch.equal(again.x, it.batch.x), "encode twice gave different x; nothing in a codec may be random")
    _same(Records(before), Records(it.records.columns), "encode must not change its records")
    x = it.batch.x.clone()
    first, second = (it.codec.decode(x, it.batch.conditions) for _ in range(2))
    _same(first, second, "decode twice gave different records; nothing in a codec may be random")
    _demand(torch.equal(x, it.batch.x), "decode must not change its x")
    few = it.codec.encode(it.records.take(slice(0, 3)))
    _demand(torch.allclose(few.x, it.batch.x[:3]), "encode of a record must not depend on the others in the batch")


def _check_codec_state(it: Subject) -> None:
    import safetensors.torch

    facts, tensors = it.codec.state()
    try:
        facts = json.loads(json.dumps(facts))
    except TypeError as error:
        raise ConformanceError(f"codec.state()[0] must be JSON-able: {error}") from error
    plain = all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    _demand(plain, "codec.state()[1] must be a dict of torch tensors")
    tensors = safetensors.torch.load(safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}))
    fresh = it.modality.codec(it.schema)
    loaded = fresh.load_state(facts, tensors)
    _demand(loaded is fresh, "codec.load_state must return the codec itself (`return self`)")
    _demand(torch.equal(loaded.encode(it.records).x, it.batch.x), "a codec with loaded state encodes differently")
    ours, theirs = (codec.decode(it.batch.x.clone(), it.batch.conditions) for codec in (it.codec, loaded))
    _same(ours, theirs, "a codec with loaded state decodes differently")


def _check_writers_and_readers(it: Subject) -> None:
    for form in it.modality.formats:
        with tempfile.TemporaryDirectory() as folder:
            _check_one_format(it, form, Path(folder))


def _check_one_format(it: Subject, form: str, folder: Path) -> None:
    writer: Writer = registry.create("writers", form, it.name)
    n, files = len(it.records), []
    for shard, rows in enumerate(np.array_split(np.arange(n), 2)):
        columns: dict[str, NDArray[Any]] = {
            "sample_id": rows.astype(np.int64),
            "seed": rows.astype(np.uint64),
            "guidance": np.ones(len(rows), dtype=np.float32),
        }
        files += writer.write(folder, shard, 2, it.records.take(rows), columns, it.schema, {"synthgen": "conformance"})
    for repeat in ("once", "twice"):
        finished = writer.finish(folder, it.schema, 2)
        for file in [*files, *finished]:
            _check_written(file, folder, f"writer {form} (finished {repeat})")
    listed = {file.path for file in [*files, *finished]}
    present = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    kept_for_finish = {path for path in present if path.parts[0].startswith(".") and len(path.parts) > 1}
    visible = {path.as_posix() for path in present - kept_for_finish}
    listed -= {path.as_posix() for path in kept_for_finish}
    _demand(visible == listed, f"writer {form} left files that it does not list, or the reverse: {visible ^ listed}")
    _demand(isinstance(writer.card(it.schema), dict), f"writer {form}: card() must return a dict")
    opened = open_source(it.name, DataConfig(path=str(folder)))
    _demand(len(opened) == n, f"format {form}: {n} records written, {len(opened)} read back by the modality's readers")
    back = opened.read(np.arange(n))
    wanted, found = (_named(records, schema) for records, schema in ((it.records, it.schema), (back, opened.schema)))
    _demand(sorted(wanted) == sorted(found), f"format {form}: the labels change when written and read back")
    before, after = it.modality.flatten(it.records, it.schema), it.modality.flatten(back, it.schema)
    _demand(before.shape == after.shape, f"format {form}: flatten gave {before.shape} before and {after.shape} after")
    tolerance = 1e-3 * (float(before.std()) or 1.0)
    for row, name in zip(before, wanted, strict=True):
        errors = np.abs(after - row).max(axis=1)
        errors[np.array(found) != name] = np.inf
        _demand(
            errors.min() <= tolerance, f"format {form}: a record of {name or 'the set'} does not come back as it was"
        )


def _check_written(file: WrittenFile, folder: Path, who: str) -> None:
    path = folder / file.path
    _demand(path.is_file(), f"{who} lists {file.path}, which is not there")
    data = path.read_bytes()
    right = (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    _demand(right, f"{who}: size or sha256 of {file.path} is not that of the file; take it after the last write")


def _check_judge(it: Subject) -> None:
    judge = it.modality.judge(it.schema, seed=0)
    if judge is None:
        reason = getattr(it.modality, "missing_judge", None)
        _demand(bool(reason), "judge() gave None; say why in the attribute or method `missing_judge`")
        return
    outcome = judge.fit(it.records).evaluate(it.records)
    n = len(it.records)
    _demand(isinstance(judge.measure, str) and bool(judge.measure), "judge.measure must name the measure")
    _demand(len(outcome) == n, f"the judge's outcome has length {len(outcome)} for {n} records")
    value = outcome.value()
    _demand(bool(np.isfinite(value)), f"outcome.value() is {value}")
    once = outcome.value(np.ones(n))
    _demand(bool(np.isclose(value, once)), f"outcome.value() is {value}, with all weights 1 it is {once}")
    weights = np.zeros(n)
    weights[: n // 2] = 2
    half = judge.evaluate(it.records.take(slice(0, n // 2))).value()
    close = bool(np.isclose(outcome.value(weights), half, atol=0.02))
    _demand(close, "outcome.value(weights) must count each record weights[i] times; weight 0 leaves it out")
    for name, each in outcome.per_class().items():
        _demand(isinstance(name, str) and bool(np.isfinite(each)), f"outcome.per_class() gave {name!r}: {each}")


def _check_embedder(it: Subject) -> None:
    embedder = it.modality.embedder(it.schema, seed=0).fit(it.records)
    _demand(isinstance(embedder.name, str) and bool(embedder.name), "embedder.name must be a short name")
    features = embedder.transform(it.records)
    _check_vectors(features, len(it.records), "embedder.transform")
    again = np.array_equal(features, embedder.transform(it.records))
    _demand(again, "embedder.transform twice gave different features; switch dropout off after fit")


def _check_flatten(it: Subject) -> None:
    vectors = it.modality.flatten(it.records, it.schema)
    _check_vectors(vectors, len(it.records), "flatten")
    alone = it.modality.flatten(it.records.take([2]), it.schema)
    _demand(np.allclose(alone[0], vectors[2]), "flatten of a record must not depend on the others")


def _check_figures(it: Subject) -> None:
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    before = set(pyplot.get_fignums())
    for heat in (None, np.ones(it.schema.shape[1:]), np.ones(it.schema.shape)):
        figure = Figure(figsize=(2, 2))
        axis = figure.add_subplot()
        it.modality.draw(axis, it.records, 0, it.schema, heat=heat)
        figure.savefig(io.BytesIO(), format="png")
        _demand(axis.has_data(), "draw left the axis empty")
    half = len(it.records) // 2
    overview = it.modality.overview(it.records, it.records.take(slice(0, half)), it.schema)
    _demand(isinstance(overview, Figure), f"overview returned {type(overview).__name__}, expected a matplotlib Figure")
    overview.savefig(io.BytesIO(), format="png")
    leaked = set(pyplot.get_fignums()) - before
    _demand(not leaked, "draw or overview opened pyplot figures; make `matplotlib.figure.Figure` objects instead")


_CHECKS: tuple[Callable[[Subject], None], ...] = (
    _check_names,
    _check_configuration,
    _check_schema,
    _check_source,
    _check_encoded_shapes,
    _check_round_trip,
    _check_decode_is_legal,
    _check_labels_are_kept,
    _check_codec_is_deterministic,
    _check_codec_state,
    _check_flatten,
    _check_writers_and_readers,
    _check_figures,
    _check_embedder,
    _check_judge,
)


def _demand(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConformanceError(sentence)


def _sentence(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
    what = check.__name__.removeprefix("_check_").replace("_", " ")
    return lambda it: _guarded(f"{it.name}: {what}", lambda: check(it))


def _guarded(what: str, action: Callable[[], _T]) -> _T:
    try:
        return action()
    except ConformanceError as error:
        raise ConformanceError(f"{what}: {error}") from error.__cause__
    except Exception as error:
        raise ConformanceError(f"{what}: raised {type(error).__name__}: {error}") from error


def _balanced(source: Source, records: int) -> NDArray[np.int64]:
    n = len(source)
    if source.labels is None:
        return np.arange(min(n, records))
    rank = np.empty(n, dtype=np.int64)  # position of each record within its class
    for label in np.unique(source.labels):
        members = np.flatnonzero(source.labels == label)
        rank[members] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:records])


def _named(records: Records, schema: Schema) -> list[str]:
    if records.label is None:
        return [""] * len(records)
    return [schema.labels[index] for index in records.label]


def _check_vectors(vectors: NDArray[Any], n: int, who: str) -> None:
    right = vectors.ndim == 2 and len(vectors) == n and vectors.dtype == np.float32
    _demand(right, f"{who} gave {vectors.dtype} {vectors.shape}; it must be float32 ({n}, D)")
    _demand(bool(np.isfinite(vectors).all()), f"{who} gave NaN or infinity; impute missing values")


def _same(first: Records, second: Records, sentence: str) -> None:
    same = list(first.columns) == list(second.columns) and all(
        np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first.columns
    )
    labels = (first.label is None) == (second.label is None)
    if first.label is not None and second.label is not None:
        same = same and np.array_equal(first.label, second.label)
    _demand(same and labels, sentence)


def _alike(wanted: Records, found: Records, what: str) -> None:
    columns = list(wanted.columns)
    _demand(list(found.columns) == columns, f"{what} has the columns {list(found.columns)}, the source {columns}")
    observed = wanted.columns.get("observed")
    for name, column in wanted.columns.items():
        back = found[name]
        right = back.shape == column.shape and back.dtype == column.dtype
        _demand(right, f"{what}: column {name!r} is {back.dtype} {back.shape}, was {column.dtype} {column.shape}")
        if column.dtype.kind == "f":
            seen = observed if observed is not None and observed.shape == column.shape else np.isfinite(column)
            error = np.abs(back[seen] - column[seen]).max(initial=0)
            limit = 0.01 * (float(column[seen].std()) or 1.0)
            _demand(error <= limit, f"{what}: column {name!r} is off by {error:.3g}; at most {limit:.3g} is allowed")
        elif name != "observed":
            share = float(np.mean(back != column))
            _demand(share <= 0.01, f"{what}: {share:.1%} of the values of column {name!r} change")
