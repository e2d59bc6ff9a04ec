"""What a denoiser is told of a record's attributes, and the columns that follow from it: the two halves for a codec.

    encode   Batch(x, observed, {**labels, **attribute_conditions(records, schema)})
    decode   Records({**columns, **attribute_columns(conditions, schema, len(x))}, label)

What a record itself shows (`Attribute.derived`) has no column: the codec works it out and calls `to_condition`.

A number v is told as u = 2 (f(v) - f(low)) / (f(high) - f(low)) - 1 with f the identity or the logarithm, so that the
range seen is -1 to 1 and a request outside it still has a meaning. A text is told as the vector of its encoder, which
knows the vectors that it has made, and so tells them back as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Attribute, Records, Schema
from synthgen.data.attributes import unknown
from synthgen.data.text_encoder import encoder_of

__all__ = ["attribute_columns", "attribute_conditions", "from_condition", "to_condition"]

_DIGITS = 7  # significant digits that survive the way through float32


def attribute_conditions(records: Records, schema: Schema) -> dict[str, Tensor]:
    """What the denoiser is told of the attributes that are columns; of a column that is not there, nothing (null)."""
    conditions: dict[str, Tensor] = {}
    for attribute in schema.attributes:
        if not attribute.derived:
            column = records.columns.get(attribute.name)
            values = unknown(attribute, len(records)) if column is None else column
            conditions[attribute.name] = to_condition(attribute, values)
    return conditions


def attribute_columns(conditions: Mapping[str, Tensor], schema: Schema, size: int) -> dict[str, NDArray[Any]]:
    """The columns of `size` records that follow from their conditions; a condition that is not there is unknown."""
    columns: dict[str, NDArray[Any]] = {}
    for attribute in schema.attributes:
        if not attribute.derived:
            told = conditions.get(attribute.name)
            columns[attribute.name] = unknown(attribute, size) if told is None else from_condition(attribute, told)
    return columns


def to_condition(attribute: Attribute, values: NDArray[Any]) -> Tensor:
    """Values of an attribute, as `Records` hold them, as its condition."""
    if attribute.kind == "category":
        return torch.from_numpy(np.asarray(values, dtype=np.int64))
    if attribute.kind == "members":
        shares = np.asarray(values, dtype=np.float32)
        return torch.from_numpy(np.where((shares < 0).any(axis=1, keepdims=True), np.float32(np.nan), shares))
    if attribute.kind == "text":
        return torch.from_numpy(encoder_of(attribute).encode([str(text) for text in values]))
    low, span = _range(attribute)
    bent = _bend(attribute, np.asarray(values, dtype=np.float64))
    return torch.from_numpy((2 * (bent - low) / span - 1).astype(np.float32)[:, None])


def from_condition(attribute: Attribute, told: Tensor) -> NDArray[Any]:
    """The inverse of `to_condition`: numbers to six digits of the range seen, or of their own if logarithmic."""
    values = told.detach().cpu().numpy()
    if attribute.kind == "category":
        return values.astype(np.int64)
    if attribute.kind == "members":
        lost = np.isnan(values).any(axis=1, keepdims=True)
        return np.where(lost, -1, np.rint(np.nan_to_num(values, nan=0.0))).astype(np.int8)
    if attribute.kind == "text":
        return np.array(encoder_of(attribute).texts_of(values.astype(np.float32)), dtype=np.str_)
    low, span = _range(attribute)
    bent = (values[:, 0].astype(np.float64) + 1) / 2 * span + low
    if attribute.logarithmic:
        numbers = np.exp(bent)
        unit = 10.0 ** np.floor(np.log10(np.where(numbers > 0, numbers, 1.0)))
        numbers = np.round(numbers / unit, _DIGITS - 2) * unit
    else:
        numbers = np.round(bent, max(0, _DIGITS - math.ceil(math.log10(span)))) if span < 10**_DIGITS else bent
    return np.asarray(np.rint(numbers) if attribute.integer else numbers, dtype=np.float64)


def _bend(attribute: Attribute, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not attribute.logarithmic:
        return values
    return np.asarray(np.log(np.where(values > 0, values, np.nan)))


def _range(attribute: Attribute) -> tuple[float, float]:
    """Smallest value seen and the width of the range, bent; a constant has the width 1."""
    if attribute.low is None or attribute.high is None:
        return -1.0, 2.0
    low, high = (float(value) for value in _bend(attribute, np.array([attribute.low, attribute.high])))
    return low, high - low if high > low else 1.0
