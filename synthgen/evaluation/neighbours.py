"""Nearest neighbours in pieces: exact where that is affordable, by a shortlist where not, never all pairs at once.

What tells the references of a query apart, |r|^2 - 2 q.r, is one matrix product in float32 for a piece of queries and a
piece of references; only what is below the worst of the shortlist so far is looked at again, and the few nearest are
then measured in float64, so that an exact copy has distance 0. Memory is a few megabytes beside a float32 copy of the
references, whatever the number of records.

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
_PIECE = 768
_PIECE_CELLS = 4_000_000
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
    centre = near_r.mean(axis=0, dtype=np.float64)
    near = np.empty((len(near_r), near_r.shape[1] + 1), dtype=np.float32)
    for rows in pieces(len(near)):
        near[rows, :-1] = near_r[rows] - centre
        near[rows, -1] = np.einsum("ij,ij->i", near[rows, :-1], near[rows, :-1])
    index = np.empty((len(queries), k), dtype=np.int64)
    distance = np.empty((len(queries), k))
    for rows in pieces(len(queries)):
        shortlist = _shortlist(np.asarray(near_q[rows] - centre, dtype=np.float32), near, wanted)
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
    centre = reference.mean(axis=0, dtype=np.float64)
    q, r = (np.asarray(part - centre, dtype=np.float64) for part in (queries, reference))
    squared_q, squared_r = np.einsum("ij,ij->i", q, q), np.einsum("ij,ij->i", r, r)
    limit = radius**2
    # One product in float32 gives |q|^2 + |r|^2 - 2 q.r - limit; what rounding leaves open is asked again in float64.
    near_q, near_r = (np.empty((len(side), side.shape[1] + 2), dtype=np.float32) for side in (q, r))
    near_q[:, :-2], near_q[:, -2], near_q[:, -1] = q, squared_q, 1.0
    near_q[:, :-2] *= -2
    near_r[:, :-2], near_r[:, -2], near_r[:, -1] = r, 1.0, squared_r - limit
    largest = squared_q + (squared_r + limit).max(initial=0.0)
    doubt = (2.0**-22 * (8 + np.sqrt(q.shape[1])) * largest).astype(np.float32)[:, None]
    counts = np.zeros(len(q), dtype=np.int64)
    hit = np.zeros(len(r), dtype=bool)
    for rows in pieces(len(q)):
        for columns in pieces(len(r)):
            beyond = near_q[rows] @ near_r[columns].T
            inside = beyond < -doubt[rows]
            open_rows = rows.start + np.flatnonzero((np.abs(beyond) <= doubt[rows]).any(axis=1))
            if len(open_rows):
                squared = squared_q[open_rows, None] + squared_r[None, columns] - 2 * (q[open_rows] @ r[columns].T)
                # What cancellation leaves of a zero is of this size.
                slack = 1e-12 * (squared_q[open_rows, None] + squared_r[None, columns])
                inside[open_rows - rows.start] = squared <= limit[None, columns] * (1 + 1e-9) + slack
            counts[rows] += np.count_nonzero(inside, axis=1)
            hit[columns] |= inside.any(axis=0)
    return counts, hit


def pieces(n: int, *, size: int | None = None) -> Iterator[slice]:
    """Slices of n rows, of a given size or of one at which a product of two pieces stays in the processor's cache."""
    step = _PIECE if size is None else size
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def _shortlist(queries: NDArray[np.float32], reference: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
    """Indices of the `wanted` nearest of `(m, d + 1)`, vectors with their squared length, `(n, wanted)`, ascending."""
    asked = np.column_stack([-2 * queries, np.ones(len(queries), dtype=np.float32)])
    best_value = np.full((len(asked), wanted), np.inf, dtype=np.float32)
    best_index = np.full((len(asked), wanted), -1, dtype=np.int64)
    first = True
    for columns in pieces(len(reference), size=max(_PIECE, wanted)):
        value = asked @ reference[columns].T  # |q|^2 is the same for all
        if first:
            kept = np.argpartition(value, wanted - 1, axis=1)[:, :wanted]
            best_value, best_index = np.take_along_axis(value, kept, axis=1), kept
            worst, first = best_value.max(axis=1), False
            continue
        nearer = np.flatnonzero(value < worst[:, None])
        if len(nearer):
            row, column = np.divmod(nearer, value.shape[1])
            touched, place, counted = np.unique(row, return_inverse=True, return_counts=True)
            rank = np.arange(len(row)) - np.repeat(np.cumsum(counted) - counted, counted)
            values = np.full((len(touched), wanted + int(counted.max())), np.inf, dtype=np.float32)
            indices = np.full(values.shape, -1, dtype=np.int64)
            values[:, :wanted], indices[:, :wanted] = best_value[touched], best_index[touched]
            values[place, wanted + rank], indices[place, wanted + rank] = value[row, column], columns.start + column
            kept = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
            best_value[touched] = np.take_along_axis(values, kept, axis=1)
            best_index[touched] = np.take_along_axis(indices, kept, axis=1)
            worst[touched] = best_value[touched].max(axis=1)
    return np.sort(best_index, axis=1)


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
        return np.concatenate([(x[rows] - mean) @ basis.T for rows in pieces(len(x))])

    return project
