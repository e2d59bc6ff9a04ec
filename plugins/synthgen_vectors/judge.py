"""What users would train on labelled vectors: logistic regression or a random forest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthgen.data.outcome import ClassificationOutcome
from synthgen.errors import DataError
from synthgen.seeding import derive_seed
from synthgen_vectors.collection import standardised

if TYPE_CHECKING:
    from synthgen.api import Outcome, Records, Schema

__all__ = ["VectorJudge"]


class VectorJudge:
    """A classifier of scikit-learn.

    Args:
        schema: names of the classes, scale of the columns.
        seed: of the forest.
        kind: `"logistic"` or `"forest"` (200 trees).
    """

    measure = "accuracy"

    def __init__(self, schema: Schema, *, seed: int, kind: str = "logistic") -> None:
        self._schema = schema
        state = derive_seed(seed, "judge") % 2**32
        self._model: Any = (
            RandomForestClassifier(200, random_state=state, n_jobs=1)
            if kind == "forest"
            else make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        )
        self._only: int | None = None

    def fit(self, records: Records) -> Self:
        """Train from scratch.

        Raises:
            DataError: the records carry no labels.
        """
        if records.label is None:
            raise DataError("a classifier needs labelled records")
        found = np.unique(records.label)
        self._only = int(found[0]) if len(found) == 1 else None
        if self._only is None:
            self._model.fit(standardised(records, self._schema), records.label)
        return self

    def evaluate(self, records: Records) -> Outcome:
        """Predictions beside the records' labels."""
        if records.label is None:
            raise DataError("a classifier can only be tested on labelled records")
        if self._only is None:
            predicted = self._model.predict(standardised(records, self._schema))
        else:
            predicted = np.full(len(records), self._only)
        return ClassificationOutcome(records.label, np.asarray(predicted, dtype=np.int64), self._schema.labels)
