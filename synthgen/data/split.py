"""The split of a user's data, made once at `train` and stored in the run.

    train        what the model learns from
    validation   held-out loss: early stop and choice of the EMA width (from 400 records on; below, the hold-out serves)
    holdout      what every report is measured on
    calibration  what anomaly scores are calibrated on; nothing else ever looks at it

Groups never part. Classes keep their shares (every class with enough records is in every part). Where a data set brings
its own train/test split, train and validation come from its train part, holdout and calibration from its test part.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.seeding import generator

__all__ = ["Split", "make_split"]

_VALIDATION_FROM = 400
_FEWEST_RECORDS = 8
_MANY = 500_000


@dataclass(frozen=True)
class Split:
    """Positions in the source, int64 and ascending; the four parts are disjoint."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    holdout: NDArray[np.int64]
    calibration: NDArray[np.int64]

    def sizes(self) -> dict[str, int]:
        """Part name -> number of records."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}

    @property
    def watched(self) -> NDArray[np.int64]:
        """Where the held-out loss is measured: the validation part, or the hold-out of a small set."""
        return self.validation if len(self.validation) else self.holdout


def make_split(source: Source, config: DataConfig, seed: int) -> Split:
    """Split a source by group and class.

    Raises:
        DataError: fewer than 8 records, or so few groups that a part would be empty.
    """
    if len(source) < _FEWEST_RECORDS:
        raise DataError(
            f"the data has {len(source)} records; {_FEWEST_RECORDS} is the least that can be split",
            hint="A generator needs data to learn from: bring more records, or cut long series into more windows with "
            "--window and --stride.",
        )
    validation = config.validation if len(source) >= _VALIDATION_FROM else 0.0
    official = source.official_split
    everything = np.arange(len(source))
    if official is None or len(set(official.tolist())) < 2:
        shares = (1 - config.holdout - config.calibration - validation, validation, config.holdout, config.calibration)
        if shares[0] <= 0:
            raise DataError("holdout, calibration and validation leave nothing to train on", hint="Lower data.holdout.")
        train, valid, holdout, calibration = _deal(source, everything, shares, seed)
    else:
        tests = official == "test"
        train, valid = _deal(source, everything[~tests], (1 - validation, validation), seed)
        kept = config.holdout + config.calibration
        holdout, calibration = _deal(
            source, everything[tests], (config.holdout / kept, config.calibration / kept), seed
        )
    if not len(train) or not len(holdout):
        raise DataError(
            f"splitting {len(source)} records by group leaves {len(train)} to train and {len(holdout)} to evaluate on",
            hint="There are too few groups: drop data.group_column or bring more data.",
        )
    return Split(train, valid, holdout, calibration)


def _deal(
    source: Source, positions: NDArray[np.int64], shares: tuple[float, ...], seed: int
) -> list[NDArray[np.int64]]:
    """Deal whole groups, class by class, to the part that is furthest below its share."""
    if source.groups is None and len(positions) > _MANY:
        return _deal_many(source, positions, shares, seed)
    groups = positions if source.groups is None else source.groups[positions]
    _, group_of = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of)
    first = np.full(len(sizes), -1)
    first[group_of[::-1]] = positions[::-1]
    strata = np.zeros(len(sizes), dtype=np.int64) if source.labels is None else source.labels[first]
    order = generator(seed, "split").permutation(len(sizes))
    part_of = np.zeros(len(sizes), dtype=np.int64)
    target = np.array(shares) / sum(shares)
    total = np.zeros(len(shares))
    for stratum in np.unique(strata):
        dealt = np.zeros(len(shares))
        for group in order[strata[order] == stratum]:
            due = target * (dealt.sum() + sizes[group]) - dealt
            slack = target * (total.sum() + sizes[group]) - total
            part = int(np.lexsort((slack, np.round(due, 9)))[-1])
            part_of[group] = part
            dealt[part] += sizes[group]
            total[part] += sizes[group]
    parts = part_of[group_of]
    return [np.sort(positions[parts == part]).astype(np.int64) for part in range(len(shares))]


def _deal_many(
    source: Source, positions: NDArray[np.int64], shares: tuple[float, ...], seed: int
) -> list[NDArray[np.int64]]:
    """The same for so many records that dealing them one by one takes minutes: each class cut at its shares."""
    order = generator(seed, "split").permutation(len(positions))
    strata = np.zeros(len(positions), dtype=np.int64) if source.labels is None else source.labels[positions]
    edges = np.cumsum(np.array(shares) / sum(shares))
    part_of = np.zeros(len(positions), dtype=np.int8)
    for stratum in np.unique(strata):
        members = order[strata[order] == stratum]
        cuts = np.rint(edges * len(members)).astype(np.int64)
        part_of[members] = np.searchsorted(cuts, np.arange(len(members)), side="right")
    return [np.sort(positions[part_of == part]).astype(np.int64) for part in range(len(shares))]
