"""Attributes of images: columns beside the label that `data.attributes` names, as conditions and in Records."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Attribute, AttributeKind, Schema
from synthgen.data.attributes import MEMBER_SEPARATOR, described
from synthgen.errors import DataError

__all__ = ["cells_of_text", "with_attributes"]

_RESERVED = frozenset({"image", "label", "label_name", "sample_id", "seed", "guidance", "origin", "source_id"})


def with_attributes(
    schema: Schema,
    cells: Mapping[str, Sequence[Any]],
    kept: NDArray[np.int64],
    *,
    where: str,
    captions: Container[str] = (),
    text_encoder: str = "",
) -> tuple[Schema, dict[str, NDArray[Any]]]:
    """The schema with attributes and their conditions, and the attributes' columns of the images that were kept.

    Args:
        schema: without attributes.
        cells: name -> a cell for each image.
        kept: positions of those that stay.
        where: file or folder, for messages.
        captions: names of attributes that are free text, whatever they look like.
        text_encoder: see `synthgen.data.text_encoder`.

    Raises:
        DataError: a name that means something else, or an attribute without any value.
    """
    attributes: list[Attribute] = []
    columns: dict[str, NDArray[Any]] = {}
    for name, values in cells.items():
        if name in _RESERVED or name == schema.label_column:
            raise DataError(f"{where}: an attribute cannot be called {name}", hint="Rename the column.")
        kind: AttributeKind | None = "text" if name in captions else None
        some = [values[int(row)] for row in kept]
        attribute, columns[name] = described(name, some, kind=kind, text_encoder=text_encoder)
        attributes.append(attribute)
    conditions = (*schema.conditions, *(attribute.condition for attribute in attributes))
    return dataclasses.replace(schema, attributes=tuple(attributes), conditions=conditions), columns


def cells_of_text(texts: Sequence[str]) -> list[Any]:
    """Cells of a text table's column: lists of names where any cell holds a `;`, numbers where all are, else text."""
    if any(MEMBER_SEPARATOR in text for text in texts):
        return [[part.strip() for part in text.split(MEMBER_SEPARATOR) if part.strip()] or None for text in texts]
    try:
        return [float(text) if text.strip() else None for text in texts]
    except ValueError:
        return [text.strip() or None for text in texts]
