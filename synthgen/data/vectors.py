"""A ready judge and a ready embedder for any records that can be laid out as plain vectors.

The judge is a scikit-learn classifier; the embedder standardises and takes principal components. A modality gives its
`flatten`, and has both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Schema
from synthgen.data.outcome import ClassificationOutcome, own_probability, softmax_of_margins
from synthgen.errors import DataError

__all__ = ["VectorEmbedder", "VectorJudge"]

Flatten = Callable[[Records, Schema], NDArray[np.float32]]

_MOST_COMPONENTS = 32


class VectorJudge:
    """A classifier of plain vectors, measured by accuracy.

    Args:
        schema: of the records; it has at least two labels.
        flatten: records to vectors `(N, D)`, such as `Modality.flatten`.
        make: a fresh scikit-learn classifier; None: a support-vector machine on standardised vectors.
    """

    measure = "accuracy"

    def __init__(self, schema: Schema, flatten: Flatten, *, make: Callable[[], Any] | None = None) -> None:
        self._schema = schema
        self.classes = schema.labels
        self._flatten = flatten
        self._make = make or _support_vectors
        self._model: Any = None
        self._only = -1

    def fit(self, records: Records) -> Self:
        """Train on labelled records; where all bear one label, that label is the answer."""
        labels = self._labels(records)
        self._only = int(labels[0]) if len(np.unique(labels)) == 1 else -1
        if self._only < 0:
            self._model = self._make().fit(self._flatten(records, self._schema), labels)
        return self

    def evaluate(self, records: Records) -> ClassificationOutcome:
        """Predict and compare."""
        truth = self._labels(records)
        if self._only >= 0:
            return ClassificationOutcome(truth, np.full(len(truth), self._only), self._schema.labels)
        predicted = np.asarray(self._model.predict(self._flatten(records, self._schema)), dtype=np.int64)
        return ClassificationOutcome(truth, predicted, self._schema.labels)

    def calibrate(self, real: Records) -> Self:
        """Nothing: probabilities are compared with those of real records."""
        return self

    def agreement(self, records: Records) -> NDArray[np.float64]:
        """How probable the classifier finds each record's own label, `(N, K)`."""
        labels, size = self._labels(records), len(self.classes)
        if self._only >= 0:
            return own_probability(np.eye(size)[np.full(len(labels), self._only)], labels)
        x = self._flatten(records, self._schema)
        present = np.asarray(self._model.classes_)
        if not hasattr(self._model, "predict_proba"):
            return own_probability(softmax_of_margins(self._model.decision_function(x), present, size), labels)
        probability = np.zeros((len(x), size))
        probability[:, present] = self._model.predict_proba(x)
        return own_probability(probability, labels)

    def _labels(self, records: Records) -> NDArray[np.int64]:
        if records.label is None or not len(records):
            raise DataError("a classifier needs labelled records")
        return records.label


class VectorEmbedder:
    """Standardised vectors, reduced to at most 32 principal components.

    Args:
        schema: of the records.
        flatten: records to vectors `(N, D)`, such as `Modality.flatten`.
    """

    name = "pca"

    def __init__(self, schema: Schema, flatten: Flatten) -> None:
        self._schema = schema
        self._flatten = flatten
        self._model: Any = None

    def fit(self, records: Records) -> Self:
        """Learn mean, deviation and components on real records."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        vectors = self._flatten(records, self._schema)
        components = min(_MOST_COMPONENTS, *vectors.shape)
        self._model = make_pipeline(StandardScaler(), PCA(components, svd_solver="full")).fit(vectors)
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, D)`."""
        return np.asarray(self._model.transform(self._flatten(records, self._schema)), dtype=np.float32)


def _support_vectors() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=10.0))
