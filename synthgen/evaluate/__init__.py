"""Answers about a synthetic data set (`evaluate`) and about records (`score`). Public names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.evaluate.anomaly import ScoreResult, score
    from synthgen.evaluate.metric import MetricRow
    from synthgen.evaluate.report import Report, evaluate

__all__ = ["MetricRow", "Report", "ScoreResult", "evaluate", "score"]

_HOMES = {
    "MetricRow": "synthgen.evaluate.metric",
    "Report": "synthgen.evaluate.report",
    "ScoreResult": "synthgen.evaluate.anomaly",
    "evaluate": "synthgen.evaluate.report",
    "score": "synthgen.evaluate.anomaly",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen.evaluate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
