"""Masks of other data than the run's: its ids as the ids of the run, by the names of the classes.

`car` may be 1 in the run's files and 3 in others. Only where a table gives no names, ids stand for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Schema
from synthgen.errors import DataError
from synthgen_mask.classes import IGNORE, MaskClass, classes_of, histogram, is_background, mask_channels

__all__ = ["id_table", "renumbered", "translation"]


def translation(found: Schema, wanted: Schema) -> tuple[Schema, Callable[[Records], Records]] | None:
    """The schema of data whose masks have the ids of another schema, and what gives them; None: they have already."""
    own, other = classes_of(found), classes_of(wanted)
    if [(entry.id, entry.name) for entry in own] == [(entry.id, entry.name) for entry in other]:
        return None
    bands = len(found.channels) - 1
    schema = replace(
        found,
        shape=(bands + mask_channels(len(other)), *found.shape[1:]),
        channels=(*found.channels[:-1], wanted.channels[-1]),
        conditions=tuple(
            replace(condition, size=len(other)) if condition.name in ("area", "present") else condition
            for condition in found.conditions
        ),
        extra={**found.extra, "classes": wanted.extra["classes"]},
    )

    def translate(records: Records) -> Records:
        mask = renumbered(records["mask"], own, other)
        return replace(records, columns={**records.columns, "mask": mask})

    return schema, translate


def id_table(found: Sequence[MaskClass], wanted: Sequence[MaskClass]) -> NDArray[np.int64]:
    """The id in `wanted` of each id in `found`, `(65536,)`; -1 where there is none. 255 stays."""
    named = {_name(entry): entry.id for entry in wanted}
    numbered = {entry.id: entry for entry in wanted}
    table = np.full(1 << 16, -1, np.int64)
    table[IGNORE] = IGNORE
    taken = {_name(entry) for entry in found}
    for entry in found:
        same = numbered.get(entry.id)
        if _name(entry) in named:
            table[entry.id] = named[_name(entry)]
        elif same is not None and _name(same) not in taken and (_nameless(entry) or _nameless(same)):
            table[entry.id] = same.id
    return table


def renumbered(
    mask: NDArray[np.integer], found: Sequence[MaskClass], wanted: Sequence[MaskClass], *, name: str = "the data"
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Masks with the ids of another table.

    Raises:
        DataError: pixels of a class that the other table does not have.
    """
    moved: NDArray[np.int64] = id_table(found, wanted)[mask]
    if (moved < 0).any():
        own = {entry.id: entry.name for entry in found}
        strange = [int(value) for value in np.unique(mask[moved < 0])]
        shown = ", ".join(f"{value} {own.get(value, '')}".strip() for value in strange[:8])
        raise DataError(
            f"{name} has pixel classes that the run does not know: {shown}; pixels by id: {histogram(mask)}",
            hint=f"The run knows: {', '.join(f'{entry.id} {entry.name}' for entry in wanted[:20])}. Classes are "
            "matched by their names in classes.csv; set pixels of others to 255 (ignored).",
        )
    return moved.astype(np.uint8) if max(entry.id for entry in wanted) <= IGNORE else moved.astype(np.uint16)


def _name(entry: MaskClass) -> str:
    return "background" if is_background(entry.name) else entry.name.strip().casefold()


def _nameless(entry: MaskClass) -> bool:
    """Whether the name was made up by us for want of another one."""
    return entry.name in (f"class {entry.id}", "foreground")
