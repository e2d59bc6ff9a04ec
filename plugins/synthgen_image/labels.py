"""From a column of a user's table to class indices and names: which column it is, what its values are called."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthgen.data.attributes import MEMBER_SEPARATOR, TEXT_NAMES
from synthgen.errors import DataError

__all__ = ["NO_COLUMN", "Labels", "check_column", "choose_column", "class_notes", "read_labels", "used_only"]

NO_COLUMN = "no labels: there is no column that looks like one"
_USUAL = ("label", "labels", "class", "target", "category", "y", "fine_label")
_NEVER = frozenset("sample_id id index seed guidance origin split path file_name filename group width height".split())
_SEVERAL = ("tags", "attributes", "classes", "categories", "genres", "findings")
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Labels:
    """Class indices `(N,)` int64, -1 where a row has no label, and the classes' names."""

    index: NDArray[np.int64]
    names: tuple[str, ...]


def check_column(column: str, names: Sequence[str], where: str, *, key: str) -> None:
    """Complain about a column that the user named and that is not there.

    Raises:
        DataError: with the columns that there are and the closest name.
    """
    if column in names:
        return
    close = difflib.get_close_matches(column, names, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Set data.{key} to one of them."
    raise DataError(f"{where} has no column {column!r}; its columns are {', '.join(names)}", hint=hint)


def choose_column(
    types: Mapping[str, pa.DataType], features: Mapping[str, Any], read: Callable[[str], pa.ChunkedArray]
) -> tuple[str | None, str]:
    """The label column of a table when the user names none, and a note on the choice.

    In order: a column called `label`, one declared as ClassLabel, one with a usual name, the only column of integers or
    strings with few distinct values.

    Args:
        types: column name -> type.
        features: the Hugging Face features of the file; may be empty.
        read: loads a column.
    """
    plain = [name for name, kind in types.items() if name not in _NEVER and _is_class_like(kind)]
    declared = [name for name in plain if _is_class_feature(features.get(name))]
    usual = [name for name in _USUAL if name in plain]
    for name in (*(["label"] if "label" in usual else []), *declared, *usual):
        if not _has_several(name, types[name], read):
            return name, f"labels are in column {name}"
    several = [name for name, kind in types.items() if name not in _NEVER and _has_several(name, kind, read)]
    plain = [name for name in plain if name not in several]
    few = [name for name in plain if not _is_name_of_another(name, plain) and _has_few_values(read(name))]
    if len(few) == 1:
        return few[0], f"labels are taken from column {few[0]}, the only one with few distinct values"
    if few:
        return None, f"no labels: columns {', '.join(few)} could hold them; name one with --label-column"
    if several:
        return None, (
            f"no labels: column {several[0]} holds several names a cell; "
            f"--set data.attributes={several[0]} tells the model all of them"
        )
    return None, NO_COLUMN


def _is_class_like(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
    return any(check(value) for check in checks) or pa.types.is_string_view(value)


def _has_several(name: str, kind: pa.DataType, read: Callable[[str], pa.ChunkedArray]) -> bool:
    """Whether cells are lists of names, or texts of several names, parted as attributes are; not prose."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return name.lower() in _USUAL or name.lower() in _SEVERAL
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)) or name.lower() in TEXT_NAMES:
        return False
    cells = [text.split(MEMBER_SEPARATOR) for text in pc.unique(read(name)).to_pylist() if text]
    names = {part.strip() for cell in cells for part in cell if part.strip()}
    return any(len(cell) > 1 for cell in cells) and len(names) <= min(_MOST_CLASSES, len(cells) + 1)


def _is_class_feature(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel"


def _is_name_of_another(name: str, names: Sequence[str]) -> bool:
    return name.endswith("_name") and name.removesuffix("_name") in names


def _has_few_values(column: pa.ChunkedArray) -> bool:
    distinct = len(pc.unique(column))
    return 1 <= distinct <= min(_MOST_CLASSES, max(2, len(column) // 2))


def read_labels(column: pa.ChunkedArray, *, where: str, names: Any = None, feature: Any = None) -> Labels:
    """Class indices and names of a label column.

    Args:
        column: integers, strings or booleans; null and negative numbers mean no label.
        where: file and column, for errors.
        names: column of the same length with the classes' names, or None.
        feature: the column's Hugging Face feature, or None.

    Raises:
        DataError: the values are no classes, or one class has two names.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = _whole_numbers(column, where)
    if not (_is_class_like(column.type) or pa.types.is_null(column.type)):
        raise DataError(f"{where} holds {column.type}, which cannot be a class", hint="Labels are integers or strings.")
    if pa.types.is_integer(column.type):
        return _from_numbers(column, where, names, feature)
    values = np.array([_text(value) for value in column.to_pylist()], dtype=object)
    known = sorted({value for value in values if value is not None})
    index = {name: number for number, name in enumerate(known)}
    return Labels(np.array([index.get(value, -1) for value in values], dtype=np.int64), tuple(known))


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or value == "" else str(value)


def _whole_numbers(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    try:
        return pc.if_else(pc.is_finite(column), column, None).cast(pa.int64())
    except pa.ArrowException as error:
        raise DataError(
            f"{where} holds fractions, which are no classes", hint="Name another --label-column."
        ) from error


def _from_numbers(column: pa.ChunkedArray, where: str, names: Any, feature: Any) -> Labels:
    numbers = column.cast(pa.int64()).fill_null(-1).to_numpy()
    known = np.unique(numbers[numbers >= 0])
    declared = feature.get("names") if _is_class_feature(feature) else None
    if isinstance(declared, list) and (not len(known) or known[-1] < len(declared)):
        called = {int(number): str(declared[number]) for number in known}
    elif names is not None:
        called = _names_beside(numbers, names, where)
    else:
        called = {int(number): str(number) for number in known}
    index = np.searchsorted(known, numbers)
    return Labels(np.where(numbers >= 0, index, -1).astype(np.int64), tuple(called[int(number)] for number in known))


def _names_beside(numbers: NDArray[np.int64], names: Any, where: str) -> dict[int, str]:
    called: dict[int, str] = {}
    for number, name in sorted({(int(n), str(name)) for n, name in zip(numbers, names.to_pylist(), strict=True)}):
        if number >= 0 and called.setdefault(number, name) != name:
            raise DataError(f"{where}: class {number} is called both {called[number]!r} and {name!r}")
    if len(set(called.values())) != len(called):
        raise DataError(f"{where}: two classes bear the same name")
    return called


def used_only(labels: Labels) -> Labels:
    """Without the classes that no row belongs to."""
    counts = np.bincount(labels.index[labels.index >= 0], minlength=len(labels.names))
    used = np.flatnonzero(counts)
    renumber = np.full(len(labels.names) + 1, -1, dtype=np.int64)
    renumber[used] = np.arange(len(used))
    return Labels(renumber[labels.index], tuple(labels.names[number] for number in used))


def class_notes(labels: Labels) -> tuple[str, ...]:
    """What a user should know about the classes: only one, or some with a single example."""
    notes: list[str] = []
    counts = np.bincount(labels.index, minlength=len(labels.names))
    if len(labels.names) == 1:
        notes.append(f"there is one class only ({labels.names[0]}): conditioning on it is pointless")
    single = [name for name, count in zip(labels.names, counts, strict=True) if count == 1]
    if single and len(labels.names) > 1:
        shown = ", ".join(single[:5]) + (", ..." if len(single) > 5 else "")
        notes.append(f"{len(single)} of {len(labels.names)} classes have a single example ({shown})")
    return tuple(notes)
