"""Generation: from a run to a labelled data set on disk, or to records in memory."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.generation.augmenter import SyntheticAugmenter
    from synthgen.generation.augmenting import augment
    from synthgen.generation.dataset import Dataset
    from synthgen.generation.generating import generate, generate_records
    from synthgen.generation.given import Given
    from synthgen.generation.sample import Sample, fresh_samples, sample
    from synthgen.generation.verifying import verify

__all__ = [
    "Dataset",
    "Given",
    "Sample",
    "SyntheticAugmenter",
    "augment",
    "fresh_samples",
    "generate",
    "generate_records",
    "sample",
    "verify",
]

_HOMES = {
    "Dataset": "synthgen.generation.dataset",
    "Given": "synthgen.generation.given",
    "Sample": "synthgen.generation.sample",
    "SyntheticAugmenter": "synthgen.generation.augmenter",
    "augment": "synthgen.generation.augmenting",
    "fresh_samples": "synthgen.generation.sample",
    "generate": "synthgen.generation.generating",
    "generate_records": "synthgen.generation.generating",
    "sample": "synthgen.generation.sample",
    "verify": "synthgen.generation.verifying",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen.generation' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
