"""Real sets that scikit-learn carries in its wheel: breast cancer (Wisconsin) and wine (UCI)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.datasets import load_breast_cancer, load_wine

from synthgen_vectors.collection import vector_source

if TYPE_CHECKING:
    from synthgen.api import Source

__all__ = ["breast_cancer", "wine"]


def breast_cancer() -> Source:
    """Wisconsin diagnostic breast cancer: 569 tumours, 30 measurements of cell nuclei, benign or malignant."""
    return _source(load_breast_cancer(), "Wisconsin diagnostic breast cancer (UCI), as carried by scikit-learn")


def wine() -> Source:
    """Wine recognition: 178 Italian wines of three cultivars, 13 chemical measurements."""
    return _source(load_wine(), "wine recognition (UCI), as carried by scikit-learn")


def _source(bunch: Any, note: str) -> Source:
    names = [str(name) for name in bunch.feature_names]
    labels = [str(bunch.target_names[index]) for index in bunch.target]
    return vector_source(bunch.data, names, where=note, labels=labels, notes=[note])
