"""Attributes of records: described from a raw column of a file, and translated from one schema to another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Attribute, AttributeKind, Schema
from synthgen.data.text_encoder import encoder_named
from synthgen.errors import DataError

__all__ = ["MEMBER_SEPARATOR", "TEXT_NAMES", "described", "recoded", "text_of", "unknown"]

MEMBER_SEPARATOR = ";"
"""Between the members of one cell of a text table."""

_ORDERS = 2.0  # decades from the 5 % to the 95 % quantile from which a number is told as its logarithm

TEXT_NAMES = frozenset({"caption", "captions", "description", "prompt", "text"})
"""Columns of these names hold free text."""

_MANY_TEXTS = 32
_FEW_TIMES = 4  # a text of so many, on average, is free text rather than a name
_WORDS = 3


def described(
    name: str,
    cells: Sequence[Any] | NDArray[Any],
    *,
    unit: str = "",
    kind: AttributeKind | None = None,
    text_encoder: str | None = None,
) -> tuple[Attribute, NDArray[Any]]:
    """An attribute and its column of `Records`, from a raw column of a user's file.

    Args:
        name: of the attribute.
        cells: one a record: texts, numbers, or collections of texts; None, NaN and "" are unknown.
        unit: of a number.
        kind: None: numbers are a number, collections are members, prose is text where there is an encoder for it, and
            anything else is a category.
        text_encoder: of text: a directory, or empty for the built-in one; None: no column is taken for text by itself.

    Raises:
        DataError: no cell has a value, or one does not fit the kind.
    """
    values = [None if _missing(cell) else cell for cell in (cells.tolist() if isinstance(cells, np.ndarray) else cells)]
    known = [value for value in values if value is not None]
    if not known:
        raise DataError(f"the attribute {name} has no value in any record", hint="Leave it out.")
    guessed = kind or _kind_of(known)
    if kind is None and guessed == "category" and text_encoder is not None and _is_prose(name, known):
        guessed = "text"
    match guessed:
        case "number":
            return _number(name, values, unit)
        case "members":
            return _members(name, values)
        case "text":
            encoder = encoder_named(text_encoder or "")
            written = np.array(["" if value is None else _prose(value) for value in values], dtype=np.str_)
            made = Attribute(name, "text", encoder=encoder.name, encoder_sha256=encoder.sha256, size=encoder.size)
            return made, written
    texts = [None if value is None else text_of(value) for value in values]
    names = _sorted(text for text in texts if text is not None)
    place = {text: index for index, text in enumerate(names)}
    codes = np.array([-1 if text is None else place[text] for text in texts], dtype=np.int64)
    return Attribute(name, "category", values=names), codes


def unknown(attribute: Attribute, size: int) -> NDArray[Any]:
    """The column of so many records whose value nobody knows."""
    if attribute.kind == "category":
        return np.full(size, -1, dtype=np.int64)
    if attribute.kind == "members":
        return np.full((size, len(attribute.values)), -1, dtype=np.int8)
    if attribute.kind == "text":
        return np.full(size, "", dtype=np.str_)
    return np.full(size, np.nan)


def recoded(columns: Mapping[str, NDArray[Any]], found: Schema, wanted: Schema) -> dict[str, NDArray[Any]]:
    """Columns with attributes as another schema has them; names that it does not know become unknown.

    Args:
        columns: of records of `found`.
        found, wanted: both schemas.
    """
    own = {attribute.name: attribute for attribute in found.attributes if not attribute.derived}
    size = len(next(iter(columns.values())))
    rest = {name: column for name, column in columns.items() if name not in own}
    for attribute in wanted.attributes:
        if attribute.derived:
            continue
        old = own.get(attribute.name)
        known = old is not None and attribute.name in columns
        rest[attribute.name] = (
            _recoded(columns[attribute.name], old, attribute) if known and old else unknown(attribute, size)
        )
    return rest


def _is_prose(name: str, cells: Sequence[Any]) -> bool:
    """Whether a column holds free text rather than few names: by its name, or by many different texts of several words.

    Args:
        name: of the column.
        cells: those that are not empty.
    """
    if not cells or not all(isinstance(cell, str) for cell in cells):
        return False
    different = set(cells)
    words = sum(len(text.split()) for text in different) / len(different)
    many = len(different) >= _MANY_TEXTS and len(cells) < _FEW_TIMES * len(different)
    return name.lower() in TEXT_NAMES or (many and words >= _WORDS)


def text_of(value: Any) -> str:
    """A name as text: 1.0, "1" and 1 are the same."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    text = str(value).strip()
    number = _as_number(text)
    return str(int(number)) if math.isfinite(number) and number.is_integer() and "e" not in text.lower() else text


