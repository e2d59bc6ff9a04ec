"""Features of images with masks: principal components of the pixels beside those of the masks.

Both are averaged down to at most 16 pixels a side; masks enter one-hot.
The two groups weigh alike. Learnt on real training records, without labels, deterministic.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from synthgen.api import Records, Schema
from synthgen.errors import DataError
from synthgen.seeding import derive_seed
from synthgen_mask.classes import classes_of, index_masks

__all__ = ["PixelMaskEmbedder", "pooled"]

_SIDE = 16
_COMPONENTS = 32


class PixelMaskEmbedder:
    """Up to 32 components of the image and 32 of the mask, each group scaled to unit total variance."""

    name = "pixel-mask-pca"

    def __init__(self, schema: Schema, *, seed: int = 0) -> None:
        self._classes = classes_of(schema)
        self._seed = derive_seed(seed, "embedder") & 0xFFFFFFFF
        self._parts: list[PCA] = []

    def fit(self, records: Records) -> Self:
        """Learn the components."""
        self._parts = []
        for view in self._views(records):
            size = max(1, min(_COMPONENTS, *view.shape, len(view) - 1))
            part = PCA(size, svd_solver="randomized", random_state=self._seed)
            self._parts.append(part.fit(view))
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, D)`.

        Raises:
            DataError: not yet fitted.
        """
        if not self._parts:
            raise DataError("the embedder was asked before it was fitted", hint="Call fit(records) first.")
        features = [
            part.transform(view) / np.sqrt(max(float(part.explained_variance_.sum()), 1e-12))
            for part, view in zip(self._parts, self._views(records), strict=True)
        ]
        return np.concatenate(features, axis=1).astype(np.float32)

    def _views(self, records: Records) -> list[NDArray[np.float32]]:
        image = pooled(records["image"].astype(np.float32) / np.float32(255), _SIDE)
        index = index_masks(records["mask"], self._classes)
        shares = [pooled((index == k).astype(np.float32)[..., None], _SIDE) for k in range(len(self._classes))]
        return [image, np.concatenate(shares, axis=1)]


def pooled(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Mean over cells of `(N, H, W, C)` so that no side exceeds `side`, flattened to `(N, D)`; edges repeated."""
    step = max(1, -(-max(values.shape[1:3]) // side))
    down, right = (-size % step for size in values.shape[1:3])
    padded = np.pad(values, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge")
    n, height, width, bands = padded.shape
    cells = padded.reshape(n, height // step, step, width // step, step, bands)
    means: NDArray[np.float32] = cells.mean((2, 4), dtype=np.float32).reshape(n, -1)
    return means
