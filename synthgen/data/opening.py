"""One way to open data: a demo set's name, a file or a folder, through the readers of a modality."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Records, Schema, Source
from synthgen.config import DataConfig
from synthgen.data.attributes import recoded
from synthgen.data.source import LazySource
from synthgen.errors import DataError, UsageError
from synthgen.io.store import is_url, local_copy

__all__ = ["alike", "check_same_kind", "open_alike", "open_source", "relabel"]


_AFTER_OPENING = ("path", "holdout", "calibration", "validation", "memory_gib", "balance", "augment")
_USUAL = dict(DataConfig())
"""What readers are told when nothing is asked for; demo sets are made without a reader."""


def open_source(modality: str, options: DataConfig) -> Source:
    """Open a user's data.

    Args:
        modality: name of the modality.
        options: `path` is a demo set's name, a file or a folder; empty opens the modality's demo set.

    Raises:
        DataError: nothing there, a pipe or a device, or no reader of the modality takes it; whatever the reader finds
            wrong.
    """
    demos = registry.names("datasets", modality)
    name = options.path or registry.modality(modality).demo
    path = local_copy(name) if is_url(name) else Path(name).expanduser()
    if name in demos and not path.exists():
        source: Source = registry.create("datasets", name, modality)
        idle = [f"data.{key}" for key, value in options if key not in _AFTER_OPENING and value != _USUAL[key]]
        if idle:
            source.notes = (*source.notes, f"the demo set {name} is taken as it is: {', '.join(idle)} changes nothing")
        return source
    if not path.exists():
        close = difflib.get_close_matches(name, demos, n=1)
        hint = f"Did you mean the demo set {close[0]}?" if close else f"Demo sets of {modality}: {', '.join(demos)}."
        raise DataError(f"no data at {name}: there is no such file or folder", hint=hint)
    if not path.is_file() and not path.is_dir():  # whoever opens a pipe waits for its other end
        raise DataError(f"{path} is no ordinary file", hint="Write the data into a file or a folder.")
    try:
        if path.is_dir() and not any(path.iterdir()):
            raise DataError(f"the folder {path} is empty")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        accepting = registry.accepting(path, modality)
        if accepting:
            return accepting[0][1].read(path, options)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
    raise DataError(
        f"no reader of modality {modality} takes {path}",
        hint=f"Readers: {', '.join(registry.names('readers', modality))}. Is it another --modality?",
    )


def relabel(source: Source, schema: Schema) -> Source:
    """The same records with labels and attributes as another schema counts them.

    A name of an attribute that the schema does not have becomes unknown, and the source's notes say so.

    Raises:
        DataError: a label name that the schema does not have.
        UsageError: the data is of another modality or shape.
    """
    check_same_kind(source.schema, schema)
    if source.labels is None or not schema.labels:
        return alike(source, schema)
    position = {name: index for index, name in enumerate(schema.labels)}
    used = [source.schema.labels[index] for index in np.unique(source.labels)]
    unknown = [name for name in used if name not in position]
    if unknown:
        close = difflib.get_close_matches(unknown[0], schema.labels, n=1)
        raise DataError(
            f"the data has labels that the run does not know: {', '.join(unknown[:5])}",
            hint=f"Did you mean {close[0]}?" if close else f"The run knows: {', '.join(schema.labels[:20])}.",
        )
    table = np.array([position.get(name, -1) for name in source.schema.labels], dtype=np.int64)
    return _translated(source, schema, table)


def alike(source: Source, schema: Schema) -> Source:
    """The same records with attributes and categories of channels as another schema counts them; labels stay."""
    same = source.schema.attributes == schema.attributes and _translation(source.schema, schema) is None
    return source if same else _translated(source, schema, None)


def _translation(found: Schema, wanted: Schema) -> tuple[Schema, Callable[[Records], Records]] | None:
    """What the modality has for it: the schema of translated records, and what translates them."""
    own = getattr(registry.modality(wanted.modality), "translation", None)
    return None if own is None else own(found, wanted)


def _translated(source: Source, schema: Schema, table: NDArray[np.int64] | None) -> Source:
    """The source with labels by a table (None: as they are), attributes and categories as the schema has them."""
    found = source.schema
    target, translate = _translation(found, schema) or (found, None)

    def load(indices: NDArray[np.int64]) -> Records:
        records = source.read(indices)
        label = records.label if table is None or records.label is None else table[records.label]
        same = found.attributes == schema.attributes
        moved = Records(records.columns if same else recoded(records.columns, found, schema), label)
        return moved if translate is None else translate(moved)

    return LazySource(
        replace(
            target,
            labels=found.labels if table is None else schema.labels,
            attributes=schema.attributes,
        ),
        len(source),
        load,
        labels=source.labels if table is None or source.labels is None else table[source.labels],
        groups=source.groups,
        official_split=source.official_split,
        notes=(*source.notes, *_attribute_notes(found, schema)),
        through_file=getattr(source, "through_file", None),
        blocks=getattr(source, "blocks", None),
        names=getattr(source, "names", None),
    )


def _attribute_notes(found: Schema, wanted: Schema) -> list[str]:
    """What of the wanted attributes the data lacks, and which of its names nobody knows."""
    own = {attribute.name: attribute for attribute in found.attributes}
    notes = []
    for attribute in wanted.attributes:
        old = own.get(attribute.name)
        if old is None and not attribute.derived:
            notes.append(f"the attribute {attribute.name} is not in this data; it counts as unknown")
        elif old is not None and attribute.kind != "number" and old.kind == attribute.kind:
            strange = [name for name in old.values if name not in attribute.values]
            if strange:
                notes.append(f"{attribute.name} has values that the run does not know: {', '.join(strange[:5])}")
    return notes


def open_alike(schema: Schema, options: DataConfig, *, label_column: str | None = None) -> tuple[Source, DataConfig]:
    """Open other data of a run's kind, and the options that did it.

    Images of another size or mode than the model's are converted.

    Args:
        schema: of the run.
        options: as the run's data was read, with the path of the other data.
        label_column: must be there; None: the run's own, which new data may well come without.

    Raises:
        DataError: see `open_source`.
    """
    if label_column is not None:
        options = options.model_copy(update={"label_column": label_column})
    try:
        source = open_source(schema.modality, options)
    except DataError:
        if options.label_column is None or label_column is not None:
            raise
        options = options.model_copy(update={"label_column": None})
        source = open_source(schema.modality, options)
    same = alike(source, schema)
    if same.schema.shape == schema.shape or len(schema.shape) != 3 or schema.shape[1] != schema.shape[2]:
        return same, options
    mode = {1: "grey", 3: "rgb", 4: "rgba"}.get(len(schema.channels), "auto")
    options = options.model_copy(update={"image_size": schema.shape[1], "image_mode": mode})
    return alike(open_source(schema.modality, options), schema), options


def check_same_kind(found: Schema, wanted: Schema) -> None:
    """Refuse data of another modality or number of channels.

    Raises:
        UsageError: of another modality.
        DataError: of another number of channels.
    """
    if found.modality != wanted.modality:
        raise UsageError(f"the data is of modality {found.modality}, the run of {wanted.modality}")
    if len(found.channels) != len(wanted.channels):
        raise DataError(
            f"the data has {len(found.channels)} channels ({', '.join(c.name for c in found.channels[:8])}), "
            f"the run {len(wanted.channels)} ({', '.join(c.name for c in wanted.channels[:8])})"
        )
