"""The answer of `score`: in words, as JSON, and as one self-contained page with pictures of the oddest records."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jinja2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import synthgen
from synthgen.evaluation.calibration import Uniformity, smallest_p
from synthgen.evaluation.families import FAMILIES
from synthgen.evaluation.metric import jsonable
from synthgen.evaluation.ranking import Agreement, Ranking
from synthgen.io.atomic import write_bytes, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Modality, Records, Schema

__all__ = ["TITLES", "Oddity", "Summary", "facts", "verdict", "write"]

Tone = Literal["good", "bad", "unknown", "note"]

TITLES: Mapping[str, str] = {
    **{name: family.title for name, family in FAMILIES.items()},
    "kernel": "denoising error of the remembered training records",
    "fusion": "model and remembered records, mean z",
    "knn": "nearest neighbours (5), values",
    "knn_features": "nearest neighbours (5), features",
    "mahalanobis_features": "Mahalanobis distance, features",
    "lof": "local outlier factor (20)",
    "iforest": "isolation forest (100)",
    "pca": "principal components, reconstruction",
    "mahalanobis": "Mahalanobis distance",
}
_OURS = (*FAMILIES, "kernel", "fusion")
_BINS = 20


@dataclass(frozen=True)
class Oddity:
    """One of the records with the highest scores."""

    id: int
    score: float
    label: str
    record: Records
    heat: NDArray[np.float64]
    """`(*spatial)`: z-scored residuals, smoothed."""
    p: float = math.nan
    q: float = math.nan
    flagged: bool = False


@dataclass(frozen=True)
class Summary:
    """Everything that the report says, before it is said."""

    records: int
    unscorable: int
    flagged: int
    method: str
    sigmas: tuple[float, ...]
    calibration_records: int
    uniformity: Uniformity | None
    anomalies: int | None
    """Records that the labels call anomalous; None: the labels do not say."""
    rankings: Mapping[str, Ranking] | None
    agreements: Mapping[str, Agreement]
    seen: Mapping[str, int]
    """Part of the run's split -> scored records that are copies of its records."""
    map_threshold: float
    p: NDArray[np.float64]
    """Of the records that could be scored."""
    family: str = "denoising"
    evaluations: int = 32
    """Network evaluations a record."""
    data: str = ""
    condition: str = "null"
    q: float = 0.1
    alpha: float | None = None
    oddest: tuple[Oddity, ...] = ()
    notes: tuple[str, ...] = ()


def verdict(summary: Summary) -> list[tuple[Tone, str]]:
    """The answer in sentences, each with its tone; the first says how many records are flagged."""
    said = [_flags(summary), *_seen_before(summary), _against_baselines(summary)]
    if summary.uniformity is not None:
        said.append(_calibration(summary.uniformity))
    if summary.unscorable:
        said.append(("unknown", f"{_records(summary.unscorable)} with no observed value could not be scored."))
    return said


def _records(n: int) -> str:
    return "1 record" if n == 1 else f"{n:,} records"


def _flags(summary: Summary) -> tuple[Tone, str]:
    scored = summary.records - summary.unscorable
    least = smallest_p(summary.calibration_records)
    if summary.alpha is not None:
        return "note", (
            f"{summary.flagged:,} of {_records(scored)} have p <= {summary.alpha:g}; if all were normal, "
            f"about {summary.alpha * scored:.1f} would."
        )
    text = f"{summary.flagged:,} of {_records(scored)} are flagged at q = {summary.q:g}"
    if summary.flagged:
        return "note", f"{text}: on average at most {summary.q:.0%} of the flags are false alarms."
    needed = math.ceil(least * scored / summary.q - 1e-9)
    if needed <= 1:
        return "note", f"{text}: none is odder than normal records may be."
    return "unknown", (
        f"{text}. With {summary.calibration_records:,} calibration records no p-value is below {least:.2g}, so at "
        f"least {needed:,} records would have to reach it together: sort by score, or flag each by itself with --alpha."
    )


