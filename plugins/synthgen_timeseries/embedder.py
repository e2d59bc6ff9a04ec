"""Features for distances between series: MiniRocket, scaled and reduced by principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthgen.seeding import derive_seed
from synthgen_timeseries.rocket import MiniRocket
from synthgen_timeseries.series import ChannelScale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema

__all__ = ["RocketEmbedder"]

_MOST_COMPONENTS = 64
_RECORDS_A_COMPONENT = 4
_FIT_RECORDS = 4_000


class RocketEmbedder:
    """MiniRocket features, then at most 64 principal components; with few records a quarter of their number."""

    name = "minirocket-pca"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._steps = schema.shape[1]
        self._seed = derive_seed(seed, "embedder") % 2**32
        self._scale: ChannelScale | None = None
        self._rocket = MiniRocket(seed=self._seed)
        self._components: Any = None

    def fit(self, records: Records) -> Self:
        """Learn scaling, biases and components; from 4,000 records on, of a random 4,000."""
        if len(records) > _FIT_RECORDS:
            chosen = np.random.default_rng(self._seed).permutation(len(records))[:_FIT_RECORDS]
            records = records.take(np.sort(chosen))
        self._scale = ChannelScale.fit([records])
        x = self._scale.standardise(records, self._steps)
        size = int(np.clip(len(records) // _RECORDS_A_COMPONENT, 1, _MOST_COMPONENTS))
        self._components = make_pipeline(StandardScaler(), PCA(size, svd_solver="randomized", random_state=self._seed))
        self._components.fit(self._rocket.fit(x).transform(x))
        return self

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, D)`."""
        assert self._scale is not None
        features = self._rocket.transform(self._scale.standardise(records, self._steps))
        return np.asarray(self._components.transform(features), dtype=np.float32)
