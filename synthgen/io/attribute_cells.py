"""Attributes in files: as columns of Arrow, as text, and described in a Parquet file's footer for our own readers."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from synthgen.api import Attribute, Records, Schema
from synthgen.data.attributes import MEMBER_SEPARATOR
from synthgen.errors import DataError

__all__ = [
    "attribute_cells",
    "attribute_footer",
    "attribute_texts",
    "cell_text",
    "footer_attributes",
]

_FOOTER = "synthgen.attributes"


def attribute_cells(records: Records, schema: Schema) -> dict[str, pa.Array]:
    """A column for each attribute that the records carry: names, lists of names, or numbers; null is unknown."""
    cells: dict[str, pa.Array] = {}
    for attribute in schema.attributes:
        if attribute.derived or attribute.name not in records.columns:
            continue
        column = records[attribute.name]
        if attribute.kind == "category":
            names = np.array([*attribute.values, None], dtype=object)
            cells[attribute.name] = pa.array(names[column], pa.string())
        elif attribute.kind == "members":
            lists = [_members(attribute, row) for row in column]
            cells[attribute.name] = pa.array(lists, pa.list_(pa.string()))
        elif attribute.kind == "text":
            cells[attribute.name] = pa.array([str(text) or None for text in column], pa.string())
        else:
            lost = np.isnan(column)
            whole = attribute.integer and bool((np.abs(column[~lost]) < 2**53).all())
            numbers = np.rint(np.where(lost, 0, column)).astype(np.int64) if whole else column
            cells[attribute.name] = pa.array(numbers, pa.int64() if whole else pa.float64(), mask=lost)
    return cells


def attribute_texts(records: Records, schema: Schema) -> dict[str, list[str]]:
    """The same for tables of text: members joined by `;`, unknown as an empty cell.

    Raises:
        DataError: the name of a member holds a `;`.
    """
    cells = attribute_cells(records, schema)
    return {name: [cell_text(value) for value in column.to_pylist()] for name, column in cells.items()}


def cell_text(value: Any) -> str:
    """One cell of `attribute_cells` as text.

    Raises:
        DataError: the name of a member holds a `;`.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        wrong = [name for name in value if MEMBER_SEPARATOR in name]
        if wrong:
            raise DataError(
                f"the name {wrong[0]!r} holds the {MEMBER_SEPARATOR!r} that separates names in text tables",
                hint="Write Parquet, or rename it.",
            )
        return MEMBER_SEPARATOR.join(value)
    return "" if isinstance(value, float) and math.isnan(value) else str(value)


def attribute_footer(schema: Schema) -> dict[str, str]:
    """The entry of a Parquet footer by which our readers know the attributes again; empty without attributes."""
    own = [
        dataclasses.asdict(dataclasses.replace(attribute, encoder=PurePath(attribute.encoder).name))
        for attribute in schema.attributes
        if not attribute.derived
    ]
    return {_FOOTER: json.dumps(own, ensure_ascii=False)} if own else {}


def footer_attributes(schema: pa.Schema) -> tuple[Attribute, ...]:
    """The attributes that a Parquet file of ours says it has; none for other files."""
    raw = (schema.metadata or {}).get(_FOOTER.encode())
    try:
        rows = json.loads(raw) if raw else []
        return tuple(Attribute(**{**row, "values": tuple(row["values"])}) for row in rows)
    except (ValueError, RecursionError, KeyError, TypeError):
        return ()


def _members(attribute: Attribute, row: Any) -> list[str] | None:
    return None if (row < 0).any() else [name for name, held in zip(attribute.values, row, strict=True) if held]
