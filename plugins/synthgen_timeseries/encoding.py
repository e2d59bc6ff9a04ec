"""Which channels the model sees: one for a number, a code for a category, and level and spread of a series if asked.

A category of K names is told by K channels of which one is +1 and the others -1 up to K = 8, by one channel for two
names, and by the bits of its number beyond (analog bits: Chen et al. 2023, arXiv:2208.04202). What the network draws
is read back as the nearest code, so it is always a name.

With `data.series_norm` a numeric channel v of a series is its shape (v - level) / spread beside two channels that are
constant in time, level and ln spread (Lin et al. 2020, arXiv:1909.13403, section 4.3). The network draws all three.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from synthgen.api import Attribute, Records
from synthgen.data.attributes import text_of
from synthgen.errors import ConfigError
from synthgen_timeseries.series import inside, interpolated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synthgen.api import Channel, Schema
    from synthgen.config import DataConfig

__all__ = [
    "SCALINGS",
    "Encoding",
    "code_table",
    "level_attributes",
    "model_channels",
    "renumbered",
    "scaling_facts",
    "smallest_spreads",
]

SCALINGS = ("auto", "standard", "minmax", "robust", "quantile", "log")
"""Names of `data.scaling`; see `scaling`."""

_MOST_ONE_HOT = 8
_FLOOR = 0.01  # smallest spread of a series, as a share of the usual one
_FREE_DROPOUT = 0.5


def code_table(size: int) -> NDArray[np.float64]:
    """The codes of `size` names, -1 and +1, `(size, channels)`."""
    if size <= 2:
        return np.array([[-1.0], [1.0]])[:size]
    if size <= _MOST_ONE_HOT:
        return 2 * np.eye(size) - 1
    bits = int(np.ceil(np.log2(size)))
    return np.asarray(2.0 * ((np.arange(size)[:, None] >> np.arange(bits - 1, -1, -1)) & 1) - 1)


def model_channels(channels: Sequence[Channel], *, series_norm: bool) -> int:
    """How many channels the model sees."""
    numbers = sum(channel.kind != "categorical" for channel in channels)
    codes = sum(int(code_table(len(channel.values)).shape[1]) for channel in channels if channel.kind == "categorical")
    return numbers * (3 if series_norm else 1) + codes


def scaling_facts(channels: Sequence[Channel], options: DataConfig | None) -> dict[str, Any]:
    """What of `Schema.extra` tells the codec how to scale; empty where nothing was asked for.

    Raises:
        ConfigError: a channel or a way that there is not.
    """
    usual = "auto" if options is None else str(options.scaling)
    ways = {channel.name: usual for channel in channels}
    if usual == "auto":
        ways |= {channel.name: "log" for channel in channels if channel.kind == "interval"}
    for pair in () if options is None else options.channel_scaling:
        name, _, way = pair.rpartition("=")
        if name not in ways or way not in SCALINGS:
            close = difflib.get_close_matches(name, ways, n=1)
            known = f"Channels: {', '.join(list(ways)[:12])}; ways: {', '.join(SCALINGS)}."
            hint = f"Did you mean {close[0]}={way}?" if close and name not in ways else known
            raise ConfigError(f"data.channel_scaling={pair}: expected CHANNEL=WAY", hint=hint)
        ways[name] = way
    return {"scaling": list(ways.values())} if set(ways.values()) != {"auto"} else {}


def smallest_spreads(records: Records) -> list[float]:
    """What counts as the spread of a series that hardly moves, for each channel."""
    _, spread = _level_and_spread(records, np.zeros(records["values"].shape[1]))
    usual = [np.median(column[column > 0]) if (column > 0).any() else 1.0 for column in np.nan_to_num(spread).T]
    return [float(_FLOOR * value) for value in usual]


def level_attributes(channels: Sequence[Channel], values: Records, floor: NDArray[np.float64]) -> list[Attribute]:
    """Level and spread of each numeric channel as attributes that the model draws unless they are asked for.

    Args:
        channels: of the records.
        values: all records, for the ranges.
        floor: smallest spread of each channel.
    """
    numeric = [index for index, channel in enumerate(channels) if channel.kind != "categorical"]
    level, spread = _level_and_spread(values, floor)
    attributes = []
    for index in numeric:
        suffix = f"_{channels[index].name}" if len(numeric) > 1 else ""
        for name, found, bent in (("level", level, False), ("spread", spread, True)):
            known = found[:, index][~np.isnan(found[:, index])]
            attributes.append(
                Attribute(
                    f"{name}{suffix}",
                    "number",
                    unit=channels[index].unit,
                    low=float(known.min()),
                    high=float(known.max()),
                    logarithmic=bent,
                    derived=True,
                    free=True,
                    dropout=_FREE_DROPOUT,
                )
            )
    return attributes


@dataclass(frozen=True)
class Encoding:
    """Channels of the record as channels of the model.

    Args:
        numeric: positions of the numeric channels.
        categorical: positions of the others.
        codes: code table of each of these.
        floor: smallest spread of a series of each channel; None without `series_norm`.
        levels: names of the attributes level and spread, in turn.
    """

    numeric: tuple[int, ...]
    categorical: tuple[int, ...]
    codes: tuple[NDArray[np.float64], ...]
    floor: NDArray[np.float64] | None
    levels: tuple[str, ...] = ()

    @classmethod
    def of(cls, schema: Schema) -> Self:
        """What a schema asks for."""
        kinds = [channel.kind == "categorical" for channel in schema.channels]
        categorical = tuple(np.flatnonzero(kinds).tolist())
        floor = None
        if schema.extra.get("series_norm"):
            floor = np.asarray(schema.extra["series_norm"], dtype=np.float64)
        return cls(
            tuple(np.flatnonzero(~np.array(kinds)).tolist()),
            categorical,
            tuple(code_table(len(schema.channels[index].values)) for index in categorical),
            floor,
            tuple(attribute.name for attribute in schema.attributes if attribute.free),
        )

    def split(self, records: Records) -> Records:
        """Records of the numeric channels, after them levels and logarithms of spreads, if there are any."""
        chosen = list(self.numeric)
        values, observed = records["values"][:, chosen].astype(np.float64), records["observed"][:, chosen]
        length = records["length"]
        if self.floor is None:
            return Records({"values": values, "observed": observed, "length": length})
        level, spread = (part[:, chosen] for part in self.level_and_spread(records))
        shape = np.where(observed, (values - level[:, :, None]) / spread[:, :, None], 0.0)
        within = inside(length, values.shape[2])[:, None, :]
        constant = np.concatenate([level, np.log(spread)], axis=1)[:, :, None]
        known = ~np.isnan(constant) & within
        return Records(
            {
                "values": np.concatenate([shape, np.where(known, constant, 0.0)], axis=1),
                "observed": np.concatenate([observed, known], axis=1),
                "length": length,
            }
        )

    def level_and_spread(self, records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation of each series over its observed values, `(N, C)` each; NaN where none is."""
        assert self.floor is not None
        return _level_and_spread(records, self.floor)

    def together(
        self,
        values: NDArray[np.float64],
        length: NDArray[np.int32],
        asked: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """The numeric channels `(N, C, L)` from what `split` gave.

        Args:
            values: `(N, 3C, L)`, or `(N, C, L)` without levels.
            length: of the series.
            asked: `(N, 2C)` level and spread of each channel in turn, in place of those drawn; NaN: as drawn.
        """
        if self.floor is None:
            return values
        count = len(self.numeric)
        within = inside(length, values.shape[2])[:, None, :]
        drawn = (values[:, count:] * within).sum(axis=2) / np.maximum(within.sum(axis=2), 1)
        level, spread = drawn[:, :count], np.exp(drawn[:, count:])
        if asked is not None:
            level = np.where(np.isnan(asked[:, 0::2]), level, asked[:, 0::2])
            spread = np.where(np.isnan(asked[:, 1::2]), spread, asked[:, 1::2])
        shape = _centred(values[:, :count], within, spread > 1.01 * self.floor[list(self.numeric)])
        return np.asarray(shape * spread[:, :, None] + level[:, :, None])

    def encode_categories(self, records: Records) -> NDArray[np.float64]:
        """The codes `(N, M, L)`; a gap repeats the nearest known name."""
        parts = [np.zeros((len(records), 0, records["values"].shape[2]))]
        for index, table in zip(self.categorical, self.codes, strict=True):
            number = _nearest_known(records["values"][:, index], records["observed"][:, index])
            parts.append(table[np.clip(number, 0, len(table) - 1)].transpose(0, 2, 1))
        return np.concatenate(parts, axis=1)

    def decode_categories(self, x: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The number of the nearest code for each categorical channel, `(N, L)`."""
        numbers, start = [], 0
        for table in self.codes:
            width = table.shape[1]
            part = x[:, start : start + width]
            start += width
            likeness = np.einsum("nml,km->nkl", part, table) - 0.5 * (table**2).sum(axis=1)[:, None]
            numbers.append(likeness.argmax(axis=1).astype(np.float64))
        return numbers

    def spread_weights(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is missing `(N, C, L)` in the channels of the model."""
        chosen = missing[:, list(self.numeric)]
        parts = [chosen]
        if self.floor is not None:
            parts += [np.zeros_like(chosen), np.zeros_like(chosen)]
        for index, table in zip(self.categorical, self.codes, strict=True):
            parts.append(np.repeat(missing[:, index : index + 1], table.shape[1], axis=1))
        return np.concatenate(parts, axis=1)


def renumbered(records: Records, found: Schema, wanted: Schema) -> Records:
    """Records with the categories of channels numbered as another schema does; names that it lacks are missing."""
    values, observed = records["values"].copy(), records["observed"].copy()
    for index, (own, other) in enumerate(zip(found.channels, wanted.channels, strict=True)):
        if other.kind != "categorical" or own.values == other.values:
            continue
        place = {name: number for number, name in enumerate(other.values)}
        cells, inverse = np.unique(values[:, index], return_inverse=True)
        names = [own.values[round(cell)] if own.kind == "categorical" else text_of(cell) for cell in cells.tolist()]
        number = np.array([place.get(name, -1) for name in names])[inverse.reshape(values[:, index].shape)]
        observed[:, index] &= number >= 0
        values[:, index] = np.where(observed[:, index], number, 0)
    return Records({**records.columns, "values": values, "observed": observed}, records.label)


def _level_and_spread(records: Records, floor: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each series with its gaps filled, as the model sees it, `(N, C)`; NaN without any value."""
    values = interpolated(records)
    values[~np.broadcast_to(inside(records["length"], values.shape[2])[:, None], values.shape)] = np.nan
    lost = ~records["observed"].any(axis=2)
    values[lost] = 0.0
    level, spread = np.nanmean(values, axis=2), np.nanstd(values, axis=2)
    return np.where(lost, np.nan, level), np.where(lost, np.nan, np.maximum(spread, floor))


def _centred(shape: NDArray[np.float64], within: NDArray[np.bool_], varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shapes `(N, C, L)` with mean 0, and deviation 1 where they vary, as those that were learnt from."""
    count = np.maximum(within.sum(axis=2), 1)
    centred = shape - ((shape * within).sum(axis=2) / count)[:, :, None]
    deviation = np.sqrt((centred**2 * within).sum(axis=2) / count)
    return np.asarray(centred / np.where(varies & (deviation > 1e-6), deviation, 1.0)[:, :, None])


def _nearest_known(values: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`(N, L)` whole numbers, those that are missing taken from the last known before, else the first after."""
    steps = np.arange(values.shape[1])
    before = np.maximum.accumulate(np.where(observed, steps, -1), axis=1)
    first = np.where(observed.any(axis=1), observed.argmax(axis=1), 0)
    place = np.where(before >= 0, before, first[:, None])
    return np.asarray(np.take_along_axis(np.rint(values), place, axis=1)).astype(np.int64)
