"""Answers about a synthetic data set (`evaluate`) and about records (`score`). Public names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.evaluation.anomaly import ScoreResult, score
    from synthgen.evaluation.metric import MetricRow
    from synthgen.evaluation.report import Report, evaluate
    from synthgen.evaluation.timeline import TimelineResult, score_timeline

__all__ = ["MetricRow", "Report", "ScoreResult", "TimelineResult", "evaluate", "score", "score_timeline"]

_HOMES = {
    "MetricRow": "synthgen.evaluation.metric",
    "Report": "synthgen.evaluation.report",
    "ScoreResult": "synthgen.evaluation.anomaly",
    "TimelineResult": "synthgen.evaluation.timeline",
    "evaluate": "synthgen.evaluation.report",
    "score": "synthgen.evaluation.anomaly",
    "score_timeline": "synthgen.evaluation.timeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