def _seen_before(summary: Summary) -> list[tuple[Tone, str]]:
    trained, stopped = summary.seen.get("train", 0), summary.seen.get("validation", 0)
    calibrated = summary.seen.get("calibration", 0)
    said: list[tuple[Tone, str]] = []
    if trained:
        text = (
            f"Scored on training data: {_records(trained)} of {summary.records:,} are copies of records that the model "
            "was trained on, which it restores better than new ones; their p-values are not valid."
        )
        said.append(("bad", text))
    if stopped or calibrated:
        copies = _records(stopped + calibrated)
        text = f"{copies} are copies of records that chose or calibrated the model and taught it nothing."
        said.append(("note", text))
    return said


def _against_baselines(summary: Summary) -> tuple[Tone, str]:
    if summary.rankings is None:
        other = summary.agreements.get("knn")
        if summary.anomalies is not None:
            return "unknown", (
                f"The labels call {summary.anomalies:,} of {summary.records:,} records anomalous: without both kinds "
                "nothing can be said about how well the scores rank them."
            )
        if other is None:
            return "unknown", "No label says which records are anomalous."
        return "unknown", (
            "No label says which records are anomalous, so nothing here says which detector is right. The score and "
            f"the nearest-neighbour distance agree with a rank correlation of {other.spearman:.2f} and share "
            f"{other.top_overlap:.0%} of their top {_records(other.top)}."
        )
    ours = summary.rankings[summary.method]
    baselines = {name: ranking for name, ranking in summary.rankings.items() if name not in _OURS}
    best = max(baselines, key=lambda name: baselines[name].auroc)
    rival = baselines[best]
    low, high = rival.difference
    text = (
        f"Against the labels the score reaches AUROC {ours.auroc:.3f} [{ours.auroc_interval[0]:.3f}, "
        f"{ours.auroc_interval[1]:.3f}] and average precision {ours.average_precision:.3f}"
    )
    rest = f"the best baseline, {TITLES.get(best, best)}, {rival.auroc:.3f}"
    if low > 0:
        return "bad", f"{text}; {rest}: the baseline does better, by {low:.3f} to {high:.3f}."
    if high < 0:
        return "good", f"{text}; {rest}: the model does better, by {-high:.3f} to {-low:.3f}."
    return "unknown", f"{text}; {rest}: which one is better cannot be told [{low:+.3f}, {high:+.3f}]."


def _calibration(found: Uniformity) -> tuple[Tone, str]:
    low, high = found.expected
    text = (
        f"Of {_records(found.records)} that the model never saw, {found.false_alarms:.1%} have p <= 0.05, "
        f"where {low:.1%} to {high:.1%} are expected (95 %)"
    )
    if found.false_alarms > high:
        return "bad", f"{text}: the calibration does not hold, there are more false alarms than the p-values promise."
    if found.false_alarms < low:
        return "bad", f"{text}: the calibration does not hold, there are fewer alarms than the p-values promise."
    if not found.holds:
        return "bad", (
            f"{text}; but they are not scored like the calibration records (Kolmogorov-Smirnov, p = {found.p:.2g}): "
            "the calibration does not hold."
        )
    return "good", f"{text}: the calibration holds."


def facts(summary: Summary) -> dict[str, Any]:
    """The JSON object of the report, without what `write` adds."""
    names = dict.fromkeys([summary.method, *(summary.rankings or {}), *summary.agreements])
    plain = {
        "verdict": [sentence for _, sentence in verdict(summary)],
        "data": summary.data,
        "records": summary.records,
        "flagged": summary.flagged,
        "q": summary.q,
        "alpha": summary.alpha,
        "method": summary.method,
        "family": summary.family,
        "evaluations": summary.evaluations,
        "condition": summary.condition,
        "sigmas": summary.sigmas,
        "calibration_records": summary.calibration_records,
        "smallest_p": smallest_p(summary.calibration_records),
        "uniformity": None if summary.uniformity is None else asdict(summary.uniformity),
        "anomalies": summary.anomalies,
        "unscorable": summary.unscorable,
        "seen": dict(summary.seen),
        "map_threshold": summary.map_threshold,
        "detectors": [
            {"name": name}
            | ({} if summary.rankings is None else asdict(summary.rankings[name]))
            | (asdict(summary.agreements[name]) if name in summary.agreements else {})
            for name in names
        ],
        "oddest": [
            {"id": item.id, "score": item.score, "p": item.p, "q": item.q, "flagged": item.flagged, "label": item.label,
             "map": f"maps/{_map_name(item)}", "hot": float(np.mean(item.heat > summary.map_threshold))}
            for item in summary.oddest
        ],
        "notes": summary.notes,
    }  # fmt: skip
    return dict(jsonable(plain))


