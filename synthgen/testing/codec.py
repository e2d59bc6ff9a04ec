"""Checks of a modality's codec: shapes, round trip, legality, labels known, missing and absent, determinism, state."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import torch

from synthgen.api import Records
from synthgen.testing.conformance import ConformanceError, alike, demand, same
from synthgen.testing.subject import Subject, unlabelled

__all__ = ["CODEC_CHECKS"]


def _check_encoded_shapes(it: Subject) -> None:
    x, observed, n = it.batch.x, it.batch.observed, len(it.records)
    demand(x.dtype == torch.float32, f"encode gave x of {x.dtype}; it must be float32")
    wanted = (n, *it.schema.shape)
    demand(tuple(x.shape) == wanted, f"encode gave x of shape {tuple(x.shape)}; schema.shape asks for {wanted}")
    demand(
        bool(torch.isfinite(x).all()), "encode gave NaN or infinity; fill missing values and mark them in `observed`"
    )
    demand(
        observed is None or observed.shape == x.shape, "`observed` must be None or have the shape of x (loss weights)"
    )
    spread = float(x.std())
    demand(0.1 < spread < 2, f"the encoded demo set has standard deviation {spread:.3g}; scale it to about 0.5")
    for condition in it.schema.conditions:
        value = it.batch.conditions.get(condition.name)
        demand(value is not None, f"encode gives no condition {condition.name!r}, which the schema lists")
        assert value is not None
        shape, dtype = ((n,), torch.int64) if condition.kind == "class" else ((n, condition.size), torch.float32)
        right = tuple(value.shape) == shape and value.dtype == dtype
        demand(right, f"condition {condition.name!r} must be {dtype} of shape {shape}, not {value.dtype} {value.shape}")


def _check_round_trip(it: Subject) -> None:
    back = it.codec.decode(it.batch.x.clone(), it.batch.conditions)
    alike(it.records, back, "decode(encode(r))")


def _check_decode_is_legal(it: Subject) -> None:
    noise = torch.randn(it.batch.x.shape, generator=torch.Generator().manual_seed(0)) * 3
    for what, x in (("noise", noise), ("zeros", torch.zeros_like(noise)), ("large values", noise * 1e4)):
        records = it.codec.decode(x, it.batch.conditions)
        demand(len(records) == len(noise), f"decode of {len(noise)} x gave {len(records)} records")
        for name, column in it.records.columns.items():
            demand(
                name in records.columns, f"decode of {what} gave no column {name!r}, which the source's records have"
            )
            got = records[name].dtype
            demand(got == column.dtype, f"decode gave {name!r} as {got}, the source has {column.dtype}")
        again = it.codec.encode(records).x
        finite = bool(torch.isfinite(again).all())
        demand(finite, f"decode of {what} gave records that encode to NaN; clip to the legal range in decode")


def _check_labels_are_kept(it: Subject) -> None:
    if it.records.label is None:
        return
    told = torch.from_numpy(it.records.label[::-1].copy())
    decoded = it.codec.decode(it.batch.x.clone(), {**it.batch.conditions, "label": told})
    right = decoded.label is not None and np.array_equal(decoded.label, told.numpy())
    demand(right, 'decode must take the labels from conditions["label"], whatever x looks like')


def _check_missing_labels(it: Subject) -> None:
    if it.records.label is None:
        return
    n = len(it.records)
    batch = it.codec.encode(Records(it.records.columns))
    found = batch.conditions.get("label")
    null = found is None or bool((found == -1).all())
    demand(null, "records without labels must encode to no condition 'label', or to -1 for each")
    right = batch.x.shape == it.batch.x.shape and torch.allclose(batch.x, it.batch.x)
    demand(right, "x must not depend on the labels: encode of the same records without labels gave another x")
    rest = {name: value for name, value in batch.conditions.items() if name != "label"}
    decoded = it.codec.decode(batch.x.clone(), rest)
    demand(len(decoded) == n, "decode must work where conditions has no 'label' (generation without labels)")
    demand(decoded.label is None, "decode gave labels though conditions has no 'label'; give None")
    some = it.records.label.copy()
    some[0] = -1
    partly = it.codec.encode(dataclasses.replace(it.records, label=some)).conditions.get("label")
    kept = partly is not None and partly.tolist() == some.tolist()
    demand(kept, "a record whose label is -1 (unknown) must encode to the condition -1, the others to their label")


def _check_unconditional_data(it: Subject) -> None:
    schema, records = unlabelled(it.schema), Records(it.records.columns)
    codec = it.modality.codec(schema).fit(iter([records]))
    batch = codec.encode(records)
    told = sorted(batch.conditions)
    known = {condition.name for condition in schema.conditions}
    demand(
        set(told) <= known, f"unlabelled data is encoded with the conditions {told}; its schema lists {sorted(known)}"
    )
    back = codec.decode(batch.x.clone(), batch.conditions)
    demand(back.label is None, "decode gave labels for a schema without labels; give None")
    alike(records, back, "decode(encode(r)) of unlabelled data")
    it.modality.configure(schema, len(it.source))
    judge = it.modality.judge(schema, seed=0)
    if judge is None:
        reason = getattr(it.modality, "missing_judge", None)
        demand(bool(reason), "judge() of unlabelled data gave None; say why in `missing_judge`")


def _check_codec_is_deterministic(it: Subject) -> None:
    before = {name: column.copy() for name, column in it.records.columns.items()}
    again = it.codec.encode(it.records)
    demand(torch.equal(again.x, it.batch.x), "encode twice gave different x; nothing in a codec may be random")
    same(Records(before), Records(it.records.columns), "encode must not change its records")
    x = it.batch.x.clone()
    first, second = (it.codec.decode(x, it.batch.conditions) for _ in range(2))
    same(first, second, "decode twice gave different records; nothing in a codec may be random")
    demand(torch.equal(x, it.batch.x), "decode must not change its x")


def _check_codec_works_in_batches(it: Subject) -> None:
    few = it.codec.encode(it.records.take(slice(0, 3)))
    demand(torch.allclose(few.x, it.batch.x[:3]), "encode of a record must not depend on the others in the batch")
    x, conditions = it.batch.x.clone(), it.batch.conditions
    whole = it.codec.decode(x, conditions).take(slice(3, 5))
    alone = it.codec.decode(x[3:5].clone(), {name: value[3:5] for name, value in conditions.items()})
    same(whole, alone, "decode of a record must not depend on the others in the batch")


def _check_codec_state(it: Subject) -> None:
    import safetensors.torch

    facts, tensors = it.codec.state()
    try:
        facts = json.loads(json.dumps(facts))
    except TypeError as error:
        raise ConformanceError(f"codec.state()[0] must be JSON-able: {error}") from error
    plain = all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    demand(plain, "codec.state()[1] must be a dict of torch tensors")
    tensors = safetensors.torch.load(safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}))
    fresh = it.modality.codec(it.schema)
    loaded = fresh.load_state(facts, tensors)
    demand(loaded is fresh, "codec.load_state must return the codec itself (`return self`)")
    demand(torch.equal(loaded.encode(it.records).x, it.batch.x), "a codec with loaded state encodes differently")
    ours, theirs = (codec.decode(it.batch.x.clone(), it.batch.conditions) for codec in (it.codec, loaded))
    same(ours, theirs, "a codec with loaded state decodes differently")


CODEC_CHECKS: tuple[Callable[[Subject], None], ...] = (
    _check_encoded_shapes,
    _check_round_trip,
    _check_decode_is_legal,
    _check_labels_are_kept,
    _check_codec_is_deterministic,
    _check_codec_works_in_batches,
    _check_missing_labels,
    _check_unconditional_data,
    _check_codec_state,
)
