"""Nearest neighbours in pieces: exact where that is affordable, by a shortlist where not, never all pairs at once.

Distances of a piece of queries to a piece of references are one matrix product in float32, |q|^2 + |r|^2 - 2 q.r; the
few nearest are then measured again in float64, so that an exact copy has distance 0. Memory is a few tens of megabytes
whatever the number of records.

Where queries x references x dimensions exceed `EXACT_WORK`, the products are taken in the leading principal components
and the `SHORTLIST` nearest there are measured again in all dimensions: approximate, and said so by `method`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

__all__ = ["EXACT_WORK", "SHORTLIST", "Nearest", "count_within", "nearest", "pieces"]

Array = NDArray[np.floating]

EXACT_WORK = 2e12
"""Products beyond which neighbours are approximate: about a minute on two cores."""
SHORTLIST = 32
_COMPONENTS = 48
_PIECE_CELLS = 4_000_000
_REFERENCE_PIECE = 16_384
_BASIS_ROWS = 4_000


@dataclass(frozen=True)
class Nearest:
    """The k nearest references of each query, nearest first.

    Args:
        index: int64 `(n, k)`.
        distance: float64 `(n, k)`, Euclidean.
        method: `exact`, or how it was approximated.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]
    method: str


def nearest(
    queries: Array, reference: Array, *, k: int = 1, among_itself: bool = False, exact_work: float = EXACT_WORK
) -> Nearest:
    """The k nearest of `reference (m, d)` for each of `queries (n, d)`.

    Args:
        queries, reference: vectors.
        k: how many.
        among_itself: `queries` is `reference`, and a record is not its own neighbour.
        exact_work: products beyond which a shortlist is used.

    Raises:
        ValueError: fewer than k references.
    """
    available = len(reference) - among_itself
    if available < k:
        raise ValueError(f"{available} records are too few for {k} neighbours")
    near_q, near_r, method, wanted = queries, reference, "exact", min(len(reference), k + among_itself + 4)
    if float(len(queries)) * len(reference) * queries.shape[1] > exact_work and queries.shape[1] > _COMPONENTS:
        project = _components(reference)
        near_q, near_r = project(queries), project(reference)
        wanted = min(len(reference), max(wanted, SHORTLIST))
        method = f"approximate: the {wanted} nearest in {_COMPONENTS} principal components, measured again"
    centre = np.asarray(near_r, dtype=np.float64).mean(axis=0)
    near_r32 = np.asarray(near_r - centre, dtype=np.float32)
    squared_r = np.einsum("ij,ij->i", near_r32, near_r32)
    index = np.empty((len(queries), k), dtype=np.int64)
    distance = np.empty((len(queries), k))
    for rows in pieces(len(queries), min(_REFERENCE_PIECE, len(reference))):
        shortlist = _shortlist(np.asarray(near_q[rows] - centre, dtype=np.float32), near_r32, squared_r, wanted)
        exact = _distances(queries[rows], reference, shortlist)
        if among_itself:
            own = np.arange(rows.start, rows.start + len(exact))[:, None]
            exact[shortlist == own] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        index[rows] = np.take_along_axis(shortlist, order, axis=1)
        distance[rows] = np.take_along_axis(exact, order, axis=1)
    return Nearest(index, distance, method)


def count_within(
    queries: Array, reference: Array, radius: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many reference balls hold each query `(n,)`, and whether each ball holds any query `(m,)`.

    Args:
        queries: `(n, d)`.
        reference: `(m, d)`, the centres.
        radius: `(m,)`.
    """
    centre = np.asarray(reference, dtype=np.float64).mean(axis=0)
    q, r = (np.asarray(part - centre, dtype=np.float64) for part in (queries, reference))
    squared_q, squared_r = np.einsum("ij,ij->i", q, q), np.einsum("ij,ij->i", r, r)
    counts = np.zeros(len(q), dtype=np.int64)
    hit = np.zeros(len(r), dtype=bool)
    limit = radius**2
    for rows in pieces(len(q), min(_REFERENCE_PIECE, len(r))):
        for columns in pieces(len(r), 1, size=_REFERENCE_PIECE):
            squared = squared_q[rows, None] + squared_r[None, columns] - 2 * (q[rows] @ r[columns].T)
            # What cancellation leaves of a zero is of this size.
            slack = 1e-12 * (squared_q[rows, None] + squared_r[None, columns])
            inside = squared <= limit[None, columns] * (1 + 1e-9) + slack
            counts[rows] += inside.sum(axis=1)
            hit[columns] |= inside.any(axis=0)
    return counts, hit


def pieces(n: int, width: int, *, size: int | None = None) -> Iterator[slice]:
    """Slices of n rows such that a piece times `width` columns stays small; or of a given size."""
    step = max(1, _PIECE_CELLS // max(1, width)) if size is None else size
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def _shortlist(
    queries: NDArray[np.float32], reference: NDArray[np.float32], squared: NDArray[np.float32], wanted: int
) -> NDArray[np.int64]:
    """Indices of the `wanted` nearest, `(n, wanted)`, in no order."""
    best_value = np.empty((len(queries), 0), dtype=np.float32)
    best_index = np.empty((len(queries), 0), dtype=np.int64)
    for columns in pieces(len(reference), 1, size=_REFERENCE_PIECE):
        value = squared[None, columns] - 2 * (queries @ reference[columns].T)  # |q|^2 is the same for all
        width = value.shape[1]
        if width > wanted:
            chosen = np.argpartition(value, wanted - 1, axis=1)[:, :wanted]
            value = np.take_along_axis(value, chosen, axis=1)
        else:
            chosen = np.broadcast_to(np.arange(width), value.shape)
        best_value = np.concatenate([best_value, value], axis=1)
        best_index = np.concatenate([best_index, chosen + columns.start], axis=1)
        if best_value.shape[1] > wanted:
            keep = np.argpartition(best_value, wanted - 1, axis=1)[:, :wanted]
            best_value = np.take_along_axis(best_value, keep, axis=1)
            best_index = np.take_along_axis(best_index, keep, axis=1)
    return best_index


def _distances(queries: Array, reference: Array, index: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.empty(index.shape)
    step = max(1, _PIECE_CELLS // max(1, index.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        difference = np.asarray(reference[index[rows]], dtype=np.float64) - np.asarray(queries[rows])[:, None]
        found[rows] = np.sqrt(np.einsum("nkd,nkd->nk", difference, difference))
    return found


def _components(reference: Array) -> Callable[[Array], Array]:
    """A projection on the leading principal components of some of the records."""
    some = np.asarray(reference[:: max(1, len(reference) // _BASIS_ROWS)], dtype=np.float32)
    mean = some.mean(axis=0)
    _, _, basis = randomized_svd(some - mean, _COMPONENTS, random_state=0)

    def project(x: Array) -> Array:
        return np.concatenate([(x[rows] - mean) @ basis.T for rows in pieces(len(x), x.shape[1])])

    return project
