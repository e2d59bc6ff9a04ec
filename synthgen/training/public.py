"""What a private training knows of its records without looking at them: scaling, conditions, the largest noise level.

Three sources, none of them private:

- public data of the same kind (`train.dp_public`);
- ranges that the user states (`train.dp_range`): the modality invents records that cover them, uniformly, and those
  stand in for public data (`Modality.invent`, optional);
- a codec with a fixed scale (`Codec.public_defaults`, optional), as that of 8-bit images.

The schema that is written comes from the same place: a reader notes means, deviations and ranges of the records in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from synthgen.api import Codec, Modality, Schema, Source
from synthgen.config import RunConfig, merge, resolve
from synthgen.data.opening import open_source, relabel
from synthgen.errors import ConfigError
from synthgen.training.encoded import EncodedData

__all__ = ["Public", "parse_ranges", "public_schema", "public_source", "without_private_data"]

Invent = Callable[..., Source]

_BANK_ROWS = 20_000
_DISTANCE_ROWS = 1_000


@dataclass(frozen=True)
class Public:
    """What generation needs and training may know.

    Args:
        codec: fitted on what is public, or with its fixed scale.
        bank: conditions to generate from.
        label_counts: of classes.
        config: with `noise.sigma_max`.
    """

    codec: Codec
    bank: dict[str, Tensor]
    label_counts: list[int]
    config: RunConfig


def parse_ranges(texts: Sequence[str], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """`LOW:HIGH` for every channel, `NAME=LOW:HIGH` for one; the latter counts where both are given.

    Raises:
        ConfigError: not of that form, an unknown name, or a range that is empty.
    """
    found: dict[str, tuple[float, float]] = {}
    for text in sorted(texts, key=lambda text: "=" in text):
        name, _, bounds = text.rpartition("=")
        try:
            low, high = (float(bound) for bound in bounds.split(":"))
        except ValueError as error:
            raise ConfigError(
                f"train.dp_range: {text!r} is not LOW:HIGH or NAME=LOW:HIGH", hint="Such as --dp-range age=0:120."
            ) from error
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"train.dp_range: {text!r} is no range from a number to a larger one")
        if name and name not in names:
            raise ConfigError(
                f"train.dp_range: there is no channel {name!r}", hint=f"Channels: {', '.join(names[:12])}."
            )
        found |= {name: (low, high)} if name else dict.fromkeys(names, (low, high))
    return found


def public_source(modality: Modality, schema: Schema, config: RunConfig) -> Source | None:
    """Public data, or records invented from the stated ranges; None: neither is there, nor needed for images.

    Args:
        schema: of the private records; their number of channels, names and classes are public.
        config: of the training.

    Raises:
        ConfigError: the public data is of another kind, or a channel has no range.
    """
    if config.train.dp_public is not None:
        public = open_source(config.modality, config.data.model_copy(update={"path": config.train.dp_public}))
        if public.schema.shape[0] != schema.shape[0]:
            raise ConfigError(
                f"the public data has records of shape {public.schema.shape}, the private data of {schema.shape}"
            )
        return relabel(public, public_schema(schema, public.schema))
    invent: Invent | None = getattr(modality, "invent", None)
    if invent is None:
        return None
    ranges = parse_ranges(config.train.dp_range, [channel.name for channel in schema.channels])
    public = invent(schema, ranges, seed=config.train.seed)
    return relabel(public, public_schema(schema, public.schema))


def public_schema(schema: Schema, public: Schema | None) -> Schema:
    """The private data's schema without what its reader noted of the records: ranges, names of attributes, extra facts.

    Args:
        schema: of the private data.
        public: of public data of the same kind; None: ranges of channels are left out, and there are no attributes.

    Raises:
        ConfigError: the public data has other attributes.
    """
    if public is None:
        channels = tuple(replace(channel, low=None, high=None) for channel in schema.channels)
        return replace(schema, channels=channels)
    own, theirs = ({attribute.name: attribute for attribute in each.attributes} for each in (schema, public))
    if {name: own[name].kind for name in own} != {name: theirs[name].kind for name in theirs}:
        raise ConfigError(
            f"the private data has the attributes {', '.join(own) or 'none'}, the public {', '.join(theirs) or 'none'}",
            hint="Name those that both have with data.attributes.",
        )
    told = {attribute.name: attribute.condition for attribute in public.attributes}
    conditions = tuple(told.get(condition.name, condition) for condition in schema.conditions)
    return replace(
        schema, channels=public.channels, extra=public.extra, attributes=public.attributes, conditions=conditions
    )


def without_private_data(modality: Modality, schema: Schema, config: RunConfig, public: Source | None) -> Public:
    """Scaling, conditions to generate from, class frequencies and the largest noise level, none of them private.

    Raises:
        ConfigError: there is nothing public to take one of them from.
    """
    codec = modality.codec(schema)
    if public is not None:
        positions = np.arange(len(public), dtype=np.int64)
        codec = codec.fit([public.read(positions)])
        data = EncodedData(public, positions, codec, seed=config.train.seed)
        counts = [] if public.labels is None else np.bincount(public.labels, minlength=len(schema.labels)).tolist()
        if config.noise.sigma_max is None:
            rows = data.sample(_DISTANCE_ROWS).x.flatten(1)
            config = _with_sigma_max(config, float(torch.cdist(rows, rows).max()))
        return Public(codec, data.sample(_BANK_ROWS).conditions, counts, config)
    if not getattr(codec, "public_defaults", False):
        raise ConfigError(
            f"the {modality.name} modality learns its scaling from the records, which costs privacy",
            hint="Name public data of the same kind to learn it from: --dp-public PATH.",
        )
    if config.noise.sigma_max is None:
        raise ConfigError(
            "noise.sigma_max would be taken from the private records, which costs privacy",
            hint="Give it (--set noise.sigma_max=20), or name public data of the same kind: --dp-public PATH.",
        )
    others = [condition.name for condition in schema.conditions if condition.name != "label"]
    if others:
        raise ConfigError(
            f"the condition {others[0]} of generated records would be taken from the private ones",
            hint="Name public data of the same kind: --dp-public PATH.",
        )
    classes = len(schema.labels)
    return Public(codec, {"label": torch.arange(classes)} if classes else {}, [1] * classes, config)


def _with_sigma_max(config: RunConfig, distance: float) -> RunConfig:
    override: Mapping[str, Mapping[str, float]] = {"noise": {"sigma_max": round(max(distance, 1.0), 3)}}
    return resolve([merge(config.model_dump(), override)])
