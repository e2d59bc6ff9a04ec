"""Which candidates a data set keeps: what was asked for, the standard that real records set, and what came of it.

A place in the data set has candidates 0, 1, 2, ...: the same label and the same conditions, other noise. Candidate t of
place i is record i + t * n, so records stay functions of (seed, id), ids are never used twice, and any worker finds the
same one: the first candidate that meets the standard takes the place. What the labels ask for is therefore met exactly,
however many candidates were dropped. What is merely required (`synthgen.generation.requiring`) is tried for `TRIES`
times; then the candidate that came nearest takes the place.
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

__all__ = [
    "PERCENTILE",
    "TRIES",
    "Chosen",
    "Judging",
    "Reach",
    "Reached",
    "Standard",
    "Tally",
    "Verdict",
    "Vetting",
    "select",
]

PERCENTILE = 5
"""A candidate whose label fits worse than that of this percentage of real records is inconsistent."""
TRIES = 10
"""Candidates for a place, at most, while none reaches what is required of it; then the nearest is kept."""
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
        reach: how near they come to what is required of them; None where nothing is.
    """

    columns: Mapping[str, NDArray[Any]]
    inconsistent: NDArray[np.bool_]
    not_best: NDArray[np.bool_]
    about: Sequence[str]
    reach: Reach | None = None


@dataclass(frozen=True)
class Reach:
    """How near N candidates come to what is required.

    Args:
        nearness: `(N,)`, 1 and above reaches it.
        about: `(N,)` what is farthest from it, the name that a redraw is counted under.
    """

    nearness: NDArray[np.float64]
    about: NDArray[np.object_]


@dataclass(frozen=True)
class Reached:
    """Places whose first candidate reached what was required, whose kept one did, and misses made anew by name."""

    first: int = 0
    reached: int = 0
    redrawn: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Reached) -> Reached:
        redrawn = Counter(self.redrawn) + Counter(other.redrawn)
        return Reached(self.first + other.first, self.reached + other.reached, dict(sorted(redrawn.items())))


@dataclass(frozen=True)
class Tally:
    """How many candidates were made, and how many dropped and why, by class."""

    judged: int = 0
    inconsistent: Mapping[str, int] = field(default_factory=dict)
    not_best: Mapping[str, int] = field(default_factory=dict)
    required: Reached = field(default_factory=Reached)

    def __add__(self, other: Tally) -> Tally:
        both = (
            Counter(self.inconsistent) + Counter(other.inconsistent),
            Counter(self.not_best) + Counter(other.not_best),
        )
        inconsistent, not_best = (dict(sorted(each.items())) for each in both)
        return Tally(self.judged + other.judged, inconsistent, not_best, self.required + other.required)

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
        return cls(raw["judged"], raw["inconsistent"], raw["not_best"], Reached(**raw.get("required", {})))


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
    taken, nearest = _Taken(n), _Nearest(n)
    tally = Tally()
    stayed: Counter[str] = Counter()
    for turn in range(_MOST_CANDIDATES):
        candidates = pending + turn * n
        records = make(candidates.tolist())
        verdict = judging.verdict(records)
        fit = ~(verdict.inconsistent | verdict.not_best)
        kept = fit if verdict.reach is None else fit & (verdict.reach.nearness >= 1)
        about = np.asarray(verdict.about, dtype=object)
        tally += Tally(
            len(candidates),
            Counter(about[verdict.inconsistent].tolist()),
            Counter(about[verdict.not_best & ~verdict.inconsistent].tolist()),
            _reached(verdict.reach, kept, fit & ~kept, turn),
        )
        filled = taken.add(records, candidates, verdict.columns, kept)
        if verdict.reach is not None:
            nearest.offer(records, candidates, verdict, fit & ~kept)
            if turn >= TRIES - 1:
                filled[~filled] = nearest.settle(candidates[~filled], taken)
        if tell is not None and filled.any():
            tell(int(filled.sum()))
        pending = pending[~filled]
        if not len(pending):
            break
        stayed += Counter(about[fit].tolist() if records.label is not None else [_ALL] * int(fit.sum()))
        if _is_hopeless(tally, stayed, labelled=records.label is not None):
            break
    if len(pending):
        raise _hopeless(tally, len(pending))
    return taken.chosen(tally)


class _Taken:
    """Candidates that took their places, of n."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._records: list[Records] = []
        self._columns: list[Mapping[str, NDArray[Any]]] = []
        self._ids: list[NDArray[np.int64]] = []

    def add(
        self, records: Records, ids: NDArray[np.int64], columns: Mapping[str, NDArray[Any]], kept: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Take those that are kept; returns which they are."""
        self._records.append(records.take(kept))
        self._columns.append({name: values[kept] for name, values in columns.items()})
        self._ids.append(ids[kept])
        return kept.copy()

    def chosen(self, tally: Tally) -> Chosen:
        """All of them in order of their places."""
        every = np.concatenate(self._ids)
        order = np.argsort(every % self._n, kind="stable")
        joined = {name: np.concatenate([part[name] for part in self._columns])[order] for name in self._columns[0]}
        return Chosen(Records.concatenate(self._records).take(order), every[order], joined, tally)


class _Nearest:
    """Of the candidates for a place that missed what is required, the one that came nearest; the first among equals."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._best: dict[int, tuple[float, int, Records, Mapping[str, NDArray[Any]]]] = {}

    def offer(self, records: Records, ids: NDArray[np.int64], verdict: Verdict, missed: NDArray[np.bool_]) -> None:
        """Look at those that missed."""
        assert verdict.reach is not None
        for row in np.flatnonzero(missed):
            nearness, place = float(verdict.reach.nearness[row]), int(ids[row]) % self._n
            if place not in self._best or nearness > self._best[place][0]:
                columns = {name: values[row : row + 1] for name, values in verdict.columns.items()}
                self._best[place] = (nearness, int(ids[row]), records.take(np.array([row])), columns)

    def settle(self, ids: NDArray[np.int64], taken: _Taken) -> NDArray[np.bool_]:
        """Put the nearest into their places; returns which of these candidates' places those are."""
        found = np.array([int(index) % self._n in self._best for index in ids], dtype=bool)
        for index in ids[found]:
            _, identity, record, columns = self._best.pop(int(index) % self._n)
            taken.add(record, np.array([identity], dtype=np.int64), columns, np.ones(1, dtype=bool))
        return found


def _reached(reach: Reach | None, kept: NDArray[np.bool_], missed: NDArray[np.bool_], turn: int) -> Reached:
    """What a turn adds to the tally of what was required."""
    if reach is None:
        return Reached()
    redrawn = Counter(reach.about[missed].tolist()) if turn < TRIES - 1 else {}
    return Reached(int((reach.nearness >= 1).sum()) if turn == 0 else 0, int(kept.sum()), redrawn)


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
