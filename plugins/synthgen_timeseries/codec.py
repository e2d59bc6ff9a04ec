"""Series <-> model tensors: each channel standardised on observed training values, times 0.5.

A channel where calm series lie beside lively ones is companded first, see `compand`.
Missing values inside a series are interpolated and carry no weight. After the end of a shorter series stands 0, with
full weight, so that the network learns to end; the length itself is a condition and decides where decoding cuts.
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
from synthgen_timeseries.series import ChannelScale, gaps, inside

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
    clipped to the training range widened by 10 %, whole-number channels are rounded, and everything inside the length
    counts as observed.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._scale: ChannelScale | None = None
        self._companding: Companding | None = None

    @property
    def scale(self) -> ChannelScale:
        """What `fit` learnt."""
        if self._scale is None:
            raise RuntimeError("the codec is not fitted")
        return self._scale

    @property
    def companding(self) -> Companding:
        """What `fit` decided for each channel."""
        if self._companding is None:
            raise RuntimeError("the codec is not fitted")
        return self._companding

    def fit(self, batches: Iterable[Records]) -> Self:
        """Mean, standard deviation and range of each channel, one pass; the first records decide on companding."""
        sample: list[Records] = []

        def watched() -> Iterator[Records]:
            for batch in batches:
                missing = _SAMPLE - sum(len(part) for part in sample)
                if missing > 0:
                    sample.append(batch.take(slice(0, missing)))
                yield batch

        self._scale = ChannelScale.fit(watched())
        self._companding = Companding.fit(Records.concatenate(sample), self._scale.mean, self._scale.std)
        return self

    def encode(self, records: Records) -> Batch:
        """To float32 `(B, C, L)`, weights (None when nothing is missing) and conditions."""
        steps = self._schema.shape[1]
        standard = self.scale.standardise(records, steps)
        known = np.zeros(standard.shape, dtype=bool)
        kept = min(steps, records["values"].shape[2])
        known[:, :, :kept] = inside(records["length"], kept)[:, None, :]
        values = standard * self.scale.std[:, None] + self.scale.mean[:, None]
        scaled = np.where(known, self.companding.forward(values), 0.0)
        x = torch.from_numpy((scaled * _SIGMA_DATA).astype(np.float32))
        missing = gaps(records)
        observed = None
        if missing.any():
            weights = np.ones(tuple(x.shape), dtype=np.float32)
            weights[:, :, :kept] -= missing[:, :, :kept]
            observed = torch.from_numpy(weights)
        return Batch(x, observed, self._conditions(records))

    def _conditions(self, records: Records) -> dict[str, torch.Tensor]:
        conditions: dict[str, torch.Tensor] = {}
        for condition in self._schema.conditions:
            if condition.name == "label":
                label = np.full(len(records), -1) if records.label is None else records.label
                conditions["label"] = torch.from_numpy(np.asarray(label, dtype=np.int64))
            elif condition.name == "length":
                conditions["length"] = to_condition(self._length, records["length"])
        return conditions | attribute_conditions(records, self._schema)

    def decode(self, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
        """From `(B, C, L)` of any real values to legal records."""
        scale, steps = self.scale, self._schema.shape[1]
        values = np.nan_to_num(x.detach().cpu().numpy().astype(np.float64), nan=0.0)
        values = self.companding.backward(values / _SIGMA_DATA)
        margin = _MARGIN * (scale.high - scale.low)
        values = np.clip(values, (scale.low - margin)[:, None], (scale.high + margin)[:, None])
        for index, channel in enumerate(self._schema.channels):
            if channel.kind == "integer":
                values[:, index] = np.rint(values[:, index])
            elif channel.kind == "nonnegative":
                values[:, index] = np.maximum(values[:, index], 0.0)
        length = self._lengths(len(values), conditions.get("length"))
        observed = np.repeat(inside(length, steps)[:, None, :], values.shape[1], axis=1)
        label = conditions.get("label")
        columns = {"values": np.where(observed, values, 0.0).astype(np.float32), "observed": observed, "length": length}
        return Records(
            columns | attribute_columns(conditions, self._schema, len(x)),
            None if label is None or not self._schema.labels else label.detach().cpu().numpy().astype(np.int64),
        )

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

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Channel scale and companding as float64 tensors."""
        tensors = {name: torch.from_numpy(getattr(self.scale, name).copy()) for name in _SCALE}
        tensors |= {name: torch.from_numpy(getattr(self.companding, name).copy()) for name in _COMPANDING}
        return {"sigma_data": _SIGMA_DATA, "margin": _MARGIN}, tensors

    def load_state(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Self:
        """The inverse of `state`."""
        arrays = {name: tensors[name].numpy().astype(np.float64) for name in (*_SCALE, *_COMPANDING)}
        self._scale = ChannelScale(*(arrays[name] for name in _SCALE))
        self._companding = Companding(*(arrays[name] for name in _COMPANDING))
        return self
