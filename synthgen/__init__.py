"""synthgen: labelled synthetic data sets from conditional diffusion models, with proof. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.evaluation import Report, evaluate, score
    from synthgen.evaluation.estimator import Scorer
    from synthgen.generation import Dataset, Given, SyntheticAugmenter, augment, generate, verify
    from synthgen.generation.completing import extend, forecast, impute
    from synthgen.generation.sample import FreshSamples, Sample, fresh_samples, sample
    from synthgen.io.run import Run
    from synthgen.training import train
    from synthgen.training.distilling import distill

__all__ = [
    "Dataset",
    "FreshSamples",
    "Given",
    "Report",
    "Run",
    "Sample",
    "Scorer",
    "SyntheticAugmenter",
    "__version__",
    "augment",
    "distill",
    "evaluate",
    "extend",
    "forecast",
    "fresh_samples",
    "generate",
    "impute",
    "sample",
    "score",
    "train",
    "verify",
]

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "synthgen.generation",
    "FreshSamples": "synthgen.generation.sample",
    "Given": "synthgen.generation",
    "Report": "synthgen.evaluation",
    "Run": "synthgen.io.run",
    "Sample": "synthgen.generation.sample",
    "Scorer": "synthgen.evaluation.estimator",
    "SyntheticAugmenter": "synthgen.generation",
    "augment": "synthgen.generation",
    "distill": "synthgen.training.distilling",
    "evaluate": "synthgen.evaluation",
    "extend": "synthgen.generation.completing",
    "forecast": "synthgen.generation.completing",
    "fresh_samples": "synthgen.generation.sample",
    "generate": "synthgen.generation",
    "impute": "synthgen.generation.completing",
    "sample": "synthgen.generation.sample",
    "score": "synthgen.evaluation",
    "train": "synthgen.training",
    "verify": "synthgen.generation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
