"""Means and covariances of records drawn again and again, without going through the records each time.

Sums over a set's records are all that its mean and covariance need. The records, which come in random order, are cut
into at most `MOST_GROUPS` groups of equal size, the sums of each group are taken once, and a bootstrap sample is a draw
of groups: one small matrix product. Up to `MOST_GROUPS` records a group is one record, and this is the bootstrap over
records (Efron 1979); beyond, groups of independent records are as independent as records are, so the spread is the
same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_GROUPS", "Moments", "Sums"]

Array = NDArray[np.float64]

MOST_GROUPS = 1000
_FEWEST_GROUPS = 100
_CELLS = 32_000_000  # numbers kept: a quarter of a GiB


@dataclass(frozen=True)
class Moments:
    """What is left of records: their number, mean `(d,)` and mean of outer products `(d, d)`."""

    n: float
    mean: Array
    outer: Array

    @property
    def covariance(self) -> Array:
        """`(d, d)`, with n - 1 in the denominator."""
        return (self.outer - np.outer(self.mean, self.mean)) * (self.n / (self.n - 1))


@dataclass(frozen=True)
class Sums:
    """Sums over each of G groups of records: how many there are `(G,)`, of them `(G, d)`, of their outer products."""

    sizes: Array
    first: Array
    second: Array
    """`(G, d * d)`"""

    @classmethod
    def of(cls, x: Array) -> Sums:
        """Of the records `(n, d)`, which are in random order."""
        n, d = x.shape
        groups = min(n, MOST_GROUPS, max(_FEWEST_GROUPS, _CELLS // (d * d)))
        parts = np.array_split(x, groups)
        return cls(
            np.array([len(part) for part in parts], dtype=np.float64),
            np.array([part.sum(axis=0) for part in parts]),
            np.array([(part.T @ part).ravel() for part in parts]),
        )

    def whole(self) -> Moments:
        """Of every record once."""
        return self._weighted(np.ones(len(self.sizes)))

    def drawn(self, rng: np.random.Generator) -> Moments:
        """Of as many groups, drawn with replacement."""
        groups = len(self.sizes)
        return self._weighted(rng.multinomial(groups, np.full(groups, 1 / groups)).astype(np.float64))

    def _weighted(self, often: Array) -> Moments:
        n = float(often @ self.sizes)
        d = self.first.shape[1]
        return Moments(n, often @ self.first / n, (often @ self.second).reshape(d, d) / n)
