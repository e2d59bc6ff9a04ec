"""Super-resolution as a run of its own: large pictures given the small ones that another run makes.

    low = pool(x),    the mean of each block of k x k values of the encoded picture x
    D(x; sigma, c, low + s n),    s ~ U(0, s_max) in training

Pooling is linear and every channel has one scale, so a small picture that was generated becomes the same condition when
each of its pixels is repeated k x k times and encoded. The noise on the condition (conditioning augmentation) lets the
network forgive what the first run gets wrong.

Sources: Ho et al. 2022, "Cascaded Diffusion Models", arXiv:2106.15282; Saharia et al. 2021, "SR3", arXiv:2104.07636.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from torch import Tensor
from torch.nn import functional

from synthgen.api import Batch, Codec, Condition, Records, Schema
from synthgen.errors import ConfigError

__all__ = ["LOW_RESOLUTION", "EnlargingCodec", "enlarged", "enlarging_schema", "low_resolution_of"]

LOW_RESOLUTION = "low resolution"
"""Name of the condition, and of the small picture's shape in `Schema.extra`."""

_NOISE = 0.3
_PICTURE = 3


def enlarging_schema(schema: Schema, low: Schema) -> Schema:
    """The schema of pictures made from those of another run.

    Args:
        schema: of the large pictures.
        low: of the run that makes the small ones.

    Raises:
        ConfigError: they are not the same pictures at two sizes.
    """
    hint = "Both runs need the same kind of pictures and classes, and sides that are whole multiples."
    if len(schema.shape) != _PICTURE or low.modality != schema.modality or low.shape[0] != schema.shape[0]:
        raise ConfigError(
            f"records of shape {schema.shape} ({schema.modality}) cannot be made from {low.shape} ({low.modality})",
            hint=hint,
        )
    (height, width), (small_height, small_width) = schema.shape[1:], low.shape[1:]
    factor = height // small_height
    if factor < 2 or (height, width) != (factor * small_height, factor * small_width):
        raise ConfigError(
            f"{height} x {width} pixels are no whole multiple of {small_height} x {small_width}, which the run makes",
            hint=f"Set --image-size to a multiple of {small_height}, or name another run.",
        )
    told = tuple(condition for condition in low.conditions if condition.name != LOW_RESOLUTION)
    if (low.labels, told, low.attributes) != (schema.labels, schema.conditions, schema.attributes):
        raise ConfigError("the run that makes the small pictures knows other classes or attributes", hint=hint)
    condition = Condition(LOW_RESOLUTION, "dense", schema.shape[0], noise=_NOISE)
    extra = {**schema.extra, LOW_RESOLUTION: list(low.shape)}
    return dataclasses.replace(schema, conditions=(*schema.conditions, condition), extra=extra)


def low_resolution_of(schema: Schema) -> tuple[int, ...] | None:
    """Shape of the small pictures, `(C, h, w)`; None for runs that need none."""
    shape = schema.extra.get(LOW_RESOLUTION)
    return None if shape is None else tuple(int(size) for size in shape)


class EnlargingCodec:
    """A codec whose encoded records come with their small version as a condition.

    Args:
        codec: of the large pictures.
        shape: of the small ones, `(C, h, w)`.
    """

    def __init__(self, codec: Codec, shape: tuple[int, ...]) -> None:
        self._codec = codec
        self._shape = shape

    def fit(self, batches: Iterable[Records]) -> Self:
        """As the codec of the large pictures."""
        self._codec = self._codec.fit(batches)
        return self

    def encode(self, records: Records) -> Batch:
        """To tensors, and `LOW_RESOLUTION` of x's shape, each value repeated over its block."""
        batch = self._codec.encode(records)
        _, height, width = self._shape
        low = functional.interpolate(
            functional.adaptive_avg_pool2d(batch.x, (height, width)), batch.x.shape[2:], mode="nearest"
        )
        return dataclasses.replace(batch, conditions={**batch.conditions, LOW_RESOLUTION: low})

    def decode(self, x: Tensor, conditions: Mapping[str, Tensor]) -> Records:
        """As the codec of the large pictures."""
        return self._codec.decode(x, conditions)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """As the codec of the large pictures."""
        return self._codec.state()

    def load_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """As the codec of the large pictures."""
        self._codec = self._codec.load_state(facts, tensors)
        return self


def enlarged(records: Records, size: tuple[int, int]) -> Records:
    """Small pictures with each pixel repeated up to a height and width: columns `(N, h, w)` and `(N, h, w, C)`."""
    columns = dict(records.columns)
    for name, column in records.columns.items():
        if column.ndim < _PICTURE:  # an attribute
            continue
        tall, wide = size[0] // column.shape[1], size[1] // column.shape[2]
        columns[name] = np.repeat(np.repeat(column, tall, axis=1), wide, axis=2)
    return dataclasses.replace(records, columns=columns)
