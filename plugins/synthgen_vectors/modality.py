"""The vectors modality: what the commands ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synthgen.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from synthgen.api import Codec, Embedder, Judge, Records, Schema, Source

__all__ = ["Vectors"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "fast": {"network": {"width": 64}, "sampling": {"steps": 12}},
    "large": {"network": {"width": 512, "blocks": 4}, "optim": {"lr": 5e-4}, "train": {"samples": 3_000_000}},
}
"""Named sets of choices, on top of what `configure` says."""

_BUDGET: tuple[tuple[int, int], ...] = ((200, 120_000), (20_000, 300_000), (2**62, 1_000_000))
"""Training samples by the largest number of training records."""

_JUDGES = ("logistic", "forest")


class Vectors:
    """Implements `synthgen.api.Modality`; its parts are imported on first use."""

    name = "vectors"
    demo = "breast-cancer"
    formats = ("parquet", "csv")
    missing_judge = "vectors without classes have nothing to predict"

    def codec(self, schema: Schema) -> Codec:
        """Standardisation by column."""
        from synthgen_vectors.codec import VectorCodec

        return VectorCodec(schema)

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """default, fast, large."""
        return PRESETS

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """The MLP; the budget by the number of records."""
        return {
            "network": {"name": "mlp", "width": 128, "blocks": 2, "dropout": 0.0},
            "optim": {"batch_size": 256, "lr": 2e-3},
            "train": {"samples": next(samples for most, samples in _BUDGET if records <= most)},
        }

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """Logistic regression, or a random forest; None for vectors without classes.

        Raises:
            UsageError: an unknown kind.
        """
        wanted = "logistic" if kind == "default" else kind
        if wanted not in _JUDGES:
            raise UsageError(f"unknown judge {kind!r} of vectors", hint=f"Judges: {', '.join(_JUDGES)}.")
        if len(schema.labels) < 2:
            return None
        from synthgen.data.vectors import VectorJudge
        from synthgen_vectors.judge import JUDGES

        return VectorJudge(schema, self.flatten, make=lambda: JUDGES[wanted](seed))

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """Principal components of the standardised values."""
        from synthgen.data.vectors import VectorEmbedder

        return VectorEmbedder(schema, self.flatten)

    def invent(self, schema: Schema, ranges: Mapping[str, tuple[float, float]], *, seed: int) -> Source:
        """Vectors from stated ranges alone, for private training, see `invented`."""
        from synthgen_vectors.invented import invent

        return invent(schema, ranges, seed=seed)

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """Standardised by the scale noted in the schema; missing values are the mean."""
        from synthgen_vectors.collection import standardised

        return standardised(records, schema)

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """Bars of one record, see `figures.draw`."""
        from synthgen_vectors.figures import draw

        draw(axis, records, index, schema, heat=heat)

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """Distributions of the columns, see `figures.overview`."""
        from synthgen_vectors.figures import overview

        return overview(real, synthetic, schema)
