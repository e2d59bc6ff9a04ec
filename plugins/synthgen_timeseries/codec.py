"""Series <-> model tensors: each channel scaled on observed training values, times 0.5.

What the model sees of a channel says `encoding`, how numbers are scaled `scaling`. Missing values inside a series are
interpolated and carry no weight. After the end of a shorter series stands 0, with full weight, so that the network
learns to end; the length itself is a condition and decides where decoding cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from synthgen.api import Batch, Records
from synthgen.data.attribute_codec import attribute_columns, attribute_conditions, from_condition, to_condition
from synthgen_timeseries.collection import length_attribute
from synthgen_timeseries.compand import Companding
from synthgen_timeseries.encoding import Encoding
from synthgen_timeseries.scaling import Scaling
from synthgen_timeseries.series import ChannelScale, gaps, inside
from synthgen_timeseries.steps import StepsFound, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Attribute, Schema

__all__ = ["SeriesCodec"]

_SIGMA_DATA = 0.5
_SAMPLE = 2_000
_SCALE = ("mean", "std", "low", "high")
_COMPANDING = ("centre", "spread", "soft", "shift", "scale")
_MARGIN = 0.1  # decoded values may leave the training range by this share of it


class SeriesCodec:
    """Codec of the time-series modality.

    `decode(encode(r))` returns the observed values within float32 precision of the channel's scale. Decoded values are
    clipped to the training range widened by 10 % and keep its sign, whole-number channels are rounded, channels that
    were measured in steps take the nearest value seen in training (`steps`), categories are names that exist, and
    everything inside the length counts as observed.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._encoding = Encoding.of(schema)
        self._scale: ChannelScale | None = None
        self._scaling: Scaling | None = None
        self._range = np.zeros((2, len(schema.channels)))
        self._levels = [np.zeros(0, dtype=np.float32) for _ in schema.channels]

    @property
    def scale(self) -> ChannelScale:
        """What `fit` learnt of the numbers that the model sees."""
        if self._scale is None:
            raise RuntimeError("the codec is not fitted")
        return self._scale

    @property
    def scaling(self) -> Scaling:
        """What `fit` decided for each of them."""
        if self._scaling is None:
            raise RuntimeError("the codec is not fitted")
        return self._scaling

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean, deviation and range of each channel, one pass; the scaling from an even sample of the records."""
        sample = _Sample(_SAMPLE)
        low, high = np.full((2, len(self._schema.channels)), np.inf)
        steps = StepsFound(len(self._schema.channels))

        def watched() -> Iterator[Records]:
            for batch in batches:
                known, values = batch["observed"], batch["values"]
                np.minimum(low, np.where(known, values, np.inf).min(axis=(0, 2), initial=np.inf), out=low)
                np.minimum(high, np.where(known, -values, np.inf).min(axis=(0, 2), initial=np.inf), out=high)
                steps.add(batch)
                sample.add(batch)
                yield self._encoding.split(batch)

        self._scale = ChannelScale.fit(watched())
        self._range = np.stack([low, -high])
        seen = sample.records()
        self._scaling = Scaling.fit(self._ways(), self._encoding.split(seen), self._scale)
        self._levels = steps.levels(seen)
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, M, L)`, weights (None when nothing is missing) and conditions."""
        steps = self._schema.shape[1]
        if records["values"].shape[1] != len(self._schema.channels):  # said as for the numbers
            ChannelScale(*np.zeros((4, len(self._schema.channels)))).standardise(records, steps)
        part = self._encoding.split(records)
        standard = self.scale.standardise(part, steps)
        scaled = self.scaling.forward(standard * self.scale.std[:, None] + self.scale.mean[:, None])
        kept = min(steps, records["values"].shape[2])
        codes = self._encoding.encode_categories(records)[:, :, :kept]
        codes = np.pad(codes, ((0, 0), (0, 0), (0, steps - kept)))
        known = np.zeros((len(records), 1, steps), dtype=bool)
        known[:, :, :kept] = inside(records["length"], kept)[:, None, :]
        both = np.where(known, np.concatenate([scaled, codes], axis=1), 0.0)
        x = torch.from_numpy((both * _SIGMA_DATA).astype(np.float32))
        missing = gaps(records)
        observed = None
        if missing.any():
            weights = np.ones(tuple(x.shape), dtype=np.float32)
            weights[:, :, :kept] -= self._encoding.spread_weights(missing)[:, :, :kept]
            observed = torch.from_numpy(weights)
        return Batch(x, observed, self._conditions(records))

    def decode(self, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
        """From `(B, M, L)` of any real values to legal records."""
        scale, steps, encoding = self.scale, self._schema.shape[1], self._encoding
        drawn = np.nan_to_num(x.detach().cpu().numpy().astype(np.float64), nan=0.0) / _SIGMA_DATA
        numbers = self.scaling.backward(drawn[:, : len(scale.mean)])
        numbers = _clipped(numbers, scale.low, scale.high)
        length = self._lengths(len(drawn), conditions.get("length"))
        values = np.empty((len(drawn), len(self._schema.channels), steps))
        own = list(encoding.numeric)
        together = encoding.together(numbers, length, self._asked_levels(conditions, len(drawn)))
        if encoding.floor is None:
            values[:, own] = together
        else:
            values[:, own] = np.clip(together, -np.finfo(np.float32).max, np.finfo(np.float32).max)
        decoded = encoding.decode_categories(drawn[:, len(scale.mean) :])
        for index, category in zip(encoding.categorical, decoded, strict=True):
            values[:, index] = category
        self._make_legal(values)
        observed = np.repeat(inside(length, steps)[:, None, :], values.shape[1], axis=1)
        label = conditions.get("label")
        columns = {"values": np.where(observed, values, 0.0).astype(np.float32), "observed": observed, "length": length}
        return Records(
            columns | attribute_columns(conditions, self._schema, len(x)),
            None if label is None or not self._schema.labels else label.detach().cpu().numpy().astype(np.int64),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Scale and scaling as float64 tensors."""
        tensors = {name: torch.from_numpy(getattr(self.scale, name).copy()) for name in _SCALE}
        tensors |= {name: torch.from_numpy(getattr(self.scaling.bend, name).copy()) for name in _COMPANDING}
        tensors["range"] = torch.from_numpy(self._range.copy())
        if self.scaling.way.any():
            tensors["way"] = torch.from_numpy(self.scaling.way.copy())
            tensors["knots"] = torch.from_numpy(self.scaling.knots.copy())
        tensors |= {f"levels/{k}": torch.from_numpy(each.copy()) for k, each in enumerate(self._levels) if len(each)}
        return {"sigma_data": _SIGMA_DATA, "margin": _MARGIN}, tensors

    def load_state(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Self:
        """The inverse of `state`."""
        arrays = {name: tensors[name].numpy().astype(np.float64) for name in (*_SCALE, *_COMPANDING)}
        self._scale = ChannelScale(*(arrays[name] for name in _SCALE))
        bend, channels = Companding(*(arrays[name] for name in _COMPANDING)), len(self._scale.mean)
        way = tensors["way"].numpy() if "way" in tensors else np.zeros(channels, dtype=np.int64)
        knots = tensors["knots"].numpy() if "knots" in tensors else np.full((channels, 2, 1), np.nan)
        self._scaling = Scaling(way, bend, knots)
        self._range = tensors["range"].numpy() if "range" in tensors else np.stack([self._scale.low, self._scale.high])
        for index in range(len(self._levels)):
            if (levels := tensors.get(f"levels/{index}")) is not None:
                self._levels[index] = levels.numpy().astype(np.float32)
        return self

    def _ways(self) -> list[str]:
        """The scaling of each number that the model sees; levels and spreads are standardised."""
        asked = self._schema.extra.get("scaling") or ["auto"] * len(self._schema.channels)
        ways = [asked[index] for index in self._encoding.numeric]
        return ways if self._encoding.floor is None else [*ways, *["standard"] * (2 * len(ways))]

    def _conditions(self, records: Records) -> dict[str, torch.Tensor]:
        conditions: dict[str, torch.Tensor] = {}
        for condition in self._schema.conditions:
            if condition.name == "label":
                label = np.full(len(records), -1) if records.label is None else records.label
                conditions["label"] = torch.from_numpy(np.asarray(label, dtype=np.int64))
            elif condition.name == "length":
                conditions["length"] = to_condition(self._length, records["length"])
        if self._encoding.levels:
            level, spread = (part[:, list(self._encoding.numeric)] for part in self._encoding.level_and_spread(records))
            both = np.stack([level, spread], axis=2).reshape(len(records), -1)
            for attribute, column in zip(self._level_attributes, both.T, strict=True):
                conditions[attribute.name] = to_condition(attribute, column)
        return conditions | attribute_conditions(records, self._schema)

    @property
    def _level_attributes(self) -> list[Attribute]:
        return [attribute for attribute in self._schema.attributes if attribute.name in self._encoding.levels]

    def _asked_levels(self, conditions: Mapping[str, torch.Tensor], size: int) -> NDArray[np.float64] | None:
        """Level and spread of each channel in turn, `(N, 2C)`; NaN where the model is to draw them."""
        if not self._encoding.levels:
            return None
        nothing = np.full(size, np.nan)
        told = [(attribute, conditions.get(attribute.name)) for attribute in self._level_attributes]
        return np.stack([nothing if value is None else from_condition(each, value) for each, value in told], axis=1)

    @property
    def _length(self) -> Attribute:
        """The length as it is told; runs of older versions tell it as a share of the longest."""
        steps = self._schema.shape[1]
        known = [attribute for attribute in self._schema.attributes if attribute.name == "length"]
        return known[0] if known else length_attribute(-steps, steps)

    def _lengths(self, size: int, told: torch.Tensor | None) -> NDArray[np.int32]:
        steps = self._schema.shape[1]
        if told is None:
            return np.full(size, steps, dtype=np.int32)
        wanted = np.nan_to_num(from_condition(self._length, told), nan=float(steps))
        return np.asarray(np.clip(wanted, 1, steps), dtype=np.int32)

    def _make_legal(self, values: NDArray[np.float64]) -> None:
        """Whole numbers are rounded, steps kept, and no channel has a sign that training never saw."""
        for index, channel in enumerate(self._schema.channels):
            if channel.kind == "categorical":
                continue
            if channel.kind == "integer":
                values[:, index] = np.rint(values[:, index])
            else:
                values[:, index] = nearest(values[:, index], self._levels[index])
            low, high = self._range[:, index]
            if channel.kind == "interval":
                values[:, index] = np.maximum(values[:, index], max(low, 0.0) / 10 or 1e-6)
            elif low >= 0 or channel.kind == "nonnegative":
                values[:, index] = np.maximum(values[:, index], 0.0)
            elif high <= 0:
                values[:, index] = np.minimum(values[:, index], 0.0)


def _clipped(values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    margin = _MARGIN * (high - low)
    return np.clip(values, (low - margin)[:, None], (high + margin)[:, None])


class _Sample:
    """Records evenly from a stream whose length nobody knows: every k-th, with k doubled when they become too many."""

    def __init__(self, most: int) -> None:
        self._most, self._every, self._seen = most, 1, 0
        self._parts: list[Records] = []

    def add(self, batch: Records) -> None:
        """See what comes."""
        place = np.arange(self._seen, self._seen + len(batch))
        self._seen += len(batch)
        self._parts.append(batch.take(np.flatnonzero(place % self._every == 0)))
        if sum(map(len, self._parts)) > 2 * self._most:
            self._every *= 2
            self._parts = [self.records().take(slice(0, None, 2))]

    def records(self) -> Records:
        """What was kept."""
        return Records.concatenate(self._parts)
