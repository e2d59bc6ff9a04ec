"""synthgen: labelled synthetic data sets from conditional diffusion models, with proof. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.evaluation import evaluate, score
    from synthgen.evaluation.estimator import Scorer
    from synthgen.generation import augment, generate, verify
    from synthgen.io.run import Run
    from synthgen.training import train
    from synthgen.training.distilling import distill

__all__ = ["Run", "Scorer", "__version__", "augment", "distill", "evaluate", "generate", "score", "train", "verify"]

__version__ = "0.1.0"

_HOMES = {
    "Run": "synthgen.io.run",
    "Scorer": "synthgen.evaluation.estimator",
    "augment": "synthgen.generation",
    "distill": "synthgen.training.distilling",
    "evaluate": "synthgen.evaluation",
    "generate": "synthgen.generation",
    "score": "synthgen.evaluation",
    "train": "synthgen.training",
    "verify": "synthgen.generation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
