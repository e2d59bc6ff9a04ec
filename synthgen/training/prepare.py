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
from synthgen.api import Codec, Modality, Records, Schema, Shares, Source
from synthgen.config import RunConfig, merge, resolve
from synthgen.data.channel_groups import yielding
from synthgen.data.opening import open_source, relabel
from synthgen.data.order import Balanced, Blocked, Graded, Order, Shuffled
from synthgen.data.quality import Quality, check_quality
from synthgen.data.split import Split, make_split
from synthgen.data.super_resolution import enlarging_schema
from synthgen.errors import ConfigError, DataError
from synthgen.io.run import Run, codec_of
from synthgen.seeding import generator
from synthgen.training.continuing import Old, Rehearsed, extended, open_old
from synthgen.training.encoded import EncodedData, pieces
from synthgen.training.optim import usual_optimizer
from synthgen.training.regularisation import dropout_for

__all__ = ["Prepared", "lasting_path", "prepare", "preset_of"]

_CHUNK = 1024
_BANK_ROWS = 20_000
_BANK_BYTES = 64 << 20
_MIXED = 100_000  # records of neighbouring blocks that are mixed
_DISTANCE_ROWS = 1_000
_KEPT = ("network", "noise", "loss", "ema", "sampling")  # of a run that is continued
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
    data: EncodedData | Rehearsed
    watched: EncodedData
    bank: dict[str, torch.Tensor]
    label_counts: list[int]
    quality: Quality
    old: Old | None = None
    low: Run | None = None


def prepare(overrides: Mapping[str, Any], continued: Run | None = None) -> Prepared:
    """Open the data, split it, fit the codec and settle the configuration.

    Args:
        overrides: the user's own choices as nested dictionaries; `modality` is among them.
        continued: a run whose codec, classes, network and noise levels are kept, see `synthgen.training.continuing`.

    Raises:
        ConfigError, DataError, PluginError: whatever is wrong with them.
    """
    if not overrides.get("modality"):
        raise ConfigError("no modality given", hint=f"Choose --modality {'|'.join(registry.names('modalities'))}.")
    first = resolve([overrides])
    modality = registry.modality(first.modality)
    preset = preset_of(modality, first)
    source = open_source(first.modality, first.data)
    split = make_split(source, first.data, first.train.seed)
    schema, opened = source.schema, source
    chosen = modality.configure(schema, len(split.train))
    low = None if first.train.upsample_from is None else Run.open(first.train.upsample_from)
    if low is not None:
        _check_upsampling(first, continued)
        schema = enlarging_schema(schema, low.schema)
        overrides = merge(overrides, {"train": {"upsample_from": str(low.path.absolute())}})
    kept: dict[str, Any] = {}
    if continued is not None:
        schema = extended(schema, continued.schema)
        source = relabel(source, schema)
        kept = {name: part for name, part in continued.config.model_dump().items() if name in _KEPT}
    usual = {"network": {"dropout": dropout_for(len(split.train))}}
    chosen = usual_optimizer(yielding(chosen, preset, overrides), preset, overrides)
    config = resolve([usual, chosen, preset, kept, overrides, {"data": {"path": lasting_path(modality, first)}}])
    codec = _codec(modality, schema, source, split, continued)
    seed = config.train.seed
    memory = config.data.memory_gib
    new = EncodedData(source, split.train, codec, seed=seed, memory_gib=memory)
    _check_finite(new)
    config = _settle(config, new)
    new.order = _order(config, new, _classes(config, modality, source, split))
    counts = _count(source, split.train, len(schema.labels))
    old = None
    data: EncodedData | Rehearsed = new
    if continued is not None:
        wanted = config.train.rehearsal_records if config.train.rehearsal else 0
        old = open_old(continued, schema, codec, records=wanted, seed=seed)
        if old.buffer is not None:
            data = Rehearsed(new, old.buffer, share=config.train.rehearsal)
            for index, count in enumerate(continued.facts["label_counts"]):
                counts[index] += count
    return Prepared(
        config=config,
        modality=modality,
        source=source,
        schema=schema,
        split=split,
        codec=codec,
        data=data,
        watched=EncodedData(source, split.watched, codec, seed=seed, memory_gib=memory),
        bank=_bank(data),
        label_counts=counts,
        quality=check_quality(opened, modality, split, seed=seed),
        old=old,
        low=low,
    )


def preset_of(modality: Modality, config: RunConfig) -> Mapping[str, Any]:
    """The preset that the configuration names.

    Raises:
        ConfigError: the modality has no such preset.
    """
    presets = modality.presets()
    if config.preset not in presets:
        raise ConfigError(f"unknown preset {config.preset}", hint=f"Presets of {modality.name}: {', '.join(presets)}.")
    return presets[config.preset]


def lasting_path(modality: Modality, config: RunConfig) -> str:
    """Where the data is, by a name that a run finds it by from anywhere."""
    path = config.data.path or modality.demo
    return str(Path(path).absolute()) if Path(path).exists() else path


