"""A small, complete modality on scikit-learn's digits: real records, a quick judge and embedder, and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier

from synthgen.api import Channel, Condition, Records, Schema
from synthgen.data.outcome import ClassificationOutcome


class RidgeJudge:
    measure = "accuracy"

    def __init__(self, labels, seed):
        self.labels, self.seed = labels, seed

    def fit(self, records):
        # The seed decides which nine tenths are seen, so that seeds differ as they do for a network.
        chosen = np.random.default_rng(self.seed).permutation(len(records))[: max(10, len(records) * 9 // 10)]
        self.model = RidgeClassifier().fit(_vectors(records)[chosen], records.label[chosen])
        return self

    def evaluate(self, records):
        return ClassificationOutcome(records.label, self.model.predict(_vectors(records)), self.labels)


@dataclass(frozen=True)
class ErrorOutcome:
    """Next-row prediction: 1 - squared error over variance."""

    squared: np.ndarray
    variance: float

    def __len__(self):
        return len(self.squared)

    def value(self, weights=None):
        return float(1 - np.average(self.squared, weights=weights) / self.variance)

    def per_class(self, weights=None):
        return {}


class RowJudge:
    measure = "r2"

    def fit(self, records):
        images = records["image"][..., 0].astype(float)
        self.model = np.linalg.lstsq(images[:, :4].reshape(len(images), -1), images[:, 4], rcond=None)[0]
        return self

    def evaluate(self, records):
        images = records["image"][..., 0].astype(float)
        predicted = images[:, :4].reshape(len(images), -1) @ self.model
        return ErrorOutcome(((predicted - images[:, 4]) ** 2).mean(axis=1), float(images[:, 4].var(axis=0).mean()))


class PixelEmbedder:
    name = "pixels"

    def fit(self, records):
        self.pca = PCA(20, random_state=0).fit(_vectors(records))
        return self

    def transform(self, records):
        return self.pca.transform(_vectors(records)).astype(np.float32)


class Digits:
    name = "image"
    demo = "digits"
    formats = ("parquet",)

    def __init__(self, judge="accuracy"):
        self.kind = judge

    def judge(self, schema, *, seed, kind="default"):
        match self.kind:
            case "accuracy":
                return RidgeJudge(schema.labels, seed)
            case "r2":
                return RowJudge()
        return None

    def missing_judge(self, schema):
        return "nothing to judge by"

    def embedder(self, schema, *, seed):
        return PixelEmbedder()

    def flatten(self, records, schema):
        return _vectors(records)

    def draw(self, axis, records, index, schema, *, heat=None):
        axis.imshow(records["image"][index, ..., 0], cmap="gray")
        axis.axis("off")

    def overview(self, real, synthetic, schema):
        figure = Figure(figsize=(3, 2))
        for axis, side in zip(figure.subplots(1, 2), (real, synthetic), strict=True):
            self.draw(axis, side, 0, schema)
        return figure


def _vectors(records):
    return records["image"].reshape(len(records), -1).astype(np.float32)


@pytest.fixture(scope="session")
def make_modality():
    return Digits


@pytest.fixture(scope="session")
def modality():
    return Digits()


@pytest.fixture(scope="session")
def sides():
    """Digits as `train` (700), `holdout` (500) and `fresh` (500 more real records: a perfect generator's)."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = digits.images[order][..., None].astype(np.uint8)
    records = Records({"image": images}, digits.target[order].astype(np.int64))
    schema = Schema(
        modality="image",
        shape=(1, 8, 8),
        channels=(Channel("grey"),),
        labels=tuple(f"digit {k}" for k in range(10)),
        conditions=(Condition("label", "class", 10),),
    )
    parts = {"train": slice(0, 700), "holdout": slice(700, 1200), "fresh": slice(1200, 1700)}
    return SimpleNamespace(schema=schema, **{name: records.take(part) for name, part in parts.items()})
