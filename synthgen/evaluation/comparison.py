"""Which records meet which: equal-sized draws from training, held-out and synthetic records, and their features.

Every distance depends on n, so all sides of a comparison have the same n and the floor is measured on training
records of that n. When the synthetic set holds every class in other shares than the held-out data (a balanced set,
say), its draw takes the held-out shares: otherwise every distance would measure the wish for balance instead of the
records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records
from synthgen.seeding import generator

__all__ = ["Comparison", "Draw", "draw", "extractor_name", "standardised"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """Equal-sized choices of records in random order, as index arrays of length n; any prefix is a fair sample."""

    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    synthetic: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Records on each side."""
        return len(self.holdout)


@dataclass(frozen=True)
class Comparison:
    """Equal-sized feature sets `(n, d)` of training, held-out and synthetic records, with labels if there are any."""

    train: NDArray[Any]
    holdout: NDArray[Any]
    synthetic: NDArray[Any]
    holdout_label: NDArray[np.int64] | None = None
    synthetic_label: NDArray[np.int64] | None = None
    train_label: NDArray[np.int64] | None = None
    extractor: str = ""
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Records on each side."""
        return len(self.holdout)


def draw(train: Records, holdout: Records, synthetic: Records, *, limit: int = 5000, seed: int = 0) -> Draw:
    """Choose n records of each side without replacement, n being the smallest side or `limit`."""
    rng = generator(seed, "evaluate-draw")
    n = min(len(train), len(holdout), len(synthetic), limit)
    notes = []
    if len(holdout) > limit and len(synthetic) > limit:
        notes.append(f"{limit} of {len(synthetic)} synthetic records compared")
    chosen = _choice(rng, len(holdout), n)
    matched = _with_shares_of(holdout, chosen, synthetic, rng)
    if matched is not None:
        keep, picks = matched
        if len(picks) < n:
            chosen = keep
        notes.append("synthetic classes drawn in the held-out shares")
    else:
        picks = _choice(rng, len(synthetic), n)
    return Draw(_choice(rng, len(train), len(chosen)), chosen, picks, tuple(notes))


def _choice(rng: np.random.Generator, size: int, n: int) -> NDArray[np.int64]:
    return rng.permutation(size)[:n].astype(np.int64)


def _with_shares_of(
    holdout: Records, chosen: NDArray[np.int64], synthetic: Records, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Held-out and synthetic indices of equal class counts, or None when that is not needed or not possible."""
    if holdout.label is None or synthetic.label is None:
        return None
    size = int(max(holdout.label.max(initial=0), synthetic.label.max(initial=0))) + 1
    wanted = np.bincount(holdout.label[chosen], minlength=size)
    available = np.bincount(synthetic.label, minlength=size)
    expected = available / available.sum() * len(chosen)
    alike = np.abs(wanted - expected).sum() <= 3 * np.sqrt(np.maximum(wanted + expected, 1)).sum() / 2
    if alike or np.any((wanted > 0) & (available == 0)):
        return None
    scale = min(1.0, float(np.min(available[wanted > 0] / wanted[wanted > 0])))
    counts = np.floor(wanted * scale).astype(int)
    if counts.sum() < len(chosen) / 2:
        return None
    keep = [rng.permutation(chosen[holdout.label[chosen] == k])[: counts[k]] for k in range(size)]
    picks = [rng.permutation(np.flatnonzero(synthetic.label == k))[: counts[k]] for k in range(size)]
    return rng.permutation(np.concatenate(keep)).astype(np.int64), rng.permutation(np.concatenate(picks)).astype(
        np.int64
    )


def standardised(reference: NDArray[np.floating]) -> Callable[[NDArray[np.floating]], Array]:
    """A map to zero mean and unit variance in each dimension of `reference (N, d)`; those without spread become 0."""
    mean = reference.mean(axis=0, dtype=np.float64)
    spread = reference.std(axis=0, dtype=np.float64)
    alive = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-12)
    scale = np.where(alive, 1.0 / np.where(alive, spread, 1.0), 0.0)
    return lambda features: np.asarray((features - mean) * scale, dtype=np.float64)


def extractor_name(name: str, features: NDArray[np.floating]) -> str:
    """`domain-cnn:3f2a`: the extractor's name with a mark of the features that it gives, for two trainings differ."""
    return f"{name}:{hashlib.sha256(np.round(features[:16], 2).tobytes()).hexdigest()[:4]}"
