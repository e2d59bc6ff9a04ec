"""Pictures of sets of series for a report: fans, maps of both sides, how they move, and nearest neighbours."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from synthgen.api import Drawing
from synthgen_timeseries import dynamics
from synthgen_timeseries.metrics import complete
from synthgen_timeseries.series import ChannelScale, interpolated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from synthgen.api import Palette, Records, Schema

__all__ = ["drawings"]

_MOST_CLASSES = 6
_MOST_CHANNELS = 3
_MOST_HEATED = 28
_BANDS = ((0.05, 0.95, 0.18), (0.25, 0.75, 0.28))
_LINES = 2
_POINTS = 300
_NEIGHBOURS = 8
_DIVERGING = "RdBu_r"

_FANS = """Median, middle half and 5 to 95 % of the held-out and of the synthetic series at each step, with two series
of each. Good: the bands of both lie on each other, as wide at every step, and single lines wander within them alike. A
narrower synthetic band is lost variety."""
_MAPS = """A point a series: the first two principal components of the held-out series, and a t-SNE of both sides
together. Good: both colours are mixed everywhere. Bad: synthetic points in a corner of their own, or real regions
without any. Distances in the t-SNE mean little; only mixing counts."""
_AUTOCORRELATION = """How a channel goes with itself some steps later, each series about its own mean. Good: the curves
coincide. A synthetic curve that falls faster means rough series, one that falls slower smooth ones."""
_SPECTRUM = """Typical power at each frequency. Good: the curves coincide down to the right end. A synthetic curve that
levels off above the real one at high frequencies is noise left in the series, too faint for the eye."""
_CORRELATION = """Correlation of every two channels at the same step: held-out, synthetic, and the difference. Good: the
first two look alike and the third is pale."""
_NEAREST = """Some synthetic series (the first channel of several) with the training series nearest to each in all
channels. Good: the same kind of series with a course of its own. Bad: two lines on each other, a copy; or nothing alike
nearby, a series from nowhere."""


def drawings(schema: Schema, train: Records, holdout: Records, synthetic: Records) -> list[Drawing]:
    """The pictures, in the order of the page; those that need several channels only where there are some."""

    def of(draw: Callable[..., Figure]) -> Callable[[Palette], Figure]:
        return lambda palette: draw(palette, schema, holdout, synthetic)

    found = [
        Drawing("Fans", _FANS, of(_fans)),
        Drawing("Where the series lie", _MAPS, of(_maps)),
        Drawing("Autocorrelation", _AUTOCORRELATION, of(_autocorrelations)),
        Drawing("Power spectrum", _SPECTRUM, of(_spectra)),
    ]
    if len(schema.channels) > 1:
        found.append(Drawing("Correlation of the channels", _CORRELATION, of(_correlations)))
    found.append(
        Drawing("Nearest neighbours", _NEAREST, lambda palette: _neighbours(palette, schema, train, synthetic))
    )
    return found


def _fans(palette: Palette, schema: Schema, real: Records, synthetic: Records) -> Figure:
    classes = list(range(min(len(schema.labels), _MOST_CLASSES))) if synthetic.label is not None else []
    channels = _shown(schema)
    rows = classes or [-1]
    figure = Figure(figsize=(max(7.6, 2.6 * len(channels)), 0.5 + 1.6 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(channels), squeeze=False, sharex=True)
    for row, label in enumerate(rows):
        for column, channel in enumerate(channels):
            axis = axes[row, column]
            for records, colour in ((real, palette.real), (synthetic, palette.synthetic)):
                _fan(axis, records if label < 0 or records.label is None else records.take(records.label == label),
                     channel, colour)  # fmt: skip
            _plain(axis, palette)
            if row == 0 and len(schema.channels) > 1:
                axis.set_title(_short(schema.channels[channel].name), fontsize=9, color=palette.ink, parse_math=False)
        if label >= 0:
            axes[row, 0].set_ylabel(_short(schema.labels[label]), fontsize=9, parse_math=False)
    _legend(figure, palette)
    return figure


def _fan(axis: Axes, records: Records, channel: int, colour: str) -> None:
    if not len(records):
        return
    values = interpolated(records)[:, channel]
    steps = np.flatnonzero((~np.isnan(values)).sum(axis=0) > len(values) / 4)
    if not steps.size:
        return
    for low, high, alpha in _BANDS:
        below, above = np.nanquantile(values[:, steps], (low, high), axis=0)
        axis.fill_between(steps, below, above, color=colour, alpha=alpha, linewidth=0)
    axis.plot(steps, np.nanmedian(values[:, steps], axis=0), color=colour, linewidth=1.8)
    for line in values[np.linspace(0, len(values) - 1, min(_LINES, len(values))).astype(int)]:
        axis.plot(line, color=colour, linewidth=0.6, alpha=0.7)


def _maps(palette: Palette, schema: Schema, real: Records, synthetic: Records) -> Figure:
    n = min(len(real), len(synthetic), _POINTS)
    scale = ChannelScale.of_schema(schema)
    flat = [scale.standardise(_some(side, n), schema.shape[1]).reshape(n, -1) for side in (real, synthetic)]
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    components = PCA(min(2, n - 1, flat[0].shape[1]), random_state=0).fit(flat[0])
    together = np.concatenate(flat)
    spread = PCA(min(30, *together.shape), random_state=0).fit_transform(together)
    near = TSNE(perplexity=min(30.0, (len(together) - 1) / 3), init="pca", random_state=0).fit_transform(spread)
    share = components.explained_variance_ratio_.sum()
    for axis, points, title in zip(
        figure.subplots(1, 2),
        ([components.transform(side) for side in flat], [near[:n], near[n:]]),
        (f"principal components ({100 * share:.0f} % of the variance)", "t-SNE"),
        strict=True,
    ):
        for side, colour, order in zip(points, (palette.real, palette.synthetic), (2, 3), strict=True):
            axis.scatter(side[:, 0], side[:, -1], s=14, color=colour, alpha=0.55, linewidths=0, zorder=order)
        _plain(axis, palette)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_title(title, fontsize=9, color=palette.ink)
    _legend(figure, palette)
    return figure


def _autocorrelations(palette: Palette, schema: Schema, real: Records, synthetic: Records) -> Figure:
    curves = [dynamics.autocorrelation(side) for side in complete(real, synthetic)]
    return _curves(palette, schema, curves, start=0, label="lag in steps", bounds=(-1.05, 1.05))


def _spectra(palette: Palette, schema: Schema, real: Records, synthetic: Records) -> Figure:
    curves = [dynamics.power_spectrum(side) for side in complete(real, synthetic)]
    return _curves(palette, schema, curves, start=1, label="cycles in a series", log=True)


def _curves(
    palette: Palette,
    schema: Schema,
    curves: Sequence[NDArray[np.float64]],
    *,
    start: int,
    label: str,
    bounds: tuple[float, float] | None = None,
    log: bool = False,
) -> Figure:
    """Real and synthetic curve of some channels, `(C, points)` each."""
    channels = _shown(schema)
    figure = Figure(figsize=(max(7.6, 2.4 * len(channels)), 2.7), layout="constrained")
    for axis, channel in zip(figure.subplots(1, len(channels), squeeze=False)[0], channels, strict=True):
        points = np.arange(curves[0].shape[1]) + start
        for curve, colour in zip(curves, (palette.real, palette.synthetic), strict=True):
            axis.plot(points, curve[channel], color=colour, linewidth=1.7)
        if log and np.all([curve[channel] > 0 for curve in curves]):
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
        if bounds is not None:
            axis.set_ylim(*bounds)
        _plain(axis, palette)
        axis.set_xlabel(label, fontsize=8)
        if len(schema.channels) > 1:
            axis.set_title(_short(schema.channels[channel].name), fontsize=9, color=palette.ink, parse_math=False)
    _legend(figure, palette)
    return figure


def _correlations(palette: Palette, schema: Schema, real: Records, synthetic: Records) -> Figure:
    kept = min(len(schema.channels), _MOST_HEATED)
    ours, theirs = (dynamics.cross_correlation(side[:, :kept])[0] for side in complete(real, synthetic))
    names = [_short(channel.name, 10) for channel in schema.channels[:kept]]
    figure = Figure(figsize=(8.4, 3.3), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, matrix, title in zip(
        axes, (ours, theirs, theirs - ours), ("real", "synthetic", "difference"), strict=True
    ):
        picture = axis.imshow(matrix, cmap=_DIVERGING, vmin=-1, vmax=1)
        _plain(axis, palette, grid=False)
        axis.set_title(title, fontsize=9, color=palette.ink)
        if kept <= 12:
            axis.set_xticks(range(kept), names, rotation=90, fontsize=7, parse_math=False)
            axis.set_yticks(range(kept), names if axis is axes[0] else [""] * kept, fontsize=7, parse_math=False)
        else:
            axis.set_xticks([])
            axis.set_yticks([])
    bar = figure.colorbar(picture, ax=list(axes), shrink=0.8)
    bar.ax.tick_params(colors=palette.soft, labelsize=8)
    bar.outline.set_edgecolor(palette.line)
    return figure


def _neighbours(palette: Palette, schema: Schema, train: Records, synthetic: Records) -> Figure:
    scale = ChannelScale.of_schema(schema)
    chosen = _some(synthetic, min(_NEIGHBOURS, len(synthetic)))
    flat = [scale.standardise(side, schema.shape[1]).reshape(len(side), -1) for side in (train, chosen)]
    distance, place = NearestNeighbors(n_neighbors=1).fit(flat[0]).kneighbors(flat[1])
    nearest = train.take(place[:, 0])
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(7.6, 0.4 + 1.55 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    lines = [interpolated(side)[:, 0] for side in (nearest, chosen)]
    labels = [""] * len(chosen)
    if chosen.label is not None and schema.labels:
        labels = [f"{_short(schema.labels[k], 14)}, " for k in chosen.label]
    for index, axis in enumerate(axes.flat):
        if index >= len(chosen):
            axis.set_axis_off()
            continue
        for side, colour, width in zip(lines, (palette.real, palette.synthetic), (2.2, 1.2), strict=True):
            axis.plot(side[index], color=colour, linewidth=width, alpha=0.9)
        _plain(axis, palette, grid=False)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_title(
            f"{labels[index]}distance {distance[index, 0]:.3g}", fontsize=8, color=palette.soft, parse_math=False
        )
    _legend(figure, palette, names=("nearest training series", "synthetic"))
    return figure


def _some(records: Records, n: int) -> Records:
    """n records spread evenly."""
    return records.take(np.linspace(0, len(records) - 1, n).astype(int))


def _shown(schema: Schema) -> list[int]:
    """Channels spread evenly over all of them."""
    count = len(schema.channels)
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, _MOST_CHANNELS))})


def _short(text: str, width: int = 18) -> str:
    return textwrap.shorten(text, width, placeholder="…") or text[:width]


def _legend(figure: Figure, palette: Palette, names: tuple[str, str] = ("real, held out", "synthetic")) -> None:
    lines = [Line2D([], [], color=colour, linewidth=2.5) for colour in (palette.real, palette.synthetic)]
    legend = figure.legend(lines, list(names), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    for entry in legend.get_texts():
        entry.set_color(palette.ink)


def _plain(axis: Axes, palette: Palette, *, grid: bool = True) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    for spine in axis.spines.values():
        spine.set_color(palette.line)
    if grid:
        axis.grid(axis="y", color=palette.line, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.tick_params(which="both", colors=palette.soft, labelsize=8, length=3)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set_color(palette.soft)
    axis.patch.set_alpha(0)
