"""The classifiers of scikit-learn that users would train on labelled vectors, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthgen.seeding import derive_seed

__all__ = ["JUDGES"]

JUDGES: Mapping[str, Callable[[int], Any]] = {
    "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
    "forest": lambda seed: RandomForestClassifier(200, random_state=derive_seed(seed, "judge") % 2**32, n_jobs=1),
}
"""Name -> a fresh classifier for a seed."""
