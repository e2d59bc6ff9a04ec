"""From encoded images, wherever they lie, to a source: survey, one frame, decode, say what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Schema, Source
from synthgen.config import DataConfig
from synthgen.data.source import ArraySource, LazySource, ThroughFile
from synthgen.errors import DataError
from synthgen.io.jpeg import MOST_FILES, JpegFiles
from synthgen_image.attributes import with_attributes
from synthgen_image.frame import Frame, choose_frame, decode, survey
from synthgen_image.labels import Labels, class_notes, used_only
from synthgen_image.schema import NARROW, Pixels, bits_of, image_schema, with_range

__all__ = ["EAGER_BYTES", "SPLITS", "Collection", "Encoded", "annotated_source", "open_collection"]

EAGER_BYTES = 2**30
"""Sets that are larger once decoded are read when asked for."""

SPLITS = {
    **dict.fromkeys(("train", "training", "val", "valid", "validation"), "train"),
    "test": "test",
}
"""Names of files and folders that come with a split -> the part they are; a validation part joins the training part."""

_DAMAGED_SHARE = 0.1
_PIECE = 1024
_RANGE_OF = 256  # images whose values are looked at for the range where not all are in memory

Encoded = tuple[str, Path | bytes | None]
"""(what to call it in messages, file or encoded bytes; None where there is none)."""


@dataclass(frozen=True)
class Collection:
    """N encoded images with what is known of each.

    Args:
        where: file or folder, for messages.
        size: number of images.
        every: one pass over all, in order.
        fetch: images by position.
        labels: `Labels` or None.
        label_column: name of the label.
        groups, official_split: see `ArraySource`.
        notes: sentences for the user so far.
        attributes: name -> a cell for each image, see `synthgen.data.attributes.described`.
        captions: names of those that are free text, whatever they look like.
        text_encoder: of free text, see `synthgen.data.text_encoder`.
        names: what the data calls each image.
    """

    where: str
    size: int
    every: Callable[[], Iterable[Encoded]]
    fetch: Callable[[NDArray[np.int64]], Sequence[Encoded]]
    labels: Labels | None = None
    label_column: str = "label"
    groups: NDArray[Any] | None = None
    official_split: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    text_encoder: str = ""
    names: Sequence[str] | None = None


def open_collection(collection: Collection, options: DataConfig) -> Source:
    """Bring all images to one frame; small sets are decoded at once.

    Raises:
        DataError: no image, more than a tenth damaged, images too large, of more than 16 bits a channel, or of
            several kinds that are not converted into each other.
    """
    if not collection.size:
        raise DataError(f"{collection.where} holds no images")
    found = survey(collection.every(), collection.size)
    _check_damage(found.damage, collection)
    frame, notes = choose_frame(found, options, where=collection.where)
    pixels: Pixels | None = None
    damage = dict(found.damage)
    if collection.size * frame.height * frame.width * frame.channels * frame.form.bits // 8 <= EAGER_BYTES:
        pixels, broken = _decode_all(collection, frame)
        damage |= broken
        _check_damage(damage, collection)
    kept = np.setdiff1d(np.arange(collection.size), np.fromiter(damage, np.int64, len(damage)))
    notes = (*collection.notes, *notes, *_damage_note(damage, collection.size))
    labels = None if collection.labels is None else Labels(collection.labels.index[kept], collection.labels.names)
    some = kept[np.linspace(0, len(kept) - 1, min(len(kept), MOST_FILES)).astype(np.int64)]
    stored = JpegFiles(lambda: collection.fetch(some), height=frame.height, width=frame.width)
    if pixels is not None:
        pixels = pixels[kept] if damage else pixels
    return annotated_source(collection, frame, kept, labels, notes, pixels=pixels, through_file=stored)


def _decode_all(collection: Collection, frame: Frame) -> tuple[Pixels, dict[int, str]]:
    pixels: Pixels = np.zeros((collection.size, frame.height, frame.width, frame.channels), dtype=frame.form.dtype)
    damage: dict[int, str] = {}
    piece: list[Encoded] = []
    start = 0

    def flush() -> int:
        part, broken = decode(piece, frame)
        pixels[start : start + len(piece)] = part
        damage.update({start + position: reason for position, reason in broken.items()})
        return start + len(piece)

    for item in collection.every():
        piece.append(item)
        if len(piece) == _PIECE:
            start = flush()
            piece.clear()
    flush()
    return pixels, damage


def _check_damage(damage: dict[int, str], collection: Collection) -> None:
    if len(damage) > _DAMAGED_SHARE * collection.size:
        raise DataError(
            f"{len(damage):,} of the {collection.size:,} images in {collection.where} cannot be read: {_first(damage)}",
            hint="More than a tenth is damaged; repair or remove these images first.",
        )


def _damage_note(damage: dict[int, str], size: int) -> tuple[str, ...]:
    return (f"{len(damage):,} of {size:,} images cannot be read and are left out: {_first(damage)}",) if damage else ()


def _first(damage: dict[int, str]) -> str:
    shown = [damage[position] for position in sorted(damage)[:3]]
    return "; ".join(shown) + ("; ..." if len(damage) > len(shown) else "")


def annotated_source(
    collection: Collection,
    frame: Frame,
    kept: NDArray[np.int64],
    labels: Labels | None,
    notes: tuple[str, ...],
    *,
    pixels: Pixels | None = None,
    through_file: ThroughFile | None = None,
) -> Source:
    """The source of a collection's images at positions `kept`, without those that have no label where others have one.

    Args:
        collection: for loading, groups and split.
        frame: of every image.
        kept: positions in the collection.
        labels: of `kept`.
        notes: for the user.
        pixels: of `kept`; None: loaded when asked for.
        through_file: see `ArraySource`.
    """
    if labels is not None and not (labels.index >= 0).any():
        labels, notes = None, (*notes, "no image has a label: the data is taken as unlabelled")
    if labels is not None:
        chosen = labels.index >= 0
        if not chosen.all():
            notes = (*notes, f"{int((~chosen).sum()):,} of {len(kept):,} images have no label and are left out")
            kept, pixels = kept[chosen], None if pixels is None else pixels[chosen]
        labels = used_only(Labels(labels.index[chosen], labels.names))
        notes = (*notes, *class_notes(labels))
    schema = image_schema(
        height=frame.height,
        width=frame.width,
        mode=frame.form.mode,
        bits=frame.form.bits,
        bands=frame.channels,
        labels=() if labels is None else labels.names,
        label_column=collection.label_column,
    )
    if frame.form.bits != NARROW:
        schema = with_range(schema, _some(collection, frame, kept) if pixels is None else pixels)
    schema, columns = with_attributes(
        schema,
        collection.attributes,
        kept,
        where=collection.where,
        captions=collection.captions,
        text_encoder=collection.text_encoder,
    )
    index = None if labels is None else labels.index
    groups = None if collection.groups is None else collection.groups[kept]
    split = None if collection.official_split is None else collection.official_split[kept]
    names = None if collection.names is None else [collection.names[int(position)] for position in kept]
    notes = (_summary(len(kept), schema), *notes)
    if pixels is not None:
        records = Records({"image": pixels, **columns}, index)
        return ArraySource(
            schema,
            records,
            groups=groups,
            official_split=split,
            notes=notes,
            through_file=through_file,
            names=names,
        )

    def load(indices: NDArray[np.int64]) -> Records:
        loaded, broken = decode(collection.fetch(kept[indices]), frame)
        if broken:
            raise DataError(_first(broken), hint="Repair or remove this image.")
        beside = {name: column[indices] for name, column in columns.items()}
        return Records({"image": loaded, **beside}, None if index is None else index[indices])

    return LazySource(
        schema,
        len(kept),
        load,
        labels=index,
        groups=groups,
        official_split=split,
        notes=notes,
        through_file=through_file,
        names=names,
    )


def _some(collection: Collection, frame: Frame, kept: NDArray[np.int64]) -> Pixels:
    """Images over the whole collection."""
    chosen = np.unique(np.linspace(0, len(kept) - 1, min(len(kept), _RANGE_OF)).astype(np.int64))
    return decode(collection.fetch(kept[chosen]), frame)[0]


def _summary(size: int, schema: Schema) -> str:
    _, height, width = schema.shape
    classes = f"{len(schema.labels)} classes" if schema.labels else "no labels"
    bits = bits_of(schema)
    depth = "" if bits == NARROW else f" of {bits} bits a channel"
    return f"{size:,} {schema.extra['mode']} images of {width} x {height} pixels{depth}, {classes}"
