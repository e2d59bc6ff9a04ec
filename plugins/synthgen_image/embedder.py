"""Feature extractors: a CNN's penultimate layer, trained on the real labels; principal components without labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from synthgen.api import Records, Schema
from synthgen.errors import DataError
from synthgen_image.classifier import FEATURES, Classifier
from synthgen_image.schema import largest_values

__all__ = ["CnnEmbedder", "PcaEmbedder"]

_MOST_PIXELS = 4096
_FIT_RECORDS = 5000


class CnnEmbedder:
    """64 features of a small CNN that was trained to tell the classes of the real training images apart.

    Args:
        schema: of the images.
        seed: of the training.
    """

    name = "domain-cnn"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._classifier = Classifier(classes=len(schema.labels), seed=seed)

    def fit(self, records: Records) -> Self:
        """Learn on labelled real images."""
        if records.label is None:
            raise DataError("the domain-cnn embedder learns on labelled images")
        self._classifier.fit(records["image"], records.label)
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, 64)`."""
        return self._classifier.features(records["image"])


class PcaEmbedder:
    """Up to 64 principal components of the pixels, for images without labels; large images are averaged down first.

    Args:
        schema: of the images.
        seed: of the randomised solver.
    """

    name = "pca"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._schema = schema
        self._seed = seed & 0xFFFFFFFF
        self._model: Any = None

    def fit(self, records: Records) -> Self:
        """Learn on real images."""
        pixels = _small_pixels(records, self._schema)[:_FIT_RECORDS]
        components = min(FEATURES, *pixels.shape)
        self._model = PCA(
            components, svd_solver="full" if pixels.shape[1] <= 256 else "randomized", random_state=self._seed
        )
        self._model.fit(pixels)
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, up to 64)`."""
        features: NDArray[np.float32] = self._model.transform(_small_pixels(records, self._schema)).astype(np.float32)
        return features


def _small_pixels(records: Records, schema: Schema) -> NDArray[np.float32]:
    images = records["image"]
    step = 1
    while images.shape[1] * images.shape[2] * images.shape[3] > _MOST_PIXELS * step * step:
        step += 1
    high, wide = images.shape[1] // step, images.shape[2] // step
    cut = images[:, : high * step, : wide * step].reshape(len(images), high, step, wide, step, -1)
    mean: NDArray[np.float32] = cut.mean((2, 4), dtype=np.float32) / largest_values(schema)
    return mean.reshape(len(images), -1)
