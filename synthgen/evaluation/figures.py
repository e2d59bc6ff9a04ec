"""Pictures of a report: loss curves, closest pairs, and how any figure becomes part of one self-contained page.

Figures are made from `Figure` objects, never through pyplot's global state. Our own drawings are SVG whose colours
are CSS variables, so that they follow the reader's light or dark scheme; pictures of records are PNG on white.
"""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from synthgen.api import Modality, Palette, Records, Schema
from synthgen.evaluation.privacy import Pair
from synthgen.evaluation.shift import Odd
from synthgen.evaluation.utility import CurvePoint

__all__ = [
    "PALETTE",
    "Picture",
    "closest_pairs",
    "held_out_curves",
    "learning_curve",
    "loss_curves",
    "oddest_records",
    "png",
    "themed_svg",
]

_COLUMNS = 10

_INK, _SOFT, _LINE, _REAL, _SYNTHETIC = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
_LIGHT = {_INK: "#1b1e23", _SOFT: "#565d68", _LINE: "#dfe1e5", _REAL: "#1f5fa8", _SYNTHETIC: "#c25a12"}
_DARK = {_INK: "#e7e9ec", _SOFT: "#a3abb7", _LINE: "#343941", _REAL: "#7fb2ec", _SYNTHETIC: "#f0a063"}
_VARIABLE = {_INK: "--ink", _SOFT: "--soft", _LINE: "--line", _REAL: "--real", _SYNTHETIC: "--synthetic"}

PALETTE = Palette(_INK, _SOFT, _LINE, _REAL, _SYNTHETIC)
"""Stand-ins that `themed_svg` turns into colours of the reader's scheme."""

_CURVES = 12  # classes drawn; more cannot be told apart


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page.

    Args:
        title: its heading.
        uri: a `data:` address.
        caption: what it shows and what good looks like.
        themed: whether it follows the light or dark scheme.
        error: why there is no picture.
    """

    title: str
    uri: str
    caption: str
    themed: bool = False
    error: str | None = None


def png(figure: Figure, *, dpi: int = 110) -> str:
    """A figure as a `data:` address of a PNG on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor="white", pad_inches=0.1)
    return _address("image/png", buffer.getvalue())


