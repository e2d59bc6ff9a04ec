"""What notebooks show of runs, data sets and reports: facts, a curve, a row of pictures. HTML without scripts."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.api import Modality, Records, Schema

__all__ = ["SHOWN", "curve", "facts_table", "gallery", "rows_table"]

SHOWN = 8
"""Records in a gallery."""


def facts_table(title: str, facts: Mapping[str, Any]) -> str:
    """A title and a two-column table."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_text(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<p><b>{_text(title)}</b></p><table>{rows}</table>"


def rows_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table with a header."""
    top = "".join(f"<th style='text-align:left'>{_text(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def gallery(modality: Modality, records: Records, schema: Schema) -> str:
    """The first records, drawn as the report draws them, in a row of their own."""
    from matplotlib.figure import Figure

    shown = min(SHOWN, len(records))
    figure = Figure(figsize=(1.7 * shown, 1.7), layout="constrained")
    for index, axis in enumerate(figure.subplots(1, shown, squeeze=False)[0]):
        modality.draw(axis, records, index, schema)
        if records.label is not None and records.label[index] >= 0:
            axis.set_title(schema.labels[records.label[index]], fontsize=8)
    return _picture(figure, "records")


def curve(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Curves of (x, y) pairs by name, such as losses over samples; empty without any point."""
    from matplotlib.figure import Figure

    drawn = {name: points for name, points in series.items() if points}
    if not drawn:
        return ""
    figure = Figure(figsize=(4, 1.8), layout="constrained")
    axis = figure.add_subplot()
    for name, points in drawn.items():
        x, y = np.asarray(points, dtype=float).T
        axis.plot(x, y, label=name, marker="." if len(points) < 20 else "")
    axis.set_xlabel("records seen", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=7)
    return _picture(figure, "loss")


def _picture(figure: Any, alt: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, facecolor="white")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"<p><img alt='{alt}' src='data:image/png;base64,{data}'></p>"


def _text(value: Any) -> str:
    return html.escape(str(value))
