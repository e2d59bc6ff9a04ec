"""The answer of `score --by step`: in words, as JSON, and as one page with the series and where they are odd."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

import synthgen
from synthgen.evaluation.calibration import Uniformity, smallest_p
from synthgen.evaluation.figures import PALETTE, themed_svg
from synthgen.evaluation.metric import jsonable
from synthgen.evaluation.score_verdict import OURS, TITLES, Tone
from synthgen.io.atomic import write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from synthgen.api import Timelines

__all__ = ["Event", "Found", "events", "facts", "verdict", "write"]

_SERIES, _CHANNELS, _POINTS, _EVENTS = 4, 3, 1500, 50


@dataclass(frozen=True)
class Found:
    """Everything that the report says, before it is said."""

    data: str
    table: pd.DataFrame
    """See `synthgen.evaluation.timeline.score_timeline`."""
    timelines: Timelines
    channels: tuple[str, ...]
    detectors: Mapping[str, Mapping[str, float]]
    """Detector -> `auroc`, `average_precision`, `vus_pr`; empty where no label says what is anomalous."""
    method: str
    window: int
    blocks: int
    stretches: int
    q: float
    alpha: float | None
    short: int
    """Series that are shorter than a window."""
    seen: int
    """Windows of the training split that lie in the data."""
    uniformity: Uniformity | None
    map_threshold: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A run of flagged steps of one series."""

    series: str
    first: int
    last: int
    start: str
    """Time stamp of the first step; its number where there are none."""
    end: str
    score: float
    """The highest in it."""
    p: float
    channel: str
    """The channel that is oddest in it; "" where there is one."""


def events(found: Found) -> list[Event]:
    """Flagged steps side by side, the highest score first."""
    several = [f"map_{name}" for name in found.channels if f"map_{name}" in found.table]
    events_: list[Event] = []
    for name, part in found.table.groupby("series", sort=False):
        part = part.sort_values("step")
        flags = part["flagged"].to_numpy()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
        stamps = part[found.timelines.time or "step"].astype(str).to_numpy()
        for first, last in zip(edges[0::2], edges[1::2] - 1, strict=True):
            inside = part.iloc[first : last + 1]
            odd = str(inside[several].mean().idxmax())[4:] if several else ""
            events_.append(
                Event(str(name), int(first), int(last), stamps[first], stamps[last],
                      float(inside["score"].max()), float(inside["p"].min()), odd)
            )  # fmt: skip
    return sorted(events_, key=lambda event: -event.score)


def verdict(found: Found, runs: list[Event]) -> list[tuple[Tone, str]]:
    """The answer in sentences; the first says how many steps are flagged."""
    said: list[tuple[Tone, str]] = [_flags(found, runs)]
    if found.seen:
        said.append(
            (
                "bad",
                f"{found.seen:,} windows that the model was trained on lie in this data: p-values are not valid there.",
            )
        )
    if found.uniformity is not None:
        said.append(_calibration(found.uniformity))
    if found.detectors:
        said.append(_against_baselines(found))
    if found.short:
        said.append(
            ("unknown", f"{found.short:,} series shorter than a window of {found.window} steps have no scores.")
        )
    gone = int(found.table["score"].isna().sum())
    if gone and not found.short:
        said.append(("unknown", f"{gone:,} steps have no score: nothing is observed around them."))
    return said


def _flags(found: Found, runs: list[Event]) -> tuple[Tone, str]:
    scored, flagged = int(found.table["score"].notna().sum()), int(found.table["flagged"].sum())
    rule = f"at q = {found.q:g}" if found.alpha is None else f"with p <= {found.alpha:g}"
    text = f"{flagged:,} of {scored:,} time steps are flagged {rule}"
    if runs:
        first = runs[0]
        where = f"{first.start} to {first.end}" if first.first < first.last else first.start
        of = f" of series {first.series}" if len(found.timelines.series) > 1 else ""
        return "note", f"{text}, in {len(runs):,} stretches; the oddest is {where}{of}."
    least = smallest_p(found.blocks)
    needed = math.ceil(least * scored / found.q - 1e-9) if found.alpha is None else 0
    if needed > 1:
        return "unknown", (
            f"{text}. The calibration steps form {found.blocks:,} blocks of a window, so no p-value is below "
            f"{least:.2g} and at least {needed:,} steps would have to reach it together: sort by score, or flag each "
            "by itself with --alpha."
        )
    return "note", f"{text}: none is odder than normal steps may be."


def _calibration(found: Uniformity) -> tuple[Tone, str]:
    low, high = found.expected
    text = (
        f"Of {found.records:,} time steps that the model never saw, {found.false_alarms:.1%} have p <= 0.05, where "
        f"{low:.1%} to {high:.1%} are expected (95 %)"
    )
    if found.holds:
        return "good", f"{text}: the calibration holds."
    return (
        "bad",
        f"{text}: the calibration does not hold; the held-out stretches are not like the calibration stretches.",
    )


