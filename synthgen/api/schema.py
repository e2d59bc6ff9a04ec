"""What one record is: its channels, its shape as a tensor, its labels and attributes, what a denoiser is told of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from synthgen.errors import DataError

__all__ = ["Attribute", "AttributeKind", "Channel", "ChannelKind", "Condition", "Schema"]

ChannelKind = Literal["continuous", "integer", "nonnegative", "categorical", "interval"]
AttributeKind = Literal["category", "members", "number", "text"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a record: name, kind of value, unit, the range seen in training, and the names of categories.

    A record holds a category as the index into `values`.
    """

    name: str
    kind: ChannelKind = "continuous"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that the denoiser is told about a record, dropped in training now and then so that it can be left out.

    `class`: int64 `(B,)`, -1 is the learned null. `multilabel` (0 or 1 each) and `vector` (continuous values): float32
    `(B, size)`, a row holding NaN is the learned null. `dense`: float32 `(B, size, *spatial)`, aligned with the record;
    one that holds NaN is the learned null. `noise`: standard deviation up to which noise is added in training, so that
    the denoiser forgives a condition that is not quite right (conditioning augmentation, Ho et al. 2022). `fourier`: a
    `vector`'s entries are told with their Fourier features; False for vectors that are embeddings already.
    """

    name: str
    kind: Literal["class", "multilabel", "vector", "dense"]
    size: int
    dropout: float = 0.1
    noise: float = 0.0
    fourier: bool = True


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value that every record has and users can ask for by name: the sex of a patient, a place, a temperature.

    It is a column of `Records` under its name, and a condition of the denoiser under the same name:

        kind       column of Records                  unknown     condition
        category   int64 (N,), index into `values`    -1          class
        members    int8 (N, len(values)), 0 or 1      -1 in all   multilabel
        number     float64 (N,), in the user's unit   NaN         vector of size 1, the range seen as -1 to 1
        text       str (N,)                           ""          vector, as a text encoder makes it of the text

    Args:
        name: as users write it; also the name of the column in the files that are written.
        kind: one name of several, any number of names, a number, or free text.
        values: the names.
        unit: of a number.
        low, high: smallest and largest number seen.
        integer: whole numbers only.
        logarithmic: the denoiser is told the logarithm, for positive numbers of very different size.
        derived: the record itself shows the value, such as its length. It is then no column; the codec works it out.
        free: left to the model unless it is asked for, and never taken from a training record.
        dropout: how often training leaves it out, see `Condition`.
        encoder, encoder_sha256, size: of text, see `synthgen.data.text_encoder`.
    """

    name: str
    kind: AttributeKind
    values: tuple[str, ...] = ()
    unit: str = ""
    low: float | None = None
    high: float | None = None
    integer: bool = False
    logarithmic: bool = False
    derived: bool = False
    free: bool = False
    dropout: float = 0.1
    encoder: str = ""
    encoder_sha256: str = ""
    size: int = 0

    @property
    def condition(self) -> Condition:
        """What the schema's `conditions` hold for it."""
        match self.kind:
            case "category":
                return Condition(self.name, "class", len(self.values), self.dropout)
            case "members":
                return Condition(self.name, "multilabel", len(self.values), self.dropout)
            case "text":
                return Condition(self.name, "vector", self.size, self.dropout, fourier=False)
        return Condition(self.name, "vector", 1, self.dropout)


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
        attributes: further values of a record that can be asked for; `conditions` holds the condition of each.
    """

    modality: str
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    labels: tuple[str, ...] = ()
    label_column: str = "label"
    conditions: tuple[Condition, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()

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
                channels=tuple(
                    Channel(**{**channel, "values": tuple(channel.get("values", ()))}) for channel in raw["channels"]
                ),
                labels=tuple(raw["labels"]),
                label_column=raw["label_column"],
                conditions=tuple(Condition(**condition) for condition in raw["conditions"]),
                extra=raw["extra"],
                attributes=tuple(
                    Attribute(**{**attribute, "values": tuple(attribute["values"])})
                    for attribute in raw.get("attributes", ())
                ),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"not a schema: {error}") from error
