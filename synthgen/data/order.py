"""In which order training sees its records: a pure function of (seed, records seen), so that it can be resumed.

shuffled    a fresh permutation for each pass: every record once
blocked     every record once a pass: blocks (row groups of a file) in random order, the records of a few blocks at a
            time mixed, so that a set larger than memory is read once a pass
balanced    class c takes the share n_c^(1-b) / sum n_k^(1-b) of each pass, evenly spread over it, so that every
            batch has that mixture; within a class every record comes once before any comes again
graded      for the first part of training, records are drawn from the easiest share of all, which grows from a
            quarter to the whole with progress (Bengio et al. 2009, "Curriculum learning"; the linear growth is
            Platanios et al. 2019, arXiv:1903.09848); balanced classes keep the shares above from the first batch on,
            each drawn from the easiest of its own
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.seeding import generator

__all__ = ["Balanced", "Blocked", "Graded", "Order", "Shuffled"]

_EASIEST = 0.25


class Order(Protocol):
    """Positions of records for training steps."""

    def positions(self, samples_seen: int, count: int, progress: float) -> NDArray[np.int64]:
        """The `count` positions after `samples_seen` records, at this share of training."""
        ...


class Shuffled:
    """Every record once in each pass.

    Args:
        size: number of records.
        seed: of the order.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._pass: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, dtype=np.int64))

    def positions(self, samples_seen: int, count: int, progress: float) -> NDArray[np.int64]:
        """See `Order`; may run over the end of a pass."""
        chosen = np.empty(count, dtype=np.int64)
        filled = 0
        while filled < count:
            turn, start = divmod(samples_seen + filled, self._size)
            if self._pass[0] != turn:
                self._pass = (turn, self._turn(turn))
            part = self._pass[1][start : start + count - filled]
            chosen[filled : filled + len(part)] = part
            filled += len(part)
        return chosen

    def _turn(self, turn: int) -> NDArray[np.int64]:
        return generator(self._seed, "order", step=turn).permutation(self._size)


class Blocked(Shuffled):
    """Every record once in each pass, block after block.

    Args:
        starts: where blocks begin, ascending, 0 first; `(K,)`.
        size: number of records.
        seed: of the order.
        mixed: records that are mixed with one another, at least.
    """

    def __init__(self, starts: NDArray[np.int64], size: int, seed: int, *, mixed: int) -> None:
        super().__init__(size, seed)
        kept = starts[np.flatnonzero(np.diff([*starts.tolist(), size]))]  # without empty blocks
        self._starts = kept
        self._sizes = np.diff([*kept.tolist(), size])
        self._mixed = mixed

    def _turn(self, turn: int) -> NDArray[np.int64]:
        rng = generator(self._seed, "blocked-order", step=turn)
        blocks = rng.permutation(len(self._starts))
        chosen, part, held = [], [], 0
        for place, block in enumerate(blocks):
            part.append(np.arange(self._starts[block], self._starts[block] + self._sizes[block]))
            held += int(self._sizes[block])
            if held >= self._mixed or place == len(blocks) - 1:
                chosen.append(rng.permutation(np.concatenate(part)))
                part, held = [], 0
        return np.concatenate(chosen)


class Balanced(Shuffled):
    """Classes in chosen shares.

    Args:
        labels: class of each record, `(N,)`; negative: unlabelled, a class of its own.
        seed: of the order.
        balance: b above; 0 keeps the classes' shares, 1 makes them equal.
    """

    def __init__(self, labels: NDArray[np.int64], seed: int, *, balance: float) -> None:
        super().__init__(len(labels), seed)
        self._members = [np.flatnonzero(labels == k) for k in np.unique(labels)]
        due = len(labels) * _shares(self._members, balance)
        self._counts = np.floor(due).astype(np.int64)
        left = len(labels) - int(self._counts.sum())
        self._counts[np.argsort(self._counts - due, kind="stable")[:left]] += 1

    def _turn(self, turn: int) -> NDArray[np.int64]:
        rng = generator(self._seed, "balanced-order", step=turn)
        places, chosen = [], []
        for k, (members, count) in enumerate(zip(self._members, self._counts.tolist(), strict=True)):
            if count:
                chosen.append(self._drawn(k, members, turn * count, count))
                places.append((rng.permutation(count) + rng.random(count)) / count)
        return np.concatenate(chosen)[np.argsort(np.concatenate(places), kind="stable")]

    def _drawn(self, k: int, members: NDArray[np.int64], start: int, count: int) -> NDArray[np.int64]:
        """Draws `start` to `start + count` of class k: permutation after permutation of its members."""
        first, last = start // len(members), (start + count - 1) // len(members)
        rounds = [
            generator(self._seed, f"class-{k}", step=turn).permutation(members) for turn in range(first, last + 1)
        ]
        return np.concatenate(rounds)[start - first * len(members) :][:count]


class Graded:
    """Easy records first, then as another order says.

    Args:
        difficulty: of each record, `(N,)`.
        after: the order once all records are in.
        seed: of the draws.
        share: of training that the growth takes.
        labels: class of each record, `(N,)`, where classes are balanced; None draws from all records alike.
        balance: of the classes, as `Balanced` has it.
    """

    def __init__(
        self,
        difficulty: NDArray[np.floating],
        after: Order,
        *,
        seed: int,
        share: float,
        labels: NDArray[np.int64] | None = None,
        balance: float = 0.0,
    ) -> None:
        ease = np.argsort(difficulty, kind="stable").astype(np.int64)
        classes = np.zeros(len(ease), dtype=np.int64) if labels is None else labels[ease]
        self._by_ease = [ease[classes == k] for k in np.unique(classes)]
        self._edges = np.cumsum(_shares(self._by_ease, balance))[:-1]
        self._after = after
        self._seed = seed
        self._share = share

    def positions(self, samples_seen: int, count: int, progress: float) -> NDArray[np.int64]:
        """See `Order`."""
        if progress >= self._share:
            return self._after.positions(samples_seen, count, progress)
        admitted = _EASIEST + (1 - _EASIEST) * progress / self._share
        rng = generator(self._seed, "graded", step=samples_seen)
        places = np.floor(count * self._edges + rng.random()).astype(np.int64)  # parts come out right on average
        drawn = []
        for members, due in zip(self._by_ease, np.diff([0, *places.tolist(), count]).tolist(), strict=True):
            pool = members[: max(1, math.ceil(admitted * len(members)))]
            drawn.append(rng.choice(pool, due, replace=due > len(pool)))
        return rng.permutation(np.concatenate(drawn))


def _shares(members: Sequence[NDArray[np.int64]], balance: float) -> NDArray[np.float64]:
    """The share of each class in training, `(K,)`."""
    weights = np.array([len(of_class) for of_class in members], dtype=np.float64) ** (1 - balance)
    return np.asarray(weights / weights.sum())
