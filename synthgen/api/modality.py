"""A kind of record and its parts: codec, judge, embedder, figures. What the plugin of a modality implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from synthgen.api.records import Batch, Records
    from synthgen.api.schema import Schema

__all__ = ["AgreementJudge", "Codec", "Embedder", "Judge", "Modality", "Outcome", "Shares"]


class Codec(Protocol):
    """Records <-> model tensors, fitted on training records only; `decode(encode(r))` is r within its precision."""

    def fit(self, batches: Iterable[Records]) -> Self:
        """Learn scaling from training records, one pass in pieces."""
        ...

    def encode(self, records: Records) -> Batch:
        """To tensors of `schema.shape`; z-scored x 0.5 where values are continuous."""
        ...

    def decode(self, x: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> Records:
        """From a model's tensors (any real values) to legal records, labels from `conditions["label"]`."""
        ...

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """What was learnt, as a JSON-able dict and named tensors."""
        ...

    def load_state(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Self:
        """The inverse of `state`."""
        ...


class Outcome(Protocol):
    """What a judge answered on N test records, kept by record so that any subset can be scored again (bootstrap)."""

    def __len__(self) -> int: ...

    def value(self, weights: NDArray[Any] | None = None) -> float:
        """The judge's measure with each record counted `weights[i]` times (None: once)."""
        ...

    def per_class(self, weights: NDArray[Any] | None = None) -> dict[str, float]:
        """The measure by class name; classes absent from the test records are left out."""
        ...


class Judge(Protocol):
    """The downstream model of a domain: what users would train on the data."""

    measure: str
    """`"accuracy"`, `"miou"`, ...: what `Outcome.value` is; higher is better."""

    def fit(self, records: Records) -> Self:
        """Train from scratch, with a number of optimiser steps that does not depend on `len(records)`."""
        ...

    def evaluate(self, records: Records) -> Outcome:
        """Predict and compare with the truth that the records carry."""
        ...


@runtime_checkable
class AgreementJudge(Judge, Protocol):
    """A judge that also says how well each record and its label fit together; `generate --drop-inconsistent` asks it.

    Optional. Of a judge without it, `accuracy` is asked instead: a record whose label it predicts fits, others do not.
    """

    classes: tuple[str, ...]
    """Names of the K classes that `agreement` tells apart."""

    def calibrate(self, real: Records) -> Self:
        """Learn from real records, on which it was not trained, how much disagreement is usual."""
        ...

    def agreement(self, records: Records) -> NDArray[np.float64]:
        """`(N, K)` in 0..1, higher fits better; not-a-number where a record has nothing of a class."""
        ...


class Embedder(Protocol):
    """A fixed map from records to feature vectors, learnt on real training records."""

    name: str
    """Short name for metric labels, such as `domain-cnn`."""

    def fit(self, records: Records) -> Self:
        """Learn the features from real training records."""
        ...

    def transform(self, records: Records) -> NDArray[np.float32]:
        """Features `(N, D)`."""
        ...


class Shares(Protocol):
    """How much of a record each of K parts covers, such as pixel classes; what `generate --require` asks of.

    Optional: a modality whose records have such parts returns one from its method `shares(schema)`.
    """

    names: tuple[str, ...]
    """Of the K parts."""

    def positions(self, names: Sequence[str]) -> list[int]:
        """Of parts by name; a `UsageError` with the nearest known name where there is none of it."""
        ...

    def measured(self, records: Records) -> NDArray[np.float64]:
        """Share of each part of each record, `(N, K)` in 0..1; not-a-number where a record has nothing to measure."""
        ...

    def nearness(
        self, conditions: Mapping[str, torch.Tensor], require: Mapping[int, float]
    ) -> NDArray[np.float64] | None:
        """How near condition rows come to least shares by position, `(rows,)`: 1 and above reaches all of them.

        None where the conditions tell the denoiser of no shares.
        """
        ...


class Modality(Protocol):
    """A kind of record and all that is particular to it. Target of `synthgen_modalities`."""

    name: str
    demo: str
    """Name of its default demo set."""
    formats: tuple[str, ...]
    """Names of its writers, the default first."""

    def codec(self, schema: Schema) -> Codec:
        """A codec, not yet fitted."""
        ...

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """Preset name -> nested configuration overrides (sections of `RunConfig`); `"default"` must exist."""
        ...

    def configure(self, schema: Schema, records: int) -> Mapping[str, Any]:
        """Overrides that follow from the data (sizes, dropout by number of records); presets go on top."""
        ...

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """A judge, or None when this data has nothing to judge by (then `missing_judge` says why)."""
        ...

    def embedder(self, schema: Schema, *, seed: int) -> Embedder:
        """A feature extractor, not yet fitted."""
        ...

    def flatten(self, records: Records, schema: Schema) -> NDArray[np.float32]:
        """Records as plain vectors `(N, D)` for nearest neighbours and classical detectors; missing values imputed."""
        ...

    def draw(
        self, axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None
    ) -> None:
        """Draw one record on an axis; with `heat` (`schema.shape[1:]` or `schema.shape`), where it is anomalous."""
        ...

    def overview(self, real: Records, synthetic: Records, schema: Schema) -> Figure:
        """Real beside synthetic for each class (series as overlaid lines, masks as overlays)."""
        ...
