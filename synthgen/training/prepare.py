"""From the user's choices and the user's data to everything that training needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Codec, Modality, Records, Schema, Source
from synthgen.config import RunConfig, merge, resolve
from synthgen.data.opening import open_source
from synthgen.data.split import Split, make_split
from synthgen.errors import ConfigError, DataError
from synthgen.seeding import generator
from synthgen.training.encoded import EncodedData

__all__ = ["Prepared", "prepare"]

_CHUNK = 1024
_BANK_ROWS = 20_000
_DISTANCE_ROWS = 1_000
_FEWEST_SAMPLES, _MOST_SAMPLES, _PASSES = 30_000, 1_000_000, 60


@dataclass
class Prepared:
    """What training starts from."""

    config: RunConfig
    modality: Modality
    source: Source
    schema: Schema
    split: Split
    codec: Codec
    data: EncodedData
    watched: EncodedData
    bank: dict[str, torch.Tensor]
    label_counts: list[int]


def prepare(overrides: Mapping[str, Any]) -> Prepared:
    """Open the data, split it, fit the codec and settle the configuration.

    Args:
        overrides: the user's own choices as nested dictionaries; `modality` is among them.

    Raises:
        ConfigError, DataError, PluginError: whatever is wrong with them.
    """
    if not overrides.get("modality"):
        raise ConfigError("no modality given", hint=f"Choose --modality {'|'.join(registry.names('modalities'))}.")
    first = resolve([overrides])
    modality = registry.modality(first.modality)
    presets = modality.presets()
    if first.preset not in presets:
        raise ConfigError(f"unknown preset {first.preset}", hint=f"Presets of {first.modality}: {', '.join(presets)}.")
    source = open_source(first.modality, first.data)
    split = make_split(source, first.data, first.train.seed)
    schema = source.schema
    chosen = modality.configure(schema, len(split.train))
    path = first.data.path or modality.demo
    path = str(Path(path).absolute()) if Path(path).exists() else path  # a run must find its data from anywhere
    config = resolve([chosen, presets[first.preset], overrides, {"data": {"path": path}}])
    codec = modality.codec(schema).fit(_chunks(source, split.train))
    seed = config.train.seed
    data = EncodedData(source, split.train, codec, seed=seed)
    _check_finite(data)
    config = _settle(config, data)
    return Prepared(
        config=config,
        modality=modality,
        source=source,
        schema=schema,
        split=split,
        codec=codec,
        data=data,
        watched=EncodedData(source, split.watched, codec, seed=seed),
        bank=data.sample(_BANK_ROWS).conditions,
        label_counts=_count(source, split.train),
    )


def _chunks(source: Source, indices: NDArray[np.int64]) -> Iterator[Records]:
    for start in range(0, len(indices), _CHUNK):
        yield source.read(indices[start : start + _CHUNK])


def _count(source: Source, indices: NDArray[np.int64]) -> list[int]:
    if source.labels is None:
        return []
    counts: list[int] = np.bincount(source.labels[indices], minlength=len(source.schema.labels)).tolist()
    return counts


def _check_finite(data: EncodedData) -> None:
    if not bool(torch.isfinite(data.sample(_DISTANCE_ROWS).x).all()):
        raise DataError(
            "the encoded data holds values that are not finite", hint="`synthgen inspect` shows the ranges."
        )


def _settle(config: RunConfig, data: EncodedData) -> RunConfig:
    """Fill what follows from the encoded data: the largest noise level and the budget."""
    choices: dict[str, Any] = {}
    if config.noise.sigma_max is None:
        choices["noise"] = {"sigma_max": _largest_distance(data, config.train.seed)}
    if config.train.samples is None and config.train.minutes is None:
        samples = int(np.clip(_PASSES * len(data), _FEWEST_SAMPLES, _MOST_SAMPLES))
        choices["train"] = {"samples": samples}
    return resolve([merge(config.model_dump(), choices)])


def _largest_distance(data: EncodedData, seed: int) -> float:
    """The largest distance between two encoded records (Song & Ermon 2020, arXiv:2006.09011, technique 1)."""
    rows = data.sample(_DISTANCE_ROWS).x.flatten(1)
    order = torch.from_numpy(generator(seed, "distance").permutation(len(rows)))
    largest = float(torch.cdist(rows[order], rows[order]).max())
    return round(max(largest, 1.0), 3)
