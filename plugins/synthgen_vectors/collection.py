"""From a matrix of numbers to a source of records: names, labels, scale, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.api import Channel, Condition, Records, Schema
from synthgen.data.source import ArraySource
from synthgen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["classes_of", "label_name", "standardised", "vector_schema", "vector_source"]

_MOST_CLASSES = 1000
_LARGEST = 2**31  # values: 8 GiB of float32


def label_name(value: Any) -> str:
    """A label as text: 1.0, True and 1 are written as they are counted, text as it stands."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def vector_source(
    values: NDArray[Any],
    names: Sequence[str],
    *,
    where: str,
    labels: Sequence[str] | None = None,
    label_column: str = "label",
    groups: NDArray[Any] | None = None,
    split: NDArray[Any] | None = None,
    notes: Sequence[str] = (),
) -> ArraySource:
    """A source of vectors.

    Args:
        values: `(N, D)` real numbers; NaN is missing.
        names: of the D columns.
        where: file or folder, for messages.
        labels: class name of each record, or None.
        label_column: name of the label in the user's data.
        groups, split, notes: see `ArraySource`.

    Raises:
        DataError: no values, infinite ones, an empty column, or a label for each record.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"{where} holds values of shape {values.shape}, expected (records, columns)")
    if values.size > _LARGEST:
        raise DataError(f"{where}: {len(values):,} records x {values.shape[1]:,} columns do not fit in memory")
    wide = values.astype(np.float64)
    missing = np.isnan(wide)
    if not np.isfinite(wide[~missing]).all() or (np.abs(wide[~missing]) > np.finfo(np.float32).max).any():
        row, column = np.argwhere(~missing & ~(np.abs(wide) <= np.finfo(np.float32).max))[0].tolist()
        raise DataError(f"{where}: record {row} holds an infinite or too large value in column {names[column]}")
    empty = np.flatnonzero(missing.all(axis=0))
    if len(empty):
        raise DataError(
            f"{where}: column {names[int(empty[0])]} holds no value at all",
            hint="Leave it out by naming the others with data.value_columns.",
        )
    said = list(notes)
    if missing.any():
        said.append(f"{missing.mean():.1%} of the values are missing; they carry no weight in training")
    low, high = np.nanmin(wide, axis=0), np.nanmax(wide, axis=0)
    constant = [names[j] for j in np.flatnonzero(low == high).tolist()]
    if constant:
        said.append(f"constant columns: {', '.join(constant[:5])}{', ...' if len(constant) > 5 else ''}")
    classes, index = _classes(labels, where, label_column)
    whole = (missing | (wide == np.rint(wide))).all(axis=0)
    schema = vector_schema(
        names,
        classes,
        label_column,
        list(zip(whole.tolist(), low.tolist(), high.tolist(), strict=True)),
        np.stack([np.nanmean(wide, axis=0), np.nanstd(wide, axis=0)], axis=1).tolist(),
    )
    records = Records({"values": wide.astype(np.float32)}, index)
    return ArraySource(schema, records, groups=groups, official_split=split, notes=said)


def standardised(records: Records, schema: Schema) -> NDArray[np.float32]:
    """`(N, D)` in standard deviations of the schema's columns; missing values are the mean, 0."""
    scale = np.array(schema.extra["scale"], dtype=np.float64)  # (D, 2)
    spread = np.where(scale[:, 1] > 0, scale[:, 1], 1.0)
    z = (records["values"].astype(np.float64) - scale[:, 0]) / spread
    return np.nan_to_num(z, nan=0.0).astype(np.float32)


def vector_schema(
    names: Sequence[str],
    classes: tuple[str, ...],
    label_column: str,
    channels: Sequence[tuple[bool, float, float]],
    scale: Sequence[Sequence[float]],
) -> Schema:
    """The schema of vectors.

    Args:
        names: of the columns.
        classes: names of the labels; empty without.
        label_column: what the label is called.
        channels: for each column whether it holds whole numbers, its lowest and its highest value.
        scale: mean and deviation of each column.
    """
    return Schema(
        "vectors",
        (1, len(names)),
        tuple(
            Channel(str(name), "integer" if whole else "continuous", low=low, high=high)
            for name, (whole, low, high) in zip(names, channels, strict=True)
        ),
        classes,
        label_column,
        (Condition("label", "class", len(classes)),) if classes else (),
        {"scale": [list(pair) for pair in scale]},
    )


def _classes(
    labels: Sequence[str] | None, where: str, label_column: str
) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    if labels is None:
        return (), None
    found, index = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    names, rank = classes_of(found.tolist(), len(labels), where, label_column)
    return names, rank[index.reshape(-1)]


def classes_of(
    names: Sequence[str], records: int, where: str, label_column: str
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names in their order, and the place there of each name as given.

    Raises:
        DataError: too many for a label.
    """
    if len(names) > _MOST_CLASSES or len(names) == records > 20:
        raise DataError(
            f"{where}: column {label_column} has {len(names):,} different labels for {records:,} records",
            hint="A label is a class with several examples; is this an id or a measurement?",
        )
    order = sorted(range(len(names)), key=lambda position: _sort_key(str(names[position])))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return tuple(str(names[position]) for position in order), rank


def _sort_key(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