def _against_baselines(found: Found) -> tuple[Tone, str]:
    ours = found.detectors[found.method]["vus_pr"]
    others = {name: each["vus_pr"] for name, each in found.detectors.items() if name not in OURS}
    best = max(others, key=lambda name: others[name])
    tone: Tone = "good" if ours > others[best] else "bad"
    return tone, (
        f"Against the labels the score reaches VUS-PR {ours:.3f}; the best baseline, {TITLES.get(best, best)}, "
        f"{others[best]:.3f}."
    )


def facts(found: Found, runs: list[Event]) -> dict[str, Any]:
    """The JSON object of the report, without what `write` adds."""
    plain = {
        "verdict": [sentence for _, sentence in verdict(found, runs)],
        "data": found.data,
        "steps": len(found.table),
        "series": len(found.timelines.series),
        "flagged": int(found.table["flagged"].sum()),
        "q": found.q,
        "alpha": found.alpha,
        "method": found.method,
        "window": found.window,
        "calibration_blocks": found.blocks,
        "calibration_stretches": found.stretches,
        "smallest_p": smallest_p(found.blocks),
        "uniformity": None if found.uniformity is None else asdict(found.uniformity),
        "map_threshold": found.map_threshold,
        "detectors": [{"name": name, **each} for name, each in found.detectors.items()],
        "events": [asdict(event) for event in runs],
        "notes": found.notes,
    }
    return dict(jsonable(plain))


def write(
    directory: Path, found: Found, *, request: Mapping[str, Any], run: Path, scores: Path
) -> tuple[Path, dict[str, Any]]:
    """Write `steps.html` and, last, `steps.json`, each atomically; the page's path, and what the JSON holds."""
    page, runs = directory / "steps.html", events(found)
    holds = facts(found, runs) | {
        "scores": str(scores),
        "report": str(page),
        "run": str(run),
        "request": dict(jsonable(request)),
        "version": synthgen.__version__,
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthgen.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("steps.html.j2").render(
        found=found,
        verdict=verdict(found, runs),
        events=runs[:_EVENTS],
        more=max(0, len(runs) - _EVENTS),
        flagged=holds["flagged"],
        smallest_p=holds["smallest_p"],
        titles=TITLES,
        pictures=[(name, themed_svg(_figure(found, name))) for name in _oddest(found)],
        generated=[
            ("run", os.fspath(run)),
            ("model (sha256)", request.get("run", "")),
            ("data", found.data),
            ("scores", os.fspath(scores)),
            ("synthgen", synthgen.__version__),
        ],
    )
    write_text(page, html)
    write_text(directory / "steps.json", json.dumps(holds, indent=2, ensure_ascii=False) + "\n")
    return page, holds


def _oddest(found: Found) -> list[str]:
    highest = found.table.groupby("series", sort=False)["score"].max().dropna()
    return [str(name) for name in highest.sort_values(ascending=False, kind="stable").index[:_SERIES]]


def _figure(found: Found, name: str) -> Figure:
    """Some channels of one series above, its score below; flagged steps are shaded."""
    part = found.table[found.table["series"].astype(str) == name].sort_values("step")
    values = found.timelines.series[found.timelines.names.index(name)]
    maps = [part[f"map_{each}"].max() if f"map_{each}" in part else 0.0 for each in found.channels]
    shown = sorted(np.argsort(-np.asarray(maps), kind="stable")[:_CHANNELS].tolist())
    figure = Figure(figsize=(9.0, 1.3 * (len(shown) + 1) + 0.4), layout="constrained")
    axes = figure.subplots(len(shown) + 1, 1, sharex=True)
    for axis, channel in zip(axes, shown, strict=False):
        axis.plot(*_thinned(values[channel], np.nanmean), color=PALETTE.real, linewidth=0.9)
        axis.set_ylabel(found.channels[channel][:16], fontsize=8, parse_math=False)
    axes[-1].plot(*_thinned(part["score"].to_numpy(), np.nanmax), color=PALETTE.synthetic, linewidth=0.9)
    axes[-1].set_ylabel("score", fontsize=8)
    axes[-1].set_xlabel("step", fontsize=8)
    flags = part["flagged"].to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    for axis in axes:
        for first, last in zip(edges[0::2], edges[1::2], strict=True):
            axis.axvspan(first - 0.5, last - 0.5, color=PALETTE.synthetic, alpha=0.18, linewidth=0)
        _plain(axis)
    return figure


def _thinned(values: NDArray[np.float64], joined: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and values, joined in pieces where there are more than can be drawn."""
    width = -(-len(values) // _POINTS)
    if width == 1:
        return np.arange(len(values), dtype=np.float64), values
    padded = np.concatenate([values, np.full(-len(values) % width, np.nan)]).reshape(-1, width)
    known = np.isfinite(padded).any(axis=1)
    thin = np.full(len(padded), np.nan)
    thin[known] = joined(padded[known], axis=1)
    return np.arange(len(padded), dtype=np.float64) * width, thin


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    for spine in axis.spines.values():
        spine.set_color(PALETTE.line)
    axis.tick_params(labelsize=7, colors=PALETTE.soft, length=2)
    axis.yaxis.label.set_color(PALETTE.soft)
    axis.xaxis.label.set_color(PALETTE.soft)
