"""The answer of `score`: in words, as JSON, and as one self-contained page with pictures of the oddest records."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import synthgen
from synthgen.evaluation.calibration import smallest_p
from synthgen.evaluation.metric import jsonable
from synthgen.evaluation.ranking import Ranking
from synthgen.evaluation.score_verdict import OURS, TITLES, Oddity, Summary, verdict
from synthgen.io.atomic import make_directory, remove_leftovers, write_bytes, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Modality, Schema

__all__ = ["facts", "write"]

_BINS = 20


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
        "drift": None if summary.drift is None else asdict(summary.drift) | {"kind": summary.drift.kind},
        "false_alarms_by_label": [asdict(item) for item in summary.alarms],
        "correlations": summary.correlations,
        "curves": {name: asdict(item) for name, item in summary.curves.items()},
        "label_suspects": None if summary.suspects is None else [asdict(item) for item in summary.suspects],
        "contamination": None if summary.contamination is None else asdict(summary.contamination),
        "oddest": [
            {"id": item.id, "score": item.score, "p": item.p, "q": item.q, "flagged": item.flagged, "label": item.label,
             "map": f"maps/{_map_name(item)}", "hot": float(np.mean(item.heat > summary.map_threshold)),
             "channels": dict(item.channels)}
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
    make_directory(directory / "maps")
    remove_leftovers(directory / "maps", below=False)
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
        curves=_lines(summary),
        rival=_rival(summary),
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


def _rival(summary: Summary) -> str | None:
    """The baseline with the highest AUROC."""
    others = {name: item for name, item in (summary.rankings or {}).items() if name not in OURS}
    return max(others, key=lambda name: others[name].auroc) if others else None


def _lines(summary: Summary) -> list[dict[str, Any]]:
    """Polylines of the score's two curves and of the best baseline's, in the page's coordinates."""
    drawn = []
    for name, dashed in ((summary.method, False), (_rival(summary), True)):
        if name is None or name not in summary.curves:
            continue
        item = summary.curves[name]
        for left, across, up in ((30, item.false_alarms, item.found), (350, item.recall, item.precision)):
            points = " ".join(f"{left + 260 * x:.1f},{190 - 180 * y:.1f}" for x, y in zip(across, up, strict=True))
            drawn.append({"points": points, "dashed": dashed})
    return drawn


def _map_name(item: Oddity) -> str:
    return f"{item.id:08d}.png"


def _picture(item: Oddity, summary: Summary, modality: Modality, schema: Schema) -> bytes:
    """The record, and beside (images) or below (series) it the record with its anomalous positions."""
    series = len(schema.shape) == 2
    figure = Figure(figsize=(4.2, 3.4) if series else (4.2, 2.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    plain, heated = figure.subplots(2, 1) if series else figure.subplots(1, 2)
    modality.draw(plain, item.record, 0, schema)
    heat = item.cells if series and item.cells is not None else item.heat
    modality.draw(heated, item.record, 0, schema, heat=heat)
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
