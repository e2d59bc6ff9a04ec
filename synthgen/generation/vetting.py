"""Which candidates a data set keeps: what was asked for, the standard that real records set, and what came of it.

A place in the data set has candidates 0, 1, 2, ...: the same label and the same conditions, other noise. Candidate t of
place i is record i + t * n, so records stay functions of (seed, id), ids are never used twice, and any worker finds the
same one: the first candidate that meets the standard takes the place. What the labels ask for is therefore met exactly,
however many candidates were dropped.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records
from synthgen.errors import DatasetError, UsageError

__all__ = ["PERCENTILE", "Chosen", "Standard", "Tally", "Verdict", "Vetting", "select"]

PERCENTILE = 5
"""A candidate whose label fits worse than that of this percentage of real records is inconsistent."""
_MOST_CANDIDATES = 200
_ENOUGH_TO_TELL = 100
_HOPELESS = 0.01
_ALL = "all"


@dataclass(frozen=True)
class Vetting:
    """What is asked of every record; with neither, all stay and the judgement is only written down.

    Args:
        drop_inconsistent: drop candidates whose label fits worse than that of 95 % of real records.
        keep_best: of each class, keep this share of the candidates, the most consistent ones.
    """

    drop_inconsistent: bool = False
    keep_best: float | None = None

    def __post_init__(self) -> None:
        if self.keep_best is not None and not 0 < self.keep_best <= 1:
            raise UsageError(f"keep_best is {self.keep_best:g}: it is a share, above 0 and at most 1")


@dataclass(frozen=True)
class Standard:
    """What candidates are measured against, by label (or one group for all).

    Args:
        judge: kind of the judge, trained on real training records.
        real: how many real records, which the judge had not seen, set the standard.
        groups: label names, or `all`.
        typical: median agreement of real records in each group.
        lowest: agreement below which a record is inconsistent.
        best: agreement below which a candidate is not among the best; empty without `keep_best`.
    """

    judge: str
    real: int
    groups: tuple[str, ...]
    typical: tuple[float, ...]
    lowest: tuple[float, ...]
    best: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `provenance.json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            DatasetError: it is none.
        """
        try:
            listed = {name: tuple(raw[name]) for name in ("groups", "typical", "lowest", "best")}
            return cls(judge=str(raw["judge"]), real=int(raw["real"]), **listed)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"the data set's standard is unreadable: {error}") from error


@dataclass(frozen=True)
class Verdict:
    """What the judge says of N candidates.

    Args:
        columns: for the table: `consistency`, `nearest_id`, `nearest_distance`.
        inconsistent, not_best: `(N,)` why a candidate would be dropped.
        about: `(N,)` the class that a drop is counted under.
    """

    columns: Mapping[str, NDArray[Any]]
    inconsistent: NDArray[np.bool_]
    not_best: NDArray[np.bool_]
    about: Sequence[str]


@dataclass(frozen=True)
class Tally:
    """How many candidates were made, and how many dropped and why, by class."""

    judged: int = 0
    inconsistent: Mapping[str, int] = field(default_factory=dict)
    not_best: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        both = (
            Counter(self.inconsistent) + Counter(other.inconsistent),
            Counter(self.not_best) + Counter(other.not_best),
        )
        return Tally(self.judged + other.judged, *(dict(sorted(each.items())) for each in both))

    @property
    def dropped(self) -> int:
        """Candidates that were not kept."""
        return sum(self.inconsistent.values()) + sum(self.not_best.values())

    def sentence(self) -> str:
        """For people: `dropped 12 of 112 candidates: 12 inconsistent (cat 9, dog 3)`."""
        kinds = {"inconsistent": self.inconsistent, "not among the best": self.not_best}
        parts = [
            f"{sum(counts.values()):,} {kind} ({', '.join(f'{name} {count:,}' for name, count in counts.items())})"
            for kind, counts in kinds.items()
            if counts
        ]
        return f"dropped {self.dropped:,} of {self.judged:,} candidates" + (f": {'; '.join(parts)}" if parts else "")

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        raw = json.loads(text)
        return cls(raw["judged"], raw["inconsistent"], raw["not_best"])


@dataclass(frozen=True)
class Chosen:
    """The records that took their places, in order, with the ids of the candidates that they were."""

    records: Records
    ids: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    tally: Tally


class Judging(Protocol):
    """Says of candidates whether they stay."""

    def verdict(self, records: Records) -> Verdict:
        """Of each record."""
        ...


def select(
    make: Callable[[Sequence[int]], Records],
    places: Sequence[int],
    n: int,
    judging: Judging,
    tell: Callable[[int], None] | None = None,
) -> Chosen:
    """Make candidates until every place is taken.

    Args:
        make: the records of these ids.
        places: positions in the data set.
        n: of the whole data set.
        judging: decides.
        tell: called with numbers of places that were taken.

    Raises:
        DatasetError: nearly no candidate meets the standard.
    """
    pending = np.asarray(places, dtype=np.int64)
    taken: list[Records] = []
    columns: list[Mapping[str, NDArray[Any]]] = []
    ids: list[NDArray[np.int64]] = []
    tally = Tally()
    stayed: Counter[str] = Counter()
    for turn in range(_MOST_CANDIDATES):
        candidates = pending + turn * n
        records = make(candidates.tolist())
        verdict = judging.verdict(records)
        kept = ~(verdict.inconsistent | verdict.not_best)
        about = np.asarray(verdict.about, dtype=object)
        tally += Tally(
            len(candidates),
            Counter(about[verdict.inconsistent].tolist()),
            Counter(about[verdict.not_best & ~verdict.inconsistent].tolist()),
        )
        taken.append(records.take(kept))
        columns.append({name: values[kept] for name, values in verdict.columns.items()})
        ids.append(candidates[kept])
        if tell is not None and kept.any():
            tell(int(kept.sum()))
        pending = pending[~kept]
        if not len(pending):
            break
        stayed += Counter(about[kept].tolist() if records.label is not None else [_ALL] * int(kept.sum()))
        if _is_hopeless(tally, stayed, labelled=records.label is not None):
            break
    if len(pending):
        raise _hopeless(tally, len(pending))
    every = np.concatenate(ids)
    order = np.argsort(every % n, kind="stable")
    joined = {name: np.concatenate([part[name] for part in columns])[order] for name in columns[0]}
    return Chosen(Records.concatenate(taken).take(order), every[order], joined, tally)


def _is_hopeless(tally: Tally, stayed: Mapping[str, int], *, labelled: bool) -> bool:
    """Whether of all candidates, or of those of one label, nearly none stay."""
    dropped = Counter(tally.inconsistent) + Counter(tally.not_best) if labelled else Counter({_ALL: tally.dropped})
    return any(
        count >= _ENOUGH_TO_TELL and stayed.get(name, 0) < _HOPELESS * (count + stayed.get(name, 0))
        for name, count in dropped.items()
    )


def _hopeless(tally: Tally, missing: int) -> DatasetError:
    worst = Counter(tally.inconsistent) + Counter(tally.not_best)
    shown = ", ".join(f"{name} {count:,}" for name, count in worst.most_common(5))
    return DatasetError(
        f"{tally.dropped:,} of {tally.judged:,} candidates were dropped, and {missing:,} places are still empty; "
        f"dropped by class: {shown}",
        hint="Train the model longer, raise --guidance, or leave --drop-inconsistent or --keep-best away.",
    )
