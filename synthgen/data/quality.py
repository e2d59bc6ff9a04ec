"""What is wrong with data before anything is trained on it: duplicates, constants, imbalance, outliers, leakage.

- duplicates: records equal in every column, and those of them that bear different labels;
- constant channels: a column (or channel of one) that has a single value in all records;
- missing: share of values not observed, where records say so;
- classes: records of each; rare ones are those with fewer than 20, or a twentieth of the largest;
- outliers: records whose distance from the median record, in units of each feature's spread, is far above the others'
  (robust z-score over 8 on the logarithm, from the median and the median absolute deviation);
- leakage: held-out records equal to a training record, and those that come nearer to one than any two training records
  come to each other, but for one in a hundred.

Every finding is a sentence, and the numbers behind it are kept beside it. Nothing is removed: that is for the owner of
the data to decide.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Modality, Records, Schema, Source
from synthgen.data.split import Split
from synthgen.seeding import generator

__all__ = ["Quality", "check_quality"]

_CHUNK = 512
_MOST_RECORDS = 20_000
_MOST_VALUES = 40_000_000
_MOST_COMPARED = 1_500
_RARE, _RARE_SHARE = 20, 0.05
_OUTLIER = 8.0
_NAMED = 8


@dataclass(frozen=True)
class Quality:
    """What was found.

    Args:
        records: in the data.
        looked_at: how many of them were read.
        facts: JSON-able numbers by name.
        findings: a sentence each for what deserves attention; empty: nothing was found.
    """

    records: int
    looked_at: int
    facts: Mapping[str, Any]
    findings: tuple[str, ...] = field(default_factory=tuple)

    def document(self) -> dict[str, Any]:
        """What `quality.json` holds."""
        return {
            "records": self.records,
            "looked_at": self.looked_at,
            "findings": list(self.findings),
            **self.facts,
        }


def check_quality(source: Source, modality: Modality, split: Split | None = None, *, seed: int = 0) -> Quality:
    """Look at a source, at most 20,000 records of it.

    Args:
        source: opened data.
        modality: turns records into vectors.
        split: when given, leakage between training and held-out records is looked for.
        seed: of the selection of a large source.
    """
    positions = np.arange(len(source))
    most = max(1_000, min(_MOST_RECORDS, _MOST_VALUES // max(1, int(np.prod(source.schema.shape)))))
    if len(positions) > most:
        positions = np.sort(generator(seed, "quality").permutation(len(source))[:most])
    look = _Look(source, modality)
    for start in range(0, len(positions), _CHUNK):
        look.take_in(positions[start : start + _CHUNK])
    facts: dict[str, Any] = {}
    findings: list[str] = []
    parts: list[Callable[[], tuple[dict[str, Any], list[str]]]] = [
        look.duplicates,
        look.constants,
        look.missing,
        lambda: _classes(source),
        look.outliers,
    ]
    if split is not None:
        parts.append(lambda: look.leakage(split, seed))
    for part in parts:
        found, sentences = part()
        facts |= found
        findings += sentences
    return Quality(len(source), len(positions), facts, tuple(findings))


class _Look:
    """What is kept of each record: its digest, its vector, and running ranges of each channel."""

    def __init__(self, source: Source, modality: Modality) -> None:
        self._source = source
        self._modality = modality
        self._positions: list[int] = []
        self._digests: list[bytes] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._low: dict[str, NDArray[Any]] = {}
        self._high: dict[str, NDArray[Any]] = {}
        self._observed = [0, 0]

    def take_in(self, positions: NDArray[np.int64]) -> None:
        records = self._source.read(positions)
        self._positions += positions.tolist()
        self._digests += _digests(records)
        self._vectors.append(self._modality.flatten(records, self._source.schema).astype(np.float32, copy=False))
        for name, values in _by_channel(records, self._source.schema).items():
            low, high = np.nanmin(values), np.nanmax(values)
            self._low[name] = low if name not in self._low else np.fmin(self._low[name], low)
            self._high[name] = high if name not in self._high else np.fmax(self._high[name], high)
        if "observed" in records.columns:
            inside = records["observed"]
            if "length" in records.columns:
                steps = np.arange(inside.shape[-1]) < records["length"][:, None]
                self._observed[1] += int(steps.sum()) * inside.shape[1]
                self._observed[0] += int((inside & steps[:, None]).sum())
            else:
                self._observed[0] += int(inside.sum())
                self._observed[1] += inside.size

    def duplicates(self) -> tuple[dict[str, Any], list[str]]:
        groups: defaultdict[bytes, list[int]] = defaultdict(list)
        for position, digest in zip(self._positions, self._digests, strict=True):
            groups[digest].append(position)
        repeated = [group for group in groups.values() if len(group) > 1]
        extra = sum(len(group) - 1 for group in repeated)
        labels = self._source.labels
        torn = [] if labels is None else [group for group in repeated if len(set(labels[group].tolist())) > 1]
        sentences = []
        if extra:
            sentences.append(
                f"{extra:,} of {len(self._positions):,} records repeat another one exactly "
                f"(for example {_named(repeated[0])}): they count double in training"
            )
        if torn:
            sentences.append(
                f"{len(torn):,} groups of equal records bear different labels (for example {_named(torn[0])})"
            )
        return {"duplicates": extra, "contradictory_duplicates": len(torn)}, sentences

    def constants(self) -> tuple[dict[str, Any], list[str]]:
        constant = sorted(name for name, low in self._low.items() if low == self._high[name])
        plural = "s have" if len(constant) > 1 else " has"
        told = [f"channel{plural} a single value in all records: {', '.join(constant[:_NAMED])}"] if constant else []
        return {"constant_channels": constant}, told

    def missing(self) -> tuple[dict[str, Any], list[str]]:
        seen, total = self._observed
        if not total:
            return {}, []
        share = 1 - seen / total
        return {"missing": round(share, 6)}, [f"{share:.1%} of the values are missing"] if share > 0.0005 else []

    def outliers(self) -> tuple[dict[str, Any], list[str]]:
        vectors = np.concatenate(self._vectors)
        centre = np.median(vectors, axis=0)
        deviation = np.abs(vectors - centre)
        spread = np.median(deviation, axis=0)
        usual = float(np.median(spread[spread > 0])) if np.any(spread > 0) else 1.0
        distance = np.sqrt(np.square(deviation / np.maximum(spread, usual)).mean(axis=1))
        value = np.log(np.maximum(distance, 1e-12))
        middle = float(np.median(value))
        scale = 1.4826 * max(float(np.median(np.abs(value - middle))), 0.02)
        score = (value - middle) / scale
        found = np.flatnonzero(score > _OUTLIER)
        worst = [self._positions[i] for i in found[np.argsort(-score[found])][:_NAMED]]
        told = []
        if len(found):
            told.append(f"{len(found):,} records are far from all others (for example {_named(worst)}): look at them")
        return {"outliers": len(found), "outlier_positions": worst}, told

    def leakage(self, split: Split, seed: int) -> tuple[dict[str, Any], list[str]]:
        row = {position: index for index, position in enumerate(self._positions)}
        train = np.array([row[p] for p in split.train.tolist() if p in row], dtype=np.int64)
        held_out = np.array([row[p] for p in split.holdout.tolist() if p in row], dtype=np.int64)
        if len(train) < 3 or not len(held_out):
            return {}, []
        known = {self._digests[index] for index in train}
        equal = [index for index in held_out if self._digests[index] in known]
        vectors = np.concatenate(self._vectors)
        reference = vectors[generator(seed, "leak-train").permutation(train)[:_MOST_COMPARED]]
        queries = vectors[generator(seed, "leak-holdout").permutation(held_out)[:_MOST_COMPARED]]
        own, theirs = _nearest(reference, None), _nearest(queries, reference)
        near = float((theirs <= np.quantile(own, 0.01)).mean())
        sentences = []
        if equal:
            example = _named([self._positions[i] for i in equal])
            sentences.append(
                f"{len(equal):,} of {len(held_out):,} held-out records equal a training record "
                f"(for example {example}): reports will look better than they should"
            )
        if near > 0.05 and near > 2 * len(equal) / len(held_out):
            sentences.append(
                f"{near:.0%} of the held-out records are nearly equal to a training record: if they belong together "
                "(one person, one scene, one recording), name the column with --group-column"
            )
        return {"leaked": len(equal), "nearly_leaked": round(near, 4)}, sentences


def _classes(source: Source) -> tuple[dict[str, Any], list[str]]:
    names = source.schema.labels
    if source.labels is None or not names:
        return {}, []
    counts = np.bincount(source.labels[source.labels >= 0], minlength=len(names))
    rare = [names[k] for k in np.flatnonzero(counts) if counts[k] < max(_RARE, _RARE_SHARE * counts.max())]
    empty = [names[k] for k in np.flatnonzero(counts == 0)]
    sentences = []
    if rare:
        listed = ", ".join(f"{name} ({counts[names.index(name)]})" for name in rare[:_NAMED])
        sentences.append(f"few records of {listed}: data.balance=1 shows every class equally often in training")
    if empty:
        sentences.append(f"no records of {', '.join(empty[:_NAMED])}")
    return {"classes": {name: int(count) for name, count in zip(names, counts, strict=True)}}, sentences


def _digests(records: Records) -> list[bytes]:
    columns = [np.ascontiguousarray(records[name]) for name in sorted(records.columns)]
    made = []
    for index in range(len(records)):
        digest = hashlib.blake2b(digest_size=16)
        for column in columns:
            digest.update(column[index].tobytes() if column.dtype != object else repr(column[index]).encode())
        made.append(digest.digest())
    return made


def _by_channel(records: Records, schema: Schema) -> dict[str, NDArray[Any]]:
    """The numeric columns, those with a channel axis taken apart; what is missing is NaN."""
    channels: dict[str, NDArray[Any]] = {}
    for name, column in records.columns.items():
        if name in ("observed", "length") or column.dtype.kind not in "fiub" or not column.size:
            continue
        values = column
        if name == "values" and "observed" in records.columns:
            values = np.where(records["observed"], column, np.nan)
        axis = {"values": 1, "image": -1}.get(name)
        if axis is None or values.ndim < 3 or values.shape[axis] != len(schema.channels):
            channels[name] = values
            continue
        for index, channel in enumerate(schema.channels):
            channels[channel.name] = values.take(index, axis=axis)
    return {name: values for name, values in channels.items() if not _all_missing(values)}


def _all_missing(values: NDArray[Any]) -> bool:
    return bool(values.dtype.kind == "f" and np.isnan(values).all())


def _nearest(queries: NDArray[np.float32], reference: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """Distance of each query to its nearest reference record; without a reference, to its nearest fellow."""
    against = queries if reference is None else reference
    squares = np.square(against, dtype=np.float64).sum(axis=1)
    found = np.empty(len(queries))
    for start in range(0, len(queries), 256):
        part = queries[start : start + 256]
        inner = (part @ against.T).astype(np.float64)
        between = np.square(part, dtype=np.float64).sum(axis=1)[:, None] - 2 * inner + squares
        if reference is None:
            between[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + len(part)] = np.sqrt(np.maximum(between.min(axis=1), 0.0))
    return found


def _named(positions: Sequence[int]) -> str:
    listed = ", ".join(str(position) for position in sorted(positions)[:3])
    return f"record{'s' if len(positions) > 1 else ''} {listed}"
