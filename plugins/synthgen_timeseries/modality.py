"""The time-series modality: what the commands ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from synthgen.api import (
        Codec,
        Completion,
        Drawing,
        Embedder,
        Filler,
        Judge,
        Records,
        Schema,
        Source,
        Timelines,
    )
    from synthgen.config import DataConfig
    from synthgen.data.augmentation import Augmentation

__all__ = ["TimeSeries"]

_JUDGES = ("minirocket", "fcn", "inceptiontime", "forecast")


class TimeSeries:
    """Implements `synthgen.api.Modality`; its parts are imported on first use."""

    name = "timeseries"
    demo = "basic-motions"
    formats = ("parquet", "long", "csv")

    def codec(self, schema: Schema) -> Codec:
        """Standardisation by channel."""
        from synthgen_timeseries.codec import SeriesCodec

        return SeriesCodec(schema)

    def translation(self, found: Schema, wanted: Schema) -> tuple[Schema, Callable[[Records], Records]] | None:
        """Categories of channels as another schema numbers them."""
        pairs = zip(found.channels, wanted.channels, strict=False)
        if all(own.values == other.values for own, other in pairs):
            return None
        from synthgen_timeseries.encoding import renumbered

        return replace(found, channels=wanted.channels), lambda records: renumbered(records, found, wanted)

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """default, fast, large, dit, grid, grid-gpu, complete."""
        from synthgen_timeseries.presets import PRESETS

        return PRESETS

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """Network by the number of steps, dropout, batch and budget by the number of records."""
        from synthgen_timeseries.presets import configuration

        return configuration(schema, records)

    def augmentations(self, schema: Schema) -> Augmentation:
        """Small shifts in time, and another amplitude."""
        from synthgen.data.augmentation import Augmentation, scale, shift

        return Augmentation([shift(1), scale()])

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """MiniRocket and ridge for series of several classes, else next-step prediction.

        Args:
            schema: of the records.
            seed: of the judge.
            kind: `minirocket`, `fcn`, `inceptiontime` or `forecast`.

        Raises:
            UsageError: an unknown kind, or a classifier for series without classes.
        """
        classes = len(schema.labels) > 1
        wanted = kind if kind != "default" else "minirocket" if classes else "forecast"
        if wanted not in _JUDGES:
            raise UsageError(f"unknown judge {kind!r} of timeseries", hint=f"Judges: {', '.join(_JUDGES)}.")
        if wanted == "forecast":
            from synthgen_timeseries.forecast import ForecastJudge

            return ForecastJudge(schema, seed=seed) if schema.shape[1] > 1 else None
        if not classes:
            raise UsageError(f"judge {kind} needs at least two classes", hint="Use the judge forecast.")
        from synthgen_timeseries.judge import NetworkJudge, RocketJudge

        return (
            RocketJudge(schema, seed=seed) if wanted == "minirocket" else NetworkJudge(schema, seed=seed, name=wanted)
        )

    def missing_judge(self, schema: Schema) -> str:
        """Why there is none."""
        return "series of a single step without classes have nothing to predict"

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """MiniRocket features reduced by principal components."""
        from synthgen_timeseries.embedder import RocketEmbedder

        return RocketEmbedder(schema, seed=seed)

    def invent(self, schema: Schema, ranges: Mapping[str, tuple[float, float]], *, seed: int) -> Source:
        """Series from stated ranges alone, for private training, see `invented`."""
        from synthgen_timeseries.invented import invent

        return invent(schema, ranges, seed=seed)

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """Gaps interpolated, channels one after the other, `(N, C L)`.

        Each channel is standardised by the scale noted in the schema, so that none dominates a distance. What lies
        after the end of a series is 0.
        """
        from synthgen_timeseries.series import ChannelScale

        values = ChannelScale.of_schema(schema).standardise(records, schema.shape[1])
        return np.asarray(values.reshape(len(records), -1), dtype=np.float32)

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """Lines of one record, see `figures.draw`."""
        from synthgen_timeseries.figures import draw

        draw(axis, records, index, schema, heat=heat)

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """Overlaid lines by class, see `figures.overview`."""
        from synthgen_timeseries.figures import overview

        return overview(real, synthetic, schema)

    def drawings(self, schema: Schema, train: Records, holdout: Records, synthetic: Records) -> list[Drawing]:
        """Fans, maps of both sides, autocorrelation, spectrum, correlations, neighbours; see `charts`."""
        from synthgen_timeseries.charts import drawings

        return drawings(schema, train, holdout, synthetic)

    def impute(self, data: Any, filler: Filler, *, samples: int, quantiles: Sequence[float]) -> Completion:
        """A table with its missing values filled, see `completing.impute`."""
        from synthgen_timeseries.completing import impute

        return impute(data, filler, samples=samples, quantiles=quantiles)

    def timelines(self, data: Any, schema: Schema, options: DataConfig) -> Timelines:
        """A table's series, of any length, with the row of each time step, see `sheet`."""
        from synthgen_timeseries.sheet import Sheet

        return Sheet.open(data, schema, options).timelines()

    def forecast(
        self, data: Any, filler: Filler, *, horizon: int, samples: int, quantiles: Sequence[float]
    ) -> Completion:
        """What may come after each series of a table, see `completing.forecast`."""
        from synthgen_timeseries.completing import forecast

        return forecast(data, filler, horizon=horizon, samples=samples, quantiles=quantiles)

    def extend(
        self, data: Any, filler: Filler, *, length: int, label: str | None, start: str | None, frequency: str | None
    ) -> Iterator[pd.DataFrame]:
        """One long series piece by piece, see `completing.extend`."""
        from synthgen_timeseries.completing import extend

        return extend(data, filler, length=length, label=label, start=start, frequency=frequency)
