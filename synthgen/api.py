"""All that a plugin may import at its top level: the nouns of the contract, as plain data and protocols.

Nothing here imports torch, pandas, pyarrow, scikit-learn or matplotlib, so a plugin's entry module stays cheap to load.
A plugin's hooks return `Spec` records; what a `target` names is imported on first use and may then import what it
likes, the public modules of synthgen (`synthgen.data`, `synthgen.nn`, `synthgen.io`, ...) included.

Shapes: `N` records, `C` channels, `L` time steps, `H, W` image size, `K` classes; `B` is a batch of tensors.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import pluggy

from synthgen.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = [
    "API_VERSION",
    "Batch",
    "Channel",
    "Codec",
    "Condition",
    "Embedder",
    "Judge",
    "Modality",
    "Outcome",
    "Reader",
    "Records",
    "Schema",
    "Source",
    "Spec",
    "Writer",
    "WrittenFile",
    "hookimpl",
]

API_VERSION = "1.0"

hookimpl = pluggy.HookimplMarker("synthgen")


@dataclass(frozen=True, slots=True)
class Spec:
    """One thing that a plugin provides; what hooks return.

    Args:
        name: how users name it; lower case, digits and dashes.
        summary: one line for `synthgen list`.
        target: `"package.module:attribute"`, imported on first use. A class is called without arguments.
        modality: for readers, writers and demo sets, the modality they serve; empty where it does not apply.
        requires: distributions that must be installed beside the plugin, named in the error when they are not.
    """

    name: str
    summary: str
    target: str
    modality: str = ""
    requires: tuple[str, ...] = ()


ChannelKind = Literal["continuous", "integer", "nonnegative", "categorical"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a record: name, kind of value, unit and the range seen in training."""

    name: str
    kind: ChannelKind = "continuous"
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that the denoiser is told about a record.

    `class`: int64 `(B,)`, -1 is the learned null. `vector` (multi-label or continuous values): float32 `(B, size)`,
    a row holding NaN is the learned null.
    """

    name: str
    kind: Literal["class", "vector"]
    size: int
    dropout: float = 0.1


@dataclass(frozen=True)
class Schema:
    """What one record is. Stored as `schema.json` in a run.

    Args:
        modality: name of the modality that reads, encodes and writes such records.
        shape: shape of one encoded record, channels first: `(C, H, W)` or `(C, L)`.
        channels: one entry a channel of the *record* (an image's colours, a series' variables).
        labels: class names; a record's label is an index into them. Empty: unlabelled.
        label_column: name of the label in the user's data and in what we write.
        conditions: what the denoiser is told. With labels, the first is `Condition("label", "class", len(labels))`.
        extra: JSON-able facts of the modality, such as mask classes or the original image mode.
    """

    modality: str
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    labels: tuple[str, ...] = ()
    label_column: str = "label"
    conditions: tuple[Condition, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The schema as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`.

        Raises:
            DataError: the text is not a schema.
        """
        try:
            raw = json.loads(text)
            return cls(
                modality=raw["modality"],
                shape=tuple(int(size) for size in raw["shape"]),
                channels=tuple(Channel(**channel) for channel in raw["channels"]),
                labels=tuple(raw["labels"]),
                label_column=raw["label_column"],
                conditions=tuple(Condition(**condition) for condition in raw["conditions"]),
                extra=raw["extra"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"not a schema: {error}") from error


@dataclass
class Records:
    """Decoded examples as columns: what readers produce, writers write and judges judge.

    Columns by modality: image `image uint8 (N, H, W, C)`; timeseries `values float32 (N, C, L)`,
    `observed bool (N, C, L)`, `length int32 (N,)`; mask `image uint8 (N, H, W, C)`, `mask uint8 or uint16 (N, H, W)`.

    Args:
        columns: name -> array; all share the leading size N.
        label: int64 `(N,)`, index into `Schema.labels`; None for unlabelled data.
    """

    columns: dict[str, NDArray[Any]]
    label: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        sizes = {name: len(column) for name, column in self.columns.items()}
        if self.label is not None:
            sizes["label"] = len(self.label)
        if len(set(sizes.values())) != 1:
            raise DataError(f"columns of unequal length: {sizes}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    def take(self, indices: NDArray[Any] | Sequence[int] | slice) -> Records:
        """The records at `indices` (integers, booleans or a slice), in that order."""
        chosen = indices if isinstance(indices, slice) else _as_index(indices)
        label = None if self.label is None else self.label[chosen]
        return Records({name: column[chosen] for name, column in self.columns.items()}, label)

    @staticmethod
    def concatenate(parts: Sequence[Records]) -> Records:
        """All parts one after the other; labelled only when every part is."""
        import numpy as np

        names = list(parts[0].columns)
        labels = [part.label for part in parts]
        known = [label for label in labels if label is not None]
        return Records(
            {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
            np.concatenate(known) if len(known) == len(parts) else None,
        )


def _as_index(indices: Any) -> NDArray[Any]:
    import numpy as np

    array = np.asarray(indices)
    return array if array.dtype == bool else array.astype(np.int64)


@dataclass
class Batch:
    """Encoded examples, ready for the network.

    Args:
        x: float32 `(B, C, *spatial)`, roughly zero mean and standard deviation `sigma_data` (0.5).
        observed: loss weights of x's shape, 0 where the value is missing; None when everything is observed.
        conditions: condition name -> tensor, see `Condition`.
    """

    x: torch.Tensor
    observed: torch.Tensor | None
    conditions: dict[str, torch.Tensor]


@runtime_checkable
class Source(Protocol):
    """A user's data, opened lazily. `synthgen.data.source` has two kinds: in memory, and by a load function."""

    schema: Schema
    labels: NDArray[np.int64] | None
    """(N,) index into `schema.labels`, or None."""
    groups: NDArray[Any] | None
    """(N,) records of one group never part at splitting; None: every record is its own group."""
    official_split: NDArray[Any] | None
    """(N,) of "train" / "test" strings where the data set comes with a split, else None."""
    notes: tuple[str, ...]
    """Sentences for the user: what was understood, converted, counted or left out."""

    def __len__(self) -> int: ...

    def read(self, indices: NDArray[np.int64]) -> Records:
        """The records at these positions, decoded."""
        ...


class Reader(Protocol):
    """Opens one kind of file or folder for one modality. Target of `synthgen_readers`."""

    def accepts(self, path: Path) -> bool:
        """Whether this looks like its format, from the name and the first bytes alone."""
        ...

    def read(self, path: Path, options: DataConfig) -> Source:
        """Open it.

        Raises:
            DataError: naming file, row and column.
        """
        ...


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


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that a writer left: path relative to the data set, sha256, size in bytes, number of records."""

    path: str
    sha256: str
    bytes: int
    records: int


class Writer(Protocol):
    """Writes one shard of a data set in one format for one modality. Target of `synthgen_writers`."""

    def write(
        self,
        directory: Path,
        shard: int,
        shards: int,
        records: Records,
        columns: Mapping[str, NDArray[Any]],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> list[WrittenFile]:
        """Write the records of one shard, each file atomically.

        Args:
            directory: the data set.
            shard, shards: which of how many.
            records: the shard's records.
            columns: more columns of length N: `sample_id`, `seed`, `guidance`, and for `augment` also `origin`.
            schema: of the run.
            metadata: strings for the file's own metadata (model hash, config hash, versions).
        """
        ...

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Write what belongs to the whole data set (`metadata.csv`, `classes.csv`); idempotent."""
        ...

    def card(self, schema: Schema) -> dict[str, Any]:
        """YAML front matter for the data set's README: `configs` (with `data_files`) and `dataset_info` where known."""
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


TrainEvent = Mapping[str, Any]
"""`{"kind": "start" | "step" | "held_out" | "checkpoint" | "finish", "samples": int, ...}`."""

ShardEvent = Mapping[str, Any]
"""`{"directory": str, "shard": int, "shards": int, "records": int, "files": [...]}`."""

Sampler = Callable[..., "torch.Tensor"]
