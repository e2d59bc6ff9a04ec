"""Features for distances between vectors: the principal components of their standardised values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.decomposition import PCA

from synthgen.seeding import derive_seed
from synthgen_vectors.collection import standardised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["ComponentEmbedder"]

_MOST_COMPONENTS = 64
_RECORDS_A_COMPONENT = 4


class ComponentEmbedder:
    """At most 64 principal components; with few records a quarter of their number."""

    name = "components"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._schema = schema
        self._seed = derive_seed(seed, "embedder") % 2**32

    def fit(self, records: Records) -> Self:
        """Learn the components."""
        values = standardised(records, self._schema)
        size = int(np.clip(len(values) // _RECORDS_A_COMPONENT, 1, min(_MOST_COMPONENTS, values.shape[1])))
        self._components = PCA(size, svd_solver="full", random_state=self._seed).fit(values)
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, D)`."""
        return np.asarray(self._components.transform(standardised(records, self._schema)), dtype=np.float32)
