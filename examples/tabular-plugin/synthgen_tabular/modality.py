"""The modality: what the commands of synthgen ask of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen_tabular.table import columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from synthgen.api import Codec, Embedder, Judge, Records, Schema

__all__ = ["Tabular"]

_DROPOUT: tuple[tuple[int, float], ...] = ((500, 0.2), (5_000, 0.1), (2**62, 0.0))
"""Dropout by the largest number of training records."""

_BATCH: tuple[tuple[int, int], ...] = ((500, 64), (5_000, 128), (2**62, 512))
"""Batch size by the largest number of training records."""

_BUDGET: tuple[tuple[int, int], ...] = ((1_000, 400_000), (10_000, 1_000_000), (2**62, 4_000_000))
"""Training samples by the largest number of training records."""


class Tabular:
    """Implements `synthgen.api.Modality`; its parts are imported on first use."""

    name = "tabular"
    demo = "wine"
    formats = ("parquet", "csv")

    def codec(self, schema: Schema) -> Codec:
        """Quantiles to normal deviates, one-hot categories, flags for missing values."""
        from synthgen_tabular.codec import TableCodec

        return TableCodec(schema)

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """default, fast, large."""
        return {
            "default": {},
            "fast": {"network": {"width": 24, "blocks": 2}, "train": {"samples": 100_000}},
            "large": {"network": {"width": 96, "blocks": 6}},
        }

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """Network, dropout, batch and budget by the number of records."""
        network = {"name": "tabular-mlp", "width": 48, "blocks": 4, "dropout": _choose(_DROPOUT, records)}
        return {
            "network": network,
            "optim": {"batch_size": _choose(_BATCH, records)},
            "train": {"samples": _choose(_BUDGET, records)},
            "sampling": {"steps": 32, "batch_size": 2048},
        }

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """Gradient boosting of the label or of the numeric target; None without either."""
        from synthgen_tabular.judge import TargetJudge, label_judge

        if len(schema.labels) > 1:
            return label_judge(schema, seed=seed)
        target = schema.extra.get("target")
        return TargetJudge(schema, target, seed=seed) if target and len(columns_of(schema)) > 1 else None

    def missing_judge(self, schema: Schema) -> str:
        """Why there is none."""
        return "the table has neither a label nor a numeric target; name one with --label-column"

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """Principal components of the flattened table."""
        from synthgen.data.vectors import VectorEmbedder

        return VectorEmbedder(schema, self.flatten)

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """Numbers standardised, categories one-hot, missing values the mean and a flag, `(N, D)`."""
        parts: list[NDArray[Any]] = []
        for column in columns_of(schema):
            values = records[column.name]
            if column.kind == "categorical":
                parts += [(values == category).astype(float) for category in column.categories]
                gone = np.array([value is None for value in values])
            else:
                gone = ~np.isfinite(values.astype(float))
                parts.append(np.where(gone, 0.0, (values.astype(float) - column.centre) / column.spread))
            if column.missing:
                parts.append(gone.astype(float))
        return np.stack(parts, axis=1).astype(np.float32)

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """One row, see `figures.draw`."""
        from synthgen_tabular.figures import draw

        draw(axis, records, index, schema, heat=heat)

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """The distribution of each column, see `figures.overview`."""
        from synthgen_tabular.figures import overview

        return overview(real, synthetic, schema)


def _choose(table: tuple[tuple[int, Any], ...], size: int) -> Any:
    return next(choice for most, choice in table if size <= most)