def _recoded(column: NDArray[Any], old: Attribute, new: Attribute) -> NDArray[Any]:
    if old.kind == new.kind and old.kind in ("number", "text"):
        return column
    if "text" in (old.kind, new.kind):
        return _from_text(column, new) if old.kind == "text" else _to_text(column, old)
    if old.kind == new.kind and old.values == new.values:
        return column
    place = {name: index for index, name in enumerate(new.values)}
    if old.kind == new.kind == "category":
        table = np.array([*(place.get(name, -1) for name in old.values), -1], dtype=np.int64)
        return np.asarray(table[column])
    if old.kind == new.kind == "members":
        fitted = np.zeros((len(column), len(new.values)), dtype=np.int8)
        for index, name in enumerate(old.values):
            if name in place:
                fitted[:, place[name]] = column[:, index]
        fitted[(column < 0).any(axis=1)] = -1
        return fitted
    if old.kind == "category" and new.kind == "members":  # a text table, which has no lists
        held = np.zeros((len(old.values) + 1, len(new.values)), dtype=np.int8)
        for row, text in enumerate(old.values):
            for name in text.split(MEMBER_SEPARATOR):
                if name in place:
                    held[row, place[name]] = 1
        held[-1] = -1
        return np.asarray(held[column])
    if (
        old.kind == "number" and new.kind == "members"
    ):  # a text table in which every record has one, and all are numbers
        names = [[] if math.isnan(value) else [text_of(value)] for value in column.tolist()]
        alone = [[-1 if not held else int(name in held) for name in new.values] for held in names]
        return np.array(alone, dtype=np.int8).reshape(len(column), len(new.values))
    if old.kind == "number" and new.kind == "category":
        codes = [-1 if math.isnan(value) else place.get(text_of(value), -1) for value in column.tolist()]
        return np.array(codes, dtype=np.int64)
    if old.kind == "category" and new.kind == "number":
        table = np.array([*(_as_number(name) for name in old.values), np.nan])
        return np.asarray(table[column])
    return unknown(new, len(column))


def _to_text(column: NDArray[Any], old: Attribute) -> NDArray[Any]:
    """Names, members and numbers as the texts that they were written from."""
    if old.kind == "category":
        return np.asarray(np.array([*old.values, ""], dtype=np.str_)[column])
    if old.kind == "members":
        held = [[name for name, part in zip(old.values, row, strict=True) if part > 0] for row in column]
        return np.array([f"{MEMBER_SEPARATOR} ".join(names) for names in held], dtype=np.str_)
    return np.array(["" if math.isnan(value) else text_of(value) for value in column.tolist()], dtype=np.str_)


def _from_text(column: NDArray[Any], new: Attribute) -> NDArray[Any]:
    if new.kind != "category":
        return unknown(new, len(column))
    place = {name: index for index, name in enumerate(new.values)}
    return np.array([place.get(text, -1) for text in column.tolist()], dtype=np.int64)


def _prose(value: Any) -> str:
    """One cell of free text on one line."""
    parts = [str(part) for part in value] if isinstance(value, (list, tuple)) else [text_of(value)]
    return " ".join(f"{MEMBER_SEPARATOR} ".join(parts).split())


def _number(name: str, values: Sequence[Any], unit: str) -> tuple[Attribute, NDArray[Any]]:
    try:
        column = np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise DataError(f"the attribute {name} holds a value that is not a number: {error}") from error
    known = column[~np.isnan(column)]
    if np.isinf(known).any():
        raise DataError(f"the attribute {name} holds an infinite value")
    low, high = float(known.min()), float(known.max())
    whole = bool((known == np.rint(known)).all())
    inner, outer = np.quantile(known, [0.05, 0.95])
    spread = low > 0 and outer / inner >= 10**_ORDERS
    return Attribute(name, "number", unit=unit, low=low, high=high, integer=whole, logarithmic=bool(spread)), column


def _members(name: str, values: Sequence[Any]) -> tuple[Attribute, NDArray[Any]]:
    sets = [None if value is None else [text_of(member) for member in value] for value in values]
    names = _sorted(member for members in sets if members is not None for member in members)
    place = {member: index for index, member in enumerate(names)}
    column = np.zeros((len(sets), len(names)), dtype=np.int8)
    for row, members in enumerate(sets):
        if members is None:
            column[row] = -1
        else:
            column[row, [place[member] for member in members]] = 1
    return Attribute(name, "members", values=names), column


def _kind_of(known: Sequence[Any]) -> AttributeKind:
    if all(isinstance(value, (list, tuple, set, frozenset, np.ndarray)) for value in known):
        return "members"
    numbers = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in known)
    return "number" if numbers else "category"


def _missing(cell: Any) -> bool:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    return (isinstance(cell, (float, np.floating)) and math.isnan(cell)) or type(cell).__name__ in ("NAType", "NaTType")


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """Numbers by size, then texts by the alphabet."""
    return tuple(sorted(set(names), key=_rank))


def _rank(name: str) -> tuple[bool, float, str]:
    number = _as_number(name)
    return (True, 0.0, name) if math.isnan(number) else (False, number, name)


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
