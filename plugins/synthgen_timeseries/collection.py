"""Series as readers find them, one array each, and their way into a Source of equally shaped records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.api import ROW_COLUMNS, Attribute, Channel, ChannelKind, Condition, Records, Schema
from synthgen.data.attributes import described
from synthgen.data.attributes import text_of as label_name
from synthgen.data.source import ArraySource
from synthgen.errors import DataError
from synthgen_timeseries.encoding import level_attributes, model_channels, scaling_facts, smallest_spreads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.config import DataConfig

__all__ = ["RESERVED", "Collection", "channels_named", "label_name", "length_attribute"]

RESERVED = ("values", "observed", "length", "label", "unique_id", "ds", *ROW_COLUMNS)
"""Names of columns that records and data sets have anyway."""

_LONG = 2048
_ENOUGH = 32  # values that say what kind a channel is
_LARGEST = 2**31  # cells of the padded array: 8 GiB of float32 beside 2 GiB of flags


def channels_named(names: Iterable[str], *, integer: Iterable[str] = ()) -> tuple[Channel, ...]:
    """Channels with these names; those in `integer` hold whole numbers."""
    whole = set(integer)
    return tuple(Channel(str(name), "integer" if name in whole else "continuous") for name in names)


def length_attribute(shortest: int, longest: int) -> Attribute:
    """How long a series is; what of it stands in the record is the end of its values."""
    low, high = float(shortest), float(longest)
    return Attribute("length", "number", unit="steps", low=low, high=high, integer=True, derived=True)


@dataclass(frozen=True)
class Collection:
    """Series of one schema, not yet padded.

    Args:
        series: one `(C, L_i)` array each; NaN is missing, steps at the end without any value are no part of it.
        channels: one entry a row of each series.
        label: class name of each, or None.
        groups: series with the same value never part at splitting.
        split: "train" or "test" for each, where the data says so.
        notes: sentences for the user.
        label_column: name of the label in the user's data.
        names: what to call each series in messages ("line 7", "id 'a'"); their position when empty.
        identities: what the data calls each series; `names` when empty.
        extra: facts for `Schema.extra`; `scale` (mean and deviation of each channel), `finest`, `unequal_length` and
            `missing` are added.
        steps: pad to at least this many steps.
        attributes: name -> a value for each series, None or NaN where it is unknown.
    """

    series: Sequence[NDArray[np.float64]]
    channels: tuple[Channel, ...]
    label: Sequence[str] | None = None
    groups: NDArray[Any] | None = None
    split: NDArray[Any] | None = None
    notes: Sequence[str] = ()
    label_column: str = "label"
    names: Sequence[str] = ()
    identities: Sequence[str] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    steps: int = 1
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def name(self, index: int) -> str:
        """What to call one series in a message."""
        return self.names[index] if self.names else f"series {index}"

    def source(self, where: str = "the data", options: DataConfig | None = None) -> Source:
        """Padded, checked and described.

        Args:
            where: file or folder, for messages.
            options: how channels are scaled; None: by themselves.

        Raises:
            DataError: nothing to learn from, infinite values, a channel without any value, absurd sizes.
        """
        kept = self._without_empty(where)
        lengths = np.array([one.shape[1] for one in kept.series], dtype=np.int32)
        size, channels, steps = len(kept.series), len(kept.channels), max(int(lengths.max()), kept.steps)
        if size * channels * steps > _LARGEST:
            raise DataError(
                f"{where}: {size:,} series x {channels} channels x {steps:,} steps do not fit in memory",
                hint="Cut long series into pieces with data.window.",
            )
        values = np.zeros((size, channels, steps), dtype=np.float32)
        observed = np.zeros((size, channels, steps), dtype=bool)
        for index, one in enumerate(kept.series):
            known = np.isfinite(one)
            if np.isinf(one).any() or (np.abs(one[known]) > np.finfo(np.float32).max).any():
                name = kept.channels[int(np.argmax((~np.isnan(one) & ~known).any(axis=1)))].name
                raise DataError(f"{where}: {kept.name(index)} holds an infinite or too large value in channel {name}")
            values[index, :, : one.shape[1]] = np.where(known, one, 0.0)
            observed[index, :, : one.shape[1]] = known
        return kept._described(values, observed, lengths, where, options)

    def _without_empty(self, where: str) -> Collection:
        if not self.series:
            raise DataError(f"{where} holds no series")
        trimmed = [_trimmed(one) for one in self.series]
        full = np.array([one.shape[1] > 0 for one in trimmed])
        if not full.any():
            raise DataError(f"{where}: every value is missing")
        if full.all():
            return dataclasses.replace(self, series=trimmed)
        empty = np.flatnonzero(~full)
        some = ", ".join(self.name(int(index)) for index in empty[:3])
        note = f"{len(empty)} series without any value left out ({some}{', ...' if len(empty) > 3 else ''})"
        chosen = np.flatnonzero(full)
        return dataclasses.replace(
            self,
            series=[trimmed[index] for index in chosen],
            label=None if self.label is None else [self.label[int(index)] for index in chosen],
            groups=None if self.groups is None else self.groups[chosen],
            split=None if self.split is None else self.split[chosen],
            names=[self.names[int(index)] for index in chosen] if self.names else (),
            identities=[self.identities[int(index)] for index in chosen] if self.identities else (),
            notes=[*self.notes, note],
            attributes=self.attributes_of(chosen.tolist()),
        )

    def attributes_of(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """The attributes of some of the series."""
        return {name: [cells[row] for row in rows] for name, cells in self.attributes.items()}

    def _described(
        self,
        values: NDArray[np.float32],
        observed: NDArray[np.bool_],
        length: NDArray[np.int32],
        where: str,
        options: DataConfig | None,
    ) -> Source:
        notes = list(self.notes)
        _, channels, steps = values.shape
        inside = int(length.sum()) * channels
        missing = 1.0 - float(observed.sum()) / inside
        unequal = bool((length != steps).any())
        if missing > 0:
            notes.append(
                f"{missing:.1%} of the values are missing; they are interpolated and carry no weight in training"
            )
        attributes, columns = self._attributes(where)
        if unequal:
            shortest, longest = int(length.min()), int(length.max())
            notes.append(f"lengths from {shortest} to {longest} steps; the length is a condition")
            attributes.insert(0, length_attribute(shortest, longest))
        if steps > _LONG:
            notes.append(f"series of {steps:,} steps train slowly; data.window cuts them into pieces")
        described, scale = [], []
        for index, channel in enumerate(self.channels):
            known = values[:, index][observed[:, index]]
            if not known.size:
                raise DataError(
                    f"{where}: channel {channel.name} holds no value at all",
                    hint="Leave it out by naming the others with data.value_columns.",
                )
            low, high = float(known.min()), float(known.max())
            described.append(dataclasses.replace(channel, kind=_kind(channel, known), low=low, high=high))
            scale.append([float(known.mean(dtype=np.float64)), float(known.std(dtype=np.float64))])
            if low == high:
                notes.append(f"channel {channel.name} is constant ({low:g})")
        labels, index_of = self._labels(where)
        records = Records({"values": values, "observed": observed, "length": length, **columns}, index_of)
        chosen = scaling_facts(described, options)
        if options is not None and options.series_norm:
            chosen["series_norm"] = smallest_spreads(records)
            attributes += level_attributes(described, records, np.array(chosen["series_norm"]))
        conditions = [Condition("label", "class", len(labels))] if labels else []
        conditions += [attribute.condition for attribute in attributes]
        schema = Schema(
            "timeseries",
            (model_channels(described, series_norm="series_norm" in chosen), steps),
            tuple(described),
            labels,
            self.label_column,
            tuple(conditions),
            {
                **self.extra,
                **chosen,
                "unequal_length": unequal,
                "missing": bool(missing > 0),
                "scale": scale,
                "finest": _finest(values, observed, np.array([pair[1] for pair in scale])),
            },
            tuple(attributes),
        )
        called = self.identities or self.names or None
        return ArraySource(
            schema, records, groups=self.groups, official_split=self.split, notes=tuple(notes), names=called
        )

    def _attributes(self, where: str) -> tuple[list[Attribute], dict[str, NDArray[Any]]]:
        """The attributes, and their columns of the records."""
        attributes, columns = [], {}
        for name, cells in self.attributes.items():
            if name in RESERVED or name == self.label_column:
                raise DataError(f"{where}: an attribute cannot be called {name}", hint="Rename the column.")
            attribute, columns[name] = described(name, cells)
            attributes.append(attribute)
        return attributes, columns

    def _labels(self, where: str) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
        if self.label is None:
            return (), None
        names, index = np.unique(np.asarray(self.label, dtype=str), return_inverse=True)
        if len(names) == len(self.label) > 20:
            raise DataError(
                f"{where}: each of the {len(self.label)} series has a label of its own in column {self.label_column}",
                hint="A label is a class with several examples; is this an id?",
            )
        order = sorted(range(len(names)), key=lambda position: _sort_key(str(names[position])))
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        return tuple(str(names[position]) for position in order), rank[index.reshape(-1)]


def _finest(values: NDArray[np.float32], observed: NDArray[np.bool_], std: NDArray[np.float64]) -> float:
    """How finely the calmest series move: 5 % quantile of the mean step, in standard deviations of its channel.

    Over at most 2,000 series, each channel of each for itself; those at rest are left out, and 1 when all are.
    """
    rows = np.linspace(0, len(values) - 1, min(len(values), 2_000)).astype(int)
    both = observed[rows, :, 1:] & observed[rows, :, :-1]
    steps = np.abs(np.diff(values[rows].astype(np.float64), axis=2))
    moved = (steps * both).sum(axis=2) / np.maximum(both.sum(axis=2), 1) / np.where(std > 0, std, 1.0)
    moving = moved[moved > 1e-6]
    return float(np.quantile(moving, 0.05)) if moving.size else 1.0


def _kind(channel: Channel, known: NDArray[np.float32]) -> ChannelKind:
    """A continuous channel that holds whole numbers only, or nothing below 0, is called so."""
    if channel.kind != "continuous":
        return channel.kind
    if known.size < _ENOUGH:
        return channel.kind
    if (known == np.rint(known)).all():
        return "integer"
    return "nonnegative" if known.min() >= 0 else "continuous"


def _trimmed(one: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.flatnonzero(~np.isnan(one).all(axis=0))
    return one[:, : known[-1] + 1] if known.size else one[:, :0]


def _sort_key(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