def themed_svg(figure: Figure) -> str:
    """A figure drawn in our colours as a `data:` address of an SVG that follows the reader's scheme."""
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "synthgen"}):
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    text = re.sub(r"<!--.*?-->", "", buffer.getvalue().decode(), flags=re.DOTALL)
    for colour, variable in _VARIABLE.items():
        text = text.replace(colour, f"var({variable})")
    light, dark = (";".join(f"{_VARIABLE[c]}:{value}" for c, value in scheme.items()) for scheme in (_LIGHT, _DARK))
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    text = text.replace("<defs>", f"{style}<defs>", 1)
    return _address("image/svg+xml", text.encode())


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def loss_curves(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Training and held-out loss over records seen; None when the run kept no history."""
    steps = [row for row in history if row.get("kind") == "step" and _number(row.get("loss"))]
    held = [row for row in history if row.get("kind") == "held_out" and _number(row.get("loss"))]
    if not steps and not held:
        return None
    figure = Figure(figsize=(7.6, 3.1), layout="constrained")
    axis = figure.add_subplot()
    if steps:
        seen = np.array([row["samples"] for row in steps], dtype=float)
        loss = np.array([row["loss"] for row in steps], dtype=float)
        if len(loss) > 60:
            axis.plot(seen, loss, color=_REAL, alpha=0.22, linewidth=0.8)
        axis.plot(seen, _smooth(loss), color=_REAL, linewidth=1.8, label="training")
    if held:
        best: dict[float, float] = {}
        for row in held:
            best[float(row["samples"])] = min(float(row["loss"]), best.get(float(row["samples"]), np.inf))
        axis.plot(
            list(best), list(best.values()), color=_SYNTHETIC, linewidth=1.8, marker="o", markersize=4, label="held out"
        )
    _limit(axis, steps, held)
    axis.set_xlabel("records seen")
    axis.set_ylabel("loss")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _plain(axis)
    legend = axis.legend(frameon=False, loc="upper right")
    for entry in legend.get_texts():
        entry.set_color(_INK)
    return figure


def held_out_curves(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Held-out loss over records seen by quarter of the noise levels, and by class; None when neither was kept."""
    rows = [row for row in history if row.get("kind") == "held_out" and row.get("bands")]
    if len(rows) < 2:
        return None
    bands = {f"noise: {name}": index for index, name in enumerate(("lowest", "low", "high", "highest"))}
    panels = [{name: [row["bands"][index] for row in rows] for name, index in bands.items()}]
    classes = list(rows[-1].get("classes", {}))
    if len(classes) > 1:
        panels.append({name: [row["classes"].get(name, np.nan) for row in rows] for name in classes[:_CURVES]})
    figure = Figure(figsize=(7.6, 3.1), layout="constrained")
    seen = [row["samples"] for row in rows]
    for axis, curves in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for index, (name, losses) in enumerate(curves.items()):
            share = index / max(1, len(curves) - 1)
            axis.plot(seen, losses, color=_REAL, alpha=0.3 + 0.7 * share, linewidth=1.5)
            axis.annotate(
                textwrap.shorten(name, 18, placeholder="…"),
                (seen[-1], losses[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=7.5,
                color=_SOFT,
                va="center",
                parse_math=False,
            )
        axis.set_xlabel("records seen")
        axis.set_ylabel("held-out loss")
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        _plain(axis)
    return figure


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _smooth(values: Any) -> Any:
    """A centred moving mean over about a fortieth of the curve."""
    width = max(1, len(values) // 40)
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _limit(axis: Axes, steps: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> None:
    """The first steps' losses would flatten all the rest; they may leave the frame."""
    later = [row["loss"] for row in steps[len(steps) // 20 :]] + [row["loss"] for row in held]
    low, high = float(np.min(later)), float(np.quantile(later, 0.995))
    margin = 0.08 * max(high - low, 1e-9)
    axis.set_ylim(low - margin, max(high, max((row["loss"] for row in held), default=high)) + margin)


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    for spine in axis.spines.values():
        spine.set_color(_LINE)
    axis.grid(axis="y", color=_LINE, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(colors=_SOFT, labelsize=9, length=3)
    axis.xaxis.label.set_color(_SOFT)
    axis.yaxis.label.set_color(_SOFT)


def learning_curve(points: Sequence[CurvePoint], *, measure: str) -> Figure | None:
    """The judge's measure over the number of synthetic records beside all real ones; None without points."""
    if len(points) < 2:
        return None
    figure = Figure(figsize=(7.6, 3.1), layout="constrained")
    axis = figure.add_subplot()
    amounts = [point.synthetic for point in points]
    values = np.array([point.value for point in points])
    low, high = (np.array([point.ci[side] for point in points]) for side in (0, 1))
    axis.axhline(values[0], color=_REAL, linewidth=1.4, linestyle="--", label="real records alone")
    spread = np.maximum(np.stack([values - low, high - values]), 0)
    axis.errorbar(amounts, values, spread, color=_SYNTHETIC, linewidth=1.8, marker="o", markersize=5,
                  label="real and synthetic records")  # fmt: skip
    axis.set_xlabel("synthetic records added to all real ones")
    axis.set_ylabel(measure)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _plain(axis)
    for entry in axis.legend(frameon=False, loc="best").get_texts():
        entry.set_color(_INK)
    return figure


def closest_pairs(
    modality: Modality, schema: Schema, synthetic: Records, train: Records, pairs: Sequence[Pair]
) -> Figure:
    """The synthetic records that come nearest to a training record, each above its neighbour; copies in red."""
    columns = min(_COLUMNS, len(pairs))
    bands = -(-len(pairs) // columns)
    figure = Figure(figsize=(1.3 * columns, 3.3 * bands), layout="constrained")
    axes = figure.subplots(2 * bands, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for place, pair in enumerate(pairs):
        band, column = divmod(place, columns)
        upper, lower = axes[2 * band][column], axes[2 * band + 1][column]
        _small(modality, upper, synthetic, pair.synthetic, schema, edge="#c0281c" if pair.copy else "#c9ccd1")
        _small(modality, lower, train, pair.train, schema)
        _one_scale(upper, lower)
        words = "copy" if pair.copy else f"nearer: {100 * pair.rank:.0f} %"
        lower.set_xlabel(f"{pair.distance:.3g}\n{words}", fontsize=8, color="#c0281c" if pair.copy else "#565d68")
        if column == 0:
            upper.set_ylabel("synthetic", fontsize=9)
            lower.set_ylabel("nearest training", fontsize=9)
    return figure


def _one_scale(first: Axes, second: Axes) -> None:
    """The same range of values on both axes, so that what is compared has the same height; upside down stays so."""
    ends = np.array([first.get_ylim(), second.get_ylim()])
    upright = ends[0, 0] <= ends[0, 1]
    low, high = float(ends.min()), float(ends.max())
    for axis in (first, second):
        axis.set_ylim(*((low, high) if upright else (high, low)))


def oddest_records(modality: Modality, schema: Schema, synthetic: Records, odd: Sequence[Odd]) -> Figure:
    """Synthetic records that independent detectors find anomalous, oddest first."""
    columns = min(_COLUMNS, len(odd))
    figure = Figure(figsize=(1.3 * columns, 1.8), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)
    for axis, one in zip(axes[0], odd, strict=False):
        _small(modality, axis, synthetic, one.synthetic, schema)
        axis.set_xlabel(f"record {one.synthetic}", fontsize=8, color="#565d68")
    return figure


def _small(
    modality: Modality, axis: Axes, records: Records, index: int, schema: Schema, *, edge: str = "#c9ccd1"
) -> None:
    """One record, without anything but a frame and its class."""
    modality.draw(axis, records, index, schema)
    axis.set_axis_on()
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color(edge)
    axis.spines[:].set_linewidth(1.0 if edge == "#c9ccd1" else 2.0)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_xlabel("")
    axis.set_ylabel("")
    if (legend := axis.get_legend()) is not None:
        legend.remove()
    axis.set_title(_class_name(records, index, schema), fontsize=9, parse_math=False)


def _class_name(records: Records, index: int, schema: Schema) -> str:
    if records.label is None or not schema.labels or records.label[index] < 0:
        return ""
    return textwrap.shorten(schema.labels[int(records.label[index])], 18, placeholder="…")
