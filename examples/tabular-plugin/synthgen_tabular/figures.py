"""Figures of tables: one row as bars from low to high, and the distribution of each column, real beside synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from synthgen_tabular.table import Column, columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["draw", "overview"]

_MOST_ROWS = 30
_MOST_PANELS = 16


def draw(axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None) -> None:
    """A bar a column: its place between the lowest and the highest training value, with the value beside it.

    Args:
        heat: anomaly by place of the encoded record; the bars of the most anomalous columns are darkest.
    """
    columns = columns_of(schema)[:_MOST_ROWS]
    shares, texts = zip(*(_placed(records[column.name][index], column) for column in columns), strict=True)
    colours: Any = "tab:blue"
    if heat is not None:
        from matplotlib import colormaps

        by_column = _by_column(np.asarray(heat, dtype=float).ravel(), schema)[: len(columns)]
        top = float(by_column.max()) or 1.0
        colours = colormaps["Reds"](0.2 + 0.8 * by_column / top)
    positions = np.arange(len(columns))
    axis.barh(positions, shares, color=colours)
    axis.set_yticks(positions, [f"{column.name} = {text}" for column, text in zip(columns, texts, strict=True)])
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.invert_yaxis()


def overview(real: Records, synthetic: Records, schema: Schema) -> Figure:
    """A panel a column: histograms of numbers, bars of categories."""
    columns = columns_of(schema)[:_MOST_PANELS]
    across = min(4, len(columns))
    down = -(-len(columns) // across)
    figure = Figure(figsize=(3 * across, 2.2 * down), layout="constrained")
    panels = np.ravel(figure.subplots(down, across, squeeze=False))
    for axis, column in zip(panels, columns, strict=False):
        _panel(axis, column, real[column.name], synthetic[column.name])
    for axis in panels[len(columns) :]:
        axis.set_axis_off()
    panels[0].legend(fontsize=7)
    return figure


def _panel(axis: Axes, column: Column, real: NDArray[Any], synthetic: NDArray[Any]) -> None:
    axis.set_title(column.name, fontsize=8)
    axis.tick_params(labelsize=6)
    if column.kind == "categorical":
        positions = np.arange(len(column.categories))
        for offset, values, label in ((-0.2, real, "real"), (0.2, synthetic, "synthetic")):
            shares = [float(np.mean(values == category)) for category in column.categories]
            axis.bar(positions + offset, shares, width=0.4, label=label)
        axis.set_xticks(positions, column.categories)
        return
    numbers = [values.astype(float)[np.isfinite(values.astype(float))] for values in (real, synthetic)]
    edges = np.histogram_bin_edges(np.concatenate(numbers), bins=20)
    for values, label in zip(numbers, ("real", "synthetic"), strict=True):
        if len(values):
            axis.hist(values, bins=edges, density=True, alpha=0.5, label=label)


def _placed(value: Any, column: Column) -> tuple[float, str]:
    """(place between low and high, text) of one value."""
    if column.kind == "categorical":
        if value is None:
            return 0.0, "missing"
        last = max(len(column.categories) - 1, 1)
        known = value in column.categories
        return (column.categories.index(value) / last if known else 1.0), str(value)
    if not np.isfinite(float(value)):
        return 0.0, "missing"
    low, high = column.low or 0.0, column.high or 0.0
    share = (float(value) - low) / (high - low) if high > low else 0.5
    return float(np.clip(share, 0.01, 1)), f"{float(value):.4g}"


def _by_column(heat: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """The largest heat among the places of each column, `(columns,)`."""
    widths = [column.width for column in columns_of(schema)]
    if len(heat) != sum(widths):
        return np.full(len(widths), float(heat.max(initial=0.0)))
    return np.array([part.max() for part in np.split(heat, np.cumsum(widths)[:-1])])
