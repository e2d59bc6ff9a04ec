"""Pictures of series: one record, with heat where it is anomalous, and real beside synthetic for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from synthgen_timeseries.series import ChannelScale, interpolated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["draw", "overview"]

_COLOURS = ("#33658a", "#e07a5f", "#5b8c5a", "#8e6c8a", "#c9a227", "#4f4f4f")
_MOST_CLASSES = 6
_MOST_CHANNELS = 3
_MOST_LINES = 4
_MOST_DRAWN = 12  # channels on one axis
_FAN = (0.1, 0.9)
_APART = 20.0  # channels whose spreads differ more than this are drawn standardised


def draw(axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None) -> None:
    """The channels of one record as lines.

    Args:
        axis: where to.
        records, index: which record.
        schema: names and scale of the channels.
        heat: `(L,)` shades the background, `(C, L)` colours each line, both from the lowest to the highest value.
    """
    one = records.take([index])
    length = int(one["length"][0])
    values = interpolated(one)[0, :_MOST_DRAWN, :length]
    if _spreads_apart(schema):
        scale = ChannelScale.of_schema(schema)
        values = (values - scale.mean[: len(values), None]) / scale.std[: len(values), None]
    steps = np.arange(length)
    for channel, row in enumerate(values):
        axis.plot(steps, row, color=_COLOURS[channel % len(_COLOURS)], linewidth=0.9, zorder=2)
    axis.margins(x=0.01)
    axis.set_xticks([])
    axis.tick_params(labelsize=6, length=2)
    if heat is not None:
        _warm(axis, values, np.asarray(heat, dtype=np.float64)[..., :length])


def _spreads_apart(schema: Schema) -> bool:
    stds = [pair[1] for pair in schema.extra.get("scale", ()) if pair[1] > 0]
    return bool(stds) and max(stds) / min(stds) > _APART


def _warm(axis: Axes, values: NDArray[np.float64], heat: NDArray[np.float64]) -> None:
    low, high = float(np.nanmin(heat)), float(np.nanmax(heat))
    share = (heat - low) / (high - low if high > low else 1.0)
    if share.ndim == 1:
        low_y, high_y = axis.get_ylim()
        extent = (-0.5, len(share) - 0.5, low_y, high_y)
        axis.imshow(share[None], extent=extent, aspect="auto", cmap="Reds", vmin=0, vmax=1, alpha=0.55, zorder=0)
        axis.set_ylim(low_y, high_y)
        return
    for row, warmth in zip(values, share, strict=False):
        points = np.stack([np.arange(len(row)), row], axis=1)
        segments = np.stack([points[:-1], points[1:]], axis=1)
        lines = LineCollection(list(segments), cmap="Reds", linewidths=2.2, zorder=3)
        lines.set_array((warmth[:-1] + warmth[1:]) / 2)
        lines.set_clim(0, 1)
        lines.set_alpha(0.7)
        axis.add_collection(lines)


def overview(real: Records, synthetic: Records, schema: Schema) -> Figure:
    """A row a class, real and synthetic side by side for up to three channels, on the same axes.

    Up to four records as lines; behind them the mean and the range from the 10 % to the 90 % quantile of all.
    """
    classes = list(range(min(len(schema.labels), _MOST_CLASSES))) or [-1]
    channels = _telling(schema)
    figure = Figure(figsize=(2.0 + 4.4 * len(channels), 0.7 + 1.75 * len(classes)), layout="constrained")
    axes = figure.subplots(len(classes), 2 * len(channels), squeeze=False)
    for row, label in enumerate(classes):
        chosen = [_of_class(records, label) for records in (real, synthetic)]
        for column, channel in enumerate(channels):
            pair = axes[row, 2 * column], axes[row, 2 * column + 1]
            for axis, records, colour in zip(pair, chosen, _COLOURS, strict=False):
                _overlaid(axis, records, channel, colour)
            _share_limits(pair[0], pair[1], chosen, channel)
            pair[1].set_yticklabels([])
            if row == 0:
                pair[0].set_title(f"{schema.channels[channel].name}: real", fontsize=9)
                pair[1].set_title(f"{schema.channels[channel].name}: synthetic", fontsize=9)
        name = schema.labels[label] if label >= 0 else "all"
        axes[row, 0].set_ylabel(name, fontsize=9)
    return figure


def _telling(schema: Schema) -> list[int]:
    """Channels spread evenly over all of them."""
    count = len(schema.channels)
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, _MOST_CHANNELS))})


def _of_class(records: Records, label: int) -> Records:
    return records if label < 0 or records.label is None else records.take(records.label == label)


def _overlaid(axis: Axes, records: Records, channel: int, colour: str) -> None:
    axis.tick_params(labelsize=6, length=2)
    axis.margins(x=0.01)
    if not len(records):
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center", color="grey")
        return
    values = interpolated(records)[:, channel]
    steps = np.flatnonzero(~np.isnan(values).all(axis=0))
    if len(records) > 2 and steps.size:
        low, high = np.nanquantile(values[:, steps], _FAN, axis=0)
        axis.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.plot(steps, np.nanmean(values[:, steps], axis=0), color="black", linewidth=1.1, linestyle="--", zorder=3)
    for line in values[np.linspace(0, len(values) - 1, min(_MOST_LINES, len(values))).astype(int)]:
        axis.plot(line, color=colour, linewidth=0.7, alpha=0.75)


def _share_limits(left: Axes, right: Axes, chosen: list[Records], channel: int) -> None:
    known = [records["values"][:, channel][records["observed"][:, channel]] for records in chosen]
    together = np.concatenate(known)
    if together.size:
        low, high = float(together.min()), float(together.max())
        edge = 0.05 * (high - low) or 1.0
        for axis in (left, right):
            axis.set_ylim(low - edge, high + edge)
