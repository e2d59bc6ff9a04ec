"""Columns of a table that have one value a series: its attributes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.errors import DataError
from synthgen_timeseries.collection import RESERVED
from synthgen_timeseries.roles import Roles
from synthgen_timeseries.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synthgen.config import DataConfig

__all__ = ["cells_of", "constant_cells", "with_guessed"]

_FEWEST_SERIES = 4


def cells_of(table: Table, column: str) -> list[Any]:
    """The cells of a column, None where one is empty; what the file calls members as lists."""
    if column in table.members:
        return table.members[column]
    cells = table.frame[column]
    return [None if empty else cell for cell, empty in zip(cells.tolist(), cells.isna().tolist(), strict=True)]


def constant_cells(table: Table, column: str, code: NDArray[Any], identities: Sequence[str]) -> list[Any]:
    """The value that a column has in each series; rows where it is empty do not count.

    Args:
        table: of the user.
        column: its name.
        code: `(rows,)` which series a row belongs to.
        identities: names of the series.

    Raises:
        DataError: a series has two values, with the place of the second.
    """
    cells = cells_of(table, column)
    found: list[Any] = [None] * len(identities)
    for row, (series, cell) in enumerate(zip(code.tolist(), cells, strict=True)):
        if cell is None:
            continue
        if found[series] is None:
            found[series] = cell
        elif found[series] != cell:
            raise DataError(
                f"{table.place(row)}: series {identities[series]!r} has {column} {cell!r}, "
                f"but {found[series]!r} in an earlier row",
                hint=f"An attribute must be the same in every row of a series; leave {column} out of data.attributes.",
            )
    return found


def with_guessed(table: Table, roles: Roles, options: DataConfig) -> Roles:
    """The roles with attributes found: columns that never change within a series, and are no name of it.

    Nothing is guessed where `data.attributes` names them.
    """
    if roles.attributes:
        return roles
    code, names = pd.factorize(table.frame[roles.identity])
    candidates = (*roles.ignored, *(() if options.value_columns else roles.values))
    found = [name for name in candidates if _is_attribute(table, name, code, len(names))]
    if set(roles.values) <= set(found):  # something must change
        found = [name for name in found if name not in roles.values]
    return dataclasses.replace(
        roles,
        attributes=tuple(found),
        values=tuple(name for name in roles.values if name not in found),
        ignored=tuple(name for name in roles.ignored if name not in found),
    )


def _is_attribute(table: Table, column: str, code: NDArray[Any], series: int) -> bool:
    """Whether a column is constant within every series, differs between them, and names several by one text."""
    if column in RESERVED or column not in table.frame or series < _FEWEST_SERIES:
        return False
    cells = table.frame[column]
    values, kinds = pd.factorize(cells)
    known = values >= 0
    if not known.any() or len(kinds) < 2:
        return False
    seen = pd.Series(values[known]).groupby(code[known])
    if int(seen.nunique().max()) > 1:
        return False
    numeric = pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype)
    return bool(numeric or len(kinds) <= max(2, np.ceil(series / 2)))
