"""What one record is: its channels, its shape as a tensor, its labels, and what a denoiser is told about it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from synthgen.errors import DataError

__all__ = ["Channel", "ChannelKind", "Condition", "Schema"]

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
    """Something that the denoiser is told about a record, dropped in training now and then so that it can be left out.

    `class`: int64 `(B,)`, -1 is the learned null. `multilabel` (0 or 1 each) and `vector` (continuous values): float32
    `(B, size)`, a row holding NaN is the learned null. `dense`: float32 `(B, size, *spatial)`, aligned with the record;
    one that holds NaN is the learned null.
    """

    name: str
    kind: Literal["class", "multilabel", "vector", "dense"]
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