def write(
    directory: Path,
    summary: Summary,
    *,
    modality: Modality,
    schema: Schema,
    request: Mapping[str, Any],
    run: Path,
    scores: Path,
) -> tuple[Path, dict[str, Any]]:
    """Write `maps/*.png`, `score.html` and, last, `score.json`, each atomically.

    Returns:
        The page's path, and what the JSON holds.
    """
    page = directory / "score.html"
    pictures = []
    for item in summary.oddest:
        png = _picture(item, summary, modality, schema)
        write_bytes(directory / "maps" / _map_name(item), png)
        pictures.append((item, f"data:image/png;base64,{base64.b64encode(png).decode()}"))
    holds = facts(summary) | {
        "scores": str(scores),
        "report": str(page),
        "run": str(run),
        "request": dict(jsonable(request)),
        "version": synthgen.__version__,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("score.html.j2").render(
        summary=summary,
        verdict=verdict(summary),
        detectors=holds["detectors"],
        best=_best(summary.rankings),
        titles=TITLES,
        pictures=pictures,
        histogram=_histogram(summary.p),
        smallest_p=smallest_p(summary.calibration_records),
        finite_threshold=math.isfinite(summary.map_threshold),
        generated=[
            ("run", os.fspath(run)),
            ("model (sha256)", request.get("run", "")),
            ("data", summary.data),
            ("scores", os.fspath(scores)),
            ("seed", request.get("seed", "")),
            ("synthgen", synthgen.__version__),
        ],
    )
    write_text(page, html)
    write_text(directory / "score.json", json.dumps(holds, indent=2, ensure_ascii=False) + "\n")
    return page, holds


def _best(rankings: Mapping[str, Ranking] | None) -> str | None:
    return max(rankings, key=lambda name: rankings[name].auroc) if rankings else None


def _map_name(item: Oddity) -> str:
    return f"{item.id:08d}.png"


def _picture(item: Oddity, summary: Summary, modality: Modality, schema: Schema) -> bytes:
    """The record, and beside (images) or below (series) it the record with its anomalous positions."""
    series = len(schema.shape) == 2
    figure = Figure(figsize=(4.2, 3.4) if series else (4.2, 2.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    plain, heated = figure.subplots(2, 1) if series else figure.subplots(1, 2)
    modality.draw(plain, item.record, 0, schema)
    modality.draw(heated, item.record, 0, schema, heat=item.heat)
    plain.set_title(f"record {item.id}", fontsize=9)
    heated.set_title("where it is odd", fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": f"synthgen {synthgen.__version__}"})
    return buffer.getvalue()


def _histogram(p: NDArray[np.float64]) -> list[dict[str, float]]:
    """Bars of the p-values in percent of the chart: place, width, height, count; the last entry is the uniform line."""
    counts, edges = np.histogram(p, bins=_BINS, range=(0.0, 1.0))
    uniform = len(p) / _BINS
    tallest = max(float(counts.max(initial=0)), uniform, 1.0)
    bars = [
        {"left": float(edge), "height": float(count / tallest), "count": int(count)}
        for edge, count in zip(edges[:-1], counts, strict=True)
    ]
    return [*bars, {"left": 0.0, "height": float(uniform / tallest), "count": uniform}]