def _codec(modality: Modality, schema: Schema, source: Source, split: Split, continued: Run | None) -> Codec:
    """Fitted on the training records; of a continued run, as it was fitted then."""
    codec = codec_of(modality, schema)
    if continued is None:
        return codec.fit(_chunks(source, split.train))
    facts, tensors = continued.codec().state()
    return codec.load_state(facts, tensors)


def _bank(data: EncodedData | Rehearsed) -> dict[str, torch.Tensor]:
    """Conditions of training records, from which generation draws; few where they are as large as the records."""
    one = data.sample(1).conditions
    row = sum(value[0].numel() * 4 for value in one.values())
    return data.sample(max(1, min(_BANK_ROWS, _BANK_BYTES // max(1, row)))).conditions


def _check_upsampling(config: RunConfig, continued: Run | None) -> None:
    """What does not go together with super-resolution."""
    if config.data.augment:
        raise ConfigError("augmentation turns pictures but not their small versions", hint="Leave data.augment at 0.")
    if continued is not None:
        raise ConfigError("a super-resolution run cannot be continued on new data", hint="Train it anew.")


def _chunks(source: Source, indices: NDArray[np.int64]) -> Iterator[Records]:
    for piece in pieces(indices):
        yield source.read(piece)


def _count(source: Source, indices: NDArray[np.int64], classes: int) -> list[int]:
    if source.labels is None:
        return []
    counts: list[int] = np.bincount(source.labels[indices], minlength=classes).tolist()
    return counts


def _classes(config: RunConfig, modality: Modality, source: Source, split: Split) -> NDArray[np.int64] | None:
    """The class of each training record; of unlabelled records that are to be balanced, the rarest part it shows.

    A part, such as a pixel class, is the rarer the fewer records show it. The denoiser is told how much of each part a
    record shows, and generation draws that as often as training records have it, so that balance only moves effort.
    """
    if source.labels is not None:
        return source.labels[split.train]
    if not config.data.balance or not hasattr(modality, "shares"):
        return None
    shares: Shares = modality.shares(source.schema)
    shown = np.concatenate([shares.measured(records) > 0 for records in _chunks(source, split.train)])  # (N, K)
    scarcity = np.where(shown, shown.sum(0), len(shown) + 1)
    return np.where(shown.any(1), scarcity.argmin(1), -1)


def _order(config: RunConfig, data: EncodedData, labels: NDArray[np.int64] | None) -> Order:
    """The order of training records that the configuration asks for.

    Raises:
        ConfigError: balanced classes without classes.
    """
    seed = config.train.seed
    order: Order = Shuffled(len(data), seed)
    if (blocks := data.blocks) is not None:
        fitting = config.data.memory_gib * 2**30 / 4 / data.record_bytes  # in files numbers may be twice as wide
        order = Blocked(blocks, len(data), seed, mixed=min(_MIXED, int(fitting)))
    if config.data.balance:
        if labels is None:
            raise ConfigError("data.balance needs labels, and the data has none", hint="Leave data.balance at 0.")
        order = Balanced(labels, seed, balance=config.data.balance)
    if config.train.data_curriculum:
        order = Graded(
            _difficulty(data, labels),
            order,
            seed=seed,
            share=config.train.data_curriculum,
            labels=labels if config.data.balance else None,
            balance=config.data.balance,
        )
    return order


def _difficulty(data: EncodedData, labels: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """How far each record lies from the mean of its class, over the class's usual distance, `(N,)`."""
    classes = np.zeros(len(data), dtype=np.int64) if labels is None else labels
    pieces = [np.arange(start, min(start + _CHUNK, len(data))) for start in range(0, len(data), _CHUNK)]
    known, place = np.unique(classes, return_inverse=True)
    total = torch.zeros(len(known), int(np.prod(data.at(np.arange(1)).x.shape)), dtype=torch.float64)
    for rows in pieces:
        total.index_add_(0, torch.from_numpy(place[rows]), data.at(rows).x.flatten(1).double())
    means = total / torch.from_numpy(np.bincount(place))[:, None]
    distance = np.concatenate(
        [(data.at(rows).x.flatten(1).double() - means[place[rows]]).norm(dim=1).numpy() for rows in pieces]
    )
    usual = np.array([np.median(distance[place == k]) for k in range(len(known))])
    return np.asarray(distance / np.maximum(usual[place], 1e-12))


def _check_finite(data: EncodedData) -> None:
    if not bool(torch.isfinite(data.sample(_DISTANCE_ROWS).x).all()):
        raise DataError(
            "the encoded data holds values that are not finite", hint="`synthgen inspect` shows the ranges."
        )


def _settle(config: RunConfig, data: EncodedData) -> RunConfig:
    """Fill what follows from the encoded data: the largest noise level and the budget."""
    choices: dict[str, Any] = {}
    highest = config.noise.sigma_max or _largest_distance(data, config.train.seed)
    if config.noise.sigma_min >= highest:
        raise ConfigError(
            f"noise.sigma_min is {config.noise.sigma_min:g}, and the largest noise level is {highest:g}",
            hint="Lower noise.sigma_min; the encoded data has a deviation of about noise.sigma_data.",
        )
    if config.noise.sigma_max is None:
        choices["noise"] = {"sigma_max": highest}
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
