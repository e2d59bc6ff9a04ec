"""Judges of images: a small CNN (default), or a support-vector machine on the pixels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from synthgen.api import Records, Schema
from synthgen.data.outcome import ClassificationOutcome, own_probability
from synthgen.errors import DataError
from synthgen_image.classifier import Classifier
from synthgen_image.schema import scaled

__all__ = ["CnnJudge", "SvmJudge"]


class CnnJudge:
    """The small CNN of `synthgen_image.classifier`, trained with a fixed number of optimiser steps.

    Args:
        schema: of the images; names the classes.
        seed: of the training.
    """

    measure = "accuracy"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._labels = self.classes = schema.labels
        self._classifier = Classifier(classes=len(schema.labels), seed=seed)

    def fit(self, records: Records) -> Self:
        """Train from scratch on labelled images."""
        self._classifier.fit(records["image"], _labels_of(records))
        return self

    def evaluate(self, records: Records) -> ClassificationOutcome:
        """Predict and compare."""
        return ClassificationOutcome(_labels_of(records), self._classifier.predict(records["image"]), self._labels)

    def calibrate(self, real: Records) -> Self:
        """Nothing: probabilities are compared with those of real records."""
        return self

    def agreement(self, records: Records) -> NDArray[np.float64]:
        """The probability of each image's own label, `(N, K)`."""
        return own_probability(self._classifier.probability(records["image"]), _labels_of(records))


class SvmJudge:
    """scikit-learn's support-vector classifier on pixels, the classical reference for small images.

    Args:
        schema: of the images; names the classes.
    """

    measure = "accuracy"

    def __init__(self, schema: Schema) -> None:
        self._labels = schema.labels
        self._schema = schema
        self._model: Any = None
        self._only: int | None = None

    def fit(self, records: Records) -> Self:
        """Train on labelled images."""
        labels = _labels_of(records)
        self._only = int(labels[0]) if len(np.unique(labels)) == 1 else None
        if self._only is None:
            self._model = make_pipeline(StandardScaler(with_std=False), SVC(C=10.0, gamma="scale"))
            self._model.fit(_pixels(records, self._schema), labels)
        return self

    def evaluate(self, records: Records) -> ClassificationOutcome:
        """Predict and compare."""
        truth = _labels_of(records)
        if self._only is not None:
            return ClassificationOutcome(truth, np.full(len(truth), self._only), self._labels)
        predicted = self._model.predict(_pixels(records, self._schema)).astype(np.int64)
        return ClassificationOutcome(truth, predicted, self._labels)


def _pixels(records: Records, schema: Schema) -> NDArray[np.float32]:
    return scaled(records["image"], schema).reshape(len(records), -1)


def _labels_of(records: Records) -> NDArray[np.int64]:
    if records.label is None:
        raise DataError("a judge needs labelled images")
    return records.label
