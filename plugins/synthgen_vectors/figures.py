"""Pictures of vectors: one record as bars, and the distribution of each column, real beside synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from synthgen_vectors.collection import standardised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["draw", "overview"]

_REAL, _SYNTHETIC = "#33658a", "#e07a5f"
_MOST_NAMES = 20
_MOST_COLUMNS = 12
_BINS = 24


def draw(axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None) -> None:
    """One record: a bar a column, in standard deviations from the mean.

    Args:
        axis: where to.
        records, index: which record.
        schema: names and scale of the columns.
        heat: `(D,)` or `(1, D)` colours the bars, from the lowest to the highest value.
    """
    values = standardised(records.take([index]), schema)[0]
    colours: Any = _REAL
    if heat is not None:
        warmth = np.asarray(heat, dtype=np.float64).reshape(-1)
        low, high = float(np.nanmin(warmth)), float(np.nanmax(warmth))
        colours = colormaps["inferno"](0.85 * np.nan_to_num((warmth - low) / (high - low if high > low else 1.0)))
    axis.bar(np.arange(len(values)), values, width=0.8, color=colours)
    axis.axhline(0.0, color="grey", linewidth=0.5)
    axis.tick_params(labelsize=6, length=2)
    axis.set_xticks([])
    if len(values) <= _MOST_NAMES:
        names = [channel.name[:14] for channel in schema.channels]
        axis.set_xticks(np.arange(len(values)), names, rotation=90, fontsize=5)


def overview(real: Records, synthetic: Records, schema: Schema) -> Figure:
    """Histograms of up to twelve columns spread over all of them, real and synthetic on the same bins."""
    count = len(schema.channels)
    columns = sorted({int(j) for j in np.linspace(0, count - 1, min(count, _MOST_COLUMNS))})
    rows = -(-len(columns) // 4)
    figure = Figure(figsize=(9.0, 0.5 + 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False).ravel()
    for axis, column in zip(axes, columns, strict=False):
        sides = [part["values"][:, column][np.isfinite(part["values"][:, column])] for part in (real, synthetic)]
        together = np.concatenate(sides)
        low, high = (float(together.min()), float(together.max())) if together.size else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
        for side, colour, name in zip(sides, (_REAL, _SYNTHETIC), ("real", "synthetic"), strict=True):
            share = np.histogram(side, edges)[0] / max(len(side), 1)
            axis.stairs(share, edges, color=colour, label=name, linewidth=1.1)
        axis.set_title(schema.channels[column].name[:28], fontsize=8)
        axis.tick_params(labelsize=6, length=2)
        axis.set_yticks([])
    for axis in axes[len(columns) :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=7, frameon=False)
    return figure
