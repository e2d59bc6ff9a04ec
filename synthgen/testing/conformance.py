"""What all conformance checks share: the error, how a check is named and guarded, and how records are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records

__all__ = ["ConformanceError", "alike", "by_name", "check_vectors", "demand", "guarded", "same"]

_T = TypeVar("_T")
_S = TypeVar("_S")


class ConformanceError(AssertionError):
    """A plugin breaks a promise of `synthgen.api`; the message says which and what to change."""


def demand(condition: bool, sentence: str) -> None:
    """Raise ConformanceError with the sentence unless the condition holds."""
    if not condition:
        raise ConformanceError(sentence)


def guarded(what: str, action: Callable[[], _T]) -> _T:
    """The action's answer; whatever it raises becomes a ConformanceError that begins with `what`."""
    try:
        return action()
    except ConformanceError as error:
        raise ConformanceError(f"{what}: {error}") from error.__cause__
    except Exception as error:
        raise ConformanceError(f"{what}: raised {type(error).__name__}: {error}") from error


def by_name(checks: tuple[Callable[[_S], None], ...], who: Callable[[_S], str]) -> Mapping[str, Callable[[_S], None]]:
    """`check_round_trip` -> `"round_trip"`, each guarded; in the order given."""

    def wrap(check: Callable[[_S], None], name: str) -> Callable[[_S], None]:
        return lambda it: guarded(f"{who(it)}: {name.replace('_', ' ')}", lambda: check(it))

    names = [check.__name__.removeprefix("check_").removeprefix("_check_") for check in checks]
    return {name: wrap(check, name) for name, check in zip(names, checks, strict=True)}


def check_vectors(vectors: NDArray[Any], n: int, who: str) -> None:
    """Float32 `(n, D)`, finite."""
    right = vectors.ndim == 2 and len(vectors) == n and vectors.dtype == np.float32
    demand(right, f"{who} gave {vectors.dtype} {vectors.shape}; it must be float32 ({n}, D)")
    demand(bool(np.isfinite(vectors).all()), f"{who} gave NaN or infinity; impute missing values")


def same(first: Records, second: Records, sentence: str) -> None:
    """The same columns, bit by bit, and the same labels."""
    equal = list(first.columns) == list(second.columns) and all(
        np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first.columns
    )
    labels = (first.label is None) == (second.label is None)
    if first.label is not None and second.label is not None:
        labels = np.array_equal(first.label, second.label)
    demand(equal and labels, sentence)


def alike(wanted: Records, found: Records, what: str) -> None:
    """The same columns within 1 % of their spread, or with 1 % of their values changed where they are no fractions."""
    columns = list(wanted.columns)
    demand(list(found.columns) == columns, f"{what} has the columns {list(found.columns)}, the source {columns}")
    observed = wanted.columns.get("observed")
    for name, column in wanted.columns.items():
        back = found[name]
        right = back.shape == column.shape and back.dtype == column.dtype
        demand(right, f"{what}: column {name!r} is {back.dtype} {back.shape}, was {column.dtype} {column.shape}")
        if column.dtype.kind == "f":
            seen = observed if observed is not None and observed.shape == column.shape else np.isfinite(column)
            error = np.abs(back[seen] - column[seen]).max(initial=0)
            limit = 0.01 * (float(column[seen].std()) or 1.0)
            demand(error <= limit, f"{what}: column {name!r} is off by {error:.3g}; at most {limit:.3g} is allowed")
        elif name != "observed":
            share = float(np.mean(back != column))
            demand(share <= 0.01, f"{what}: {share:.1%} of the values of column {name!r} change")
