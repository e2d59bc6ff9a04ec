"""From pairs of images and masks to a source: one size, one mode, one table of classes, and notes on what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Schema, Source
from synthgen.config import DataConfig
from synthgen.data.source import ArraySource, LazySource
from synthgen.errors import DataError
from synthgen.io.jpeg import MOST_FILES, JpegFiles
from synthgen_mask.classes import (
    IGNORE,
    ClassTable,
    MaskClass,
    histogram,
    mask_schema,
    palette,
)
from synthgen_mask.grey import looks_smoothed, threshold
from synthgen_mask.pairs import Pairs
from synthgen_mask.pixels import MODES, mask_ids, resize_image, resize_mask
from synthgen_mask.tiles import tiles_of

__all__ = ["Labels", "open_pairs"]

_LARGE = 64
_REDUCED = 80
_IN_MEMORY = 1 << 30
_LOOKED_AT = 1000
_MOST_CLASSES = 64


@dataclass(frozen=True)
class Labels:
    """Labels and groups of the pairs.

    Args:
        names: class names, empty when unlabelled.
        index: `(N,)` index into names, or None.
        column: where they stood.
        groups: `(N,)`, or None.
    """

    names: tuple[str, ...] = ()
    index: NDArray[np.int64] | None = None
    column: str = "label"
    groups: NDArray[np.str_] | None = None


def open_pairs(
    pairs: Pairs,
    options: DataConfig,
    *,
    table: ClassTable | None,
    labels: Labels,
    official_split: NDArray[np.str_] | None = None,
    notes: Sequence[str] = (),
) -> Source:
    """Check all pairs and open them as a source, in memory where they fit.

    Raises:
        DataError: sizes of image and mask differ, ids that the table does not have, one class only, unreadable files.
    """
    said = [f"{len(pairs)} images with masks", *notes]
    if options.crop is not None:
        pairs, labels, official_split = _squares(pairs, options, labels, official_split, said)
    size, mode = _frame(pairs, options, said)
    every = np.arange(len(pairs))
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    fits = len(pairs) * size[0] * size[1] * (bands + 2) <= _IN_MEMORY
    seen = every if fits else every[:: max(1, len(pairs) // _LOOKED_AT)]
    colors = {} if table is None else table.colors

    def ids(indices: NDArray[np.int64]) -> NDArray[np.uint16]:
        masks = [mask_ids(pairs.mask(int(i)), colors, name=f"the mask of {pairs.name(int(i))}") for i in indices]
        return np.stack([resize_mask(mask, size) for mask in masks])

    raw = ids(seen)
    cut = _cut(raw, table, options, said)
    if table is None:
        table = _two_classes() if cut else _guess_table(raw, said)
    if not cut:
        _check_ids(raw, table, pairs, seen)
    masks = _narrowed(raw, table, cut)

    def load(indices: NDArray[np.int64]) -> Records:
        images = np.stack([resize_image(pairs.image(int(i)), mode, size) for i in indices])
        chosen = masks[indices] if fits else _narrowed(ids(indices), table, cut)
        return Records({"image": images, "mask": chosen}, None if labels.index is None else labels.index[indices])

    schema = _schema(size, bands, table, labels)
    shown = np.unique(masks)
    if len(shown[shown != IGNORE]) < 2:
        said.append(
            f"WARNING: the masks show one of {len(table.classes)} classes only; pixels by id: {histogram(masks)}"
        )
    ignored = float((masks == IGNORE).mean())
    if ignored:
        said.append(f"{ignored:.1%} of the pixels are 255: ignored in training and scoring")
    said.append(f"{len(table.classes)} pixel classes: {', '.join(entry.name for entry in table.classes[:12])}")
    some = every[np.linspace(0, len(every) - 1, min(len(every), MOST_FILES)).astype(np.int64)]
    stored = JpegFiles(lambda: (pairs.stored(int(i)) for i in some), height=size[0], width=size[1])
    more = {
        "groups": labels.groups,
        "official_split": official_split,
        "notes": tuple(said),
        "through_file": stored,
        "names": [pairs.name(int(position)).removeprefix(f"{options.path}/") for position in every],
    }
    if fits:
        return ArraySource(schema, load(every), **more)  # type: ignore[arg-type]
    said.append(f"too large for memory: read when needed; classes from {len(seen)} of the masks")
    return LazySource(schema, len(pairs), load, labels=labels.index, **more)  # type: ignore[arg-type]


def _squares(
    pairs: Pairs, options: DataConfig, labels: Labels, official_split: NDArray[np.str_] | None, said: list[str]
) -> tuple[Pairs, Labels, NDArray[np.str_] | None]:
    """The squares of `data.crop`, with what is known of the image that each one is from.

    Raises:
        DataError: another size was asked for too.
    """
    assert options.crop is not None
    if options.image_size not in (None, options.crop):
        raise DataError("data.crop cuts images and data.image_size resizes them", hint="Give one of them.")
    tiles = tiles_of(pairs, options.crop, said)
    owner = tiles.owner
    groups = owner.astype(np.str_) if labels.groups is None else labels.groups[owner]
    index = None if labels.index is None else labels.index[owner]
    split = None if official_split is None else official_split[owner]
    return tiles, replace(labels, index=index, groups=groups), split


def _frame(pairs: Pairs, options: DataConfig, said: list[str]) -> tuple[tuple[int, int], str]:
    """The height and width of all records, and their Pillow mode."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    differing: list[str] = []
    turned = 0
    for index in range(len(pairs)):
        image, mask = pairs.headers(index)
        size, mask_size = (image.width, image.height), (mask.width, mask.height)
        sizes[size] += 1
        turned += image.turned
        modes[image.natural_mode(pairs.name(index))] += 1
        if size != mask_size:
            differing.append(f"{pairs.name(index)} {size[0]} x {size[1]} against {mask_size[0]} x {mask_size[1]}")
    if differing:
        raise DataError(
            f"{len(differing)} images differ in size from their masks: {'; '.join(differing[:3])}",
            hint="Image and mask of a pair must have the same width and height.",
        )
    if turned:
        said.append(f"{turned:,} images are stored turned or mirrored (EXIF) and were set upright, as their masks are")
    (width, height), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    target = _target(height, width, options, said)
    if len(sizes) > 1:
        shown = ", ".join(f"{count} of {w} x {h}" for (w, h), count in sizes.most_common(3))
        said.append(
            f"mixed sizes ({shown}{', ...' if len(sizes) > 3 else ''}): all are resized to {target[1]} x {target[0]}, "
            "masks by nearest neighbour"
        )
    if options.image_mode != "auto":
        return target, MODES[options.image_mode]
    chosen = next(iter(modes)) if len(modes) == 1 else "RGB"
    if len(modes) > 1:
        said.append(f"mixed modes ({', '.join(f'{n} {mode}' for mode, n in modes.most_common())}): all become RGB")
    return target, chosen


def _target(height: int, width: int, options: DataConfig, said: list[str]) -> tuple[int, int]:
    """The chosen size, the aspect kept."""
    long = max(height, width)
    if options.crop is not None:
        target = options.crop, options.crop
    elif options.image_size is not None:
        target = options.image_size, max(4, round(options.image_size * width / height))
    elif long > _LARGE and long > _REDUCED:
        target = max(4, round(height * _REDUCED / long)), max(4, round(width * _REDUCED / long))
    else:
        target = height, width
    if target != (height, width):
        reason = (
            ""
            if options.image_size is not None
            else ", so that a processor can train on them (data.image_size decides)"
        )
        said.append(
            f"images of {width} x {height} pixels are resized to {target[1]} x {target[0]}{reason}; "
            "masks by nearest neighbour"
        )
    return target


def _cut(masks: NDArray[np.uint16], table: ClassTable | None, options: DataConfig, said: list[str]) -> int:
    """The smallest grey value that is foreground; 0: the values are class ids.

    Raises:
        DataError: two classes were asked for, and the table has others, or the values are not those of two classes.
    """
    binary = table is None or table.binary or [entry.id for entry in table.classes] == [0, 1]
    if options.mask_values == "binary":
        if not binary:
            raise DataError(
                "data.mask_values is binary, and classes.csv has other classes than 0 and 1 (or 255)",
                hint="Leave data.mask_values away, or correct classes.csv.",
            )
        return threshold(masks, said)
    return threshold(masks, said) if options.mask_values == "auto" and binary and looks_smoothed(masks) else 0


def _two_classes() -> ClassTable:
    names = ("background", "foreground")
    return ClassTable(tuple(MaskClass(i, name, palette(i)) for i, name in enumerate(names)), {}, binary=True)


def _guess_table(masks: NDArray[np.uint16], said: list[str]) -> ClassTable:
    """Classes from the ids themselves."""
    ids = [int(value) for value in np.unique(masks)]
    if ids == [0, IGNORE]:
        said.append("the masks hold 0 and 255 only: taken as background and foreground; foreground becomes id 1")
        return _two_classes()
    classes = [value for value in ids if value != IGNORE]
    if len(classes) > _MOST_CLASSES:
        raise DataError(
            f"the masks hold {len(classes)} different values, which look like shades rather than class ids; "
            f"pixels by value: {histogram(masks)}",
            hint="Save the masks without smoothing and without JPEG, or list the ids in classes.csv (id,name); "
            "two classes with soft edges are read with --set data.mask_values=binary.",
        )
    if len(classes) < 2:
        raise DataError(
            f"the masks hold one class only; pixels by id: {histogram(masks)}",
            hint="There is nothing to tell apart. Are these the right masks?",
        )
    said.append(f"no classes.csv: classes are named after the {len(classes)} ids found")
    return ClassTable(tuple(MaskClass(i, f"class {i}", palette(k)) for k, i in enumerate(classes)), {})


def _check_ids(masks: NDArray[np.uint16], table: ClassTable, pairs: Pairs, seen: NDArray[np.int64]) -> None:
    legal = np.zeros(1 << 16, bool)
    legal[[entry.id for entry in table.classes] + [IGNORE]] = True
    wrong = ~legal[masks].all(axis=(1, 2))
    if wrong.any():
        first = int(np.argmax(wrong))
        unknown = sorted(int(value) for value in np.unique(masks[wrong]) if not legal[value])
        raise DataError(
            f"{int(wrong.sum())} masks hold ids that classes.csv does not list ({', '.join(map(str, unknown[:8]))}); "
            f"the first is {pairs.name(int(seen[first]))}, its pixels by id: {histogram(masks[first])}",
            hint="Add the ids to classes.csv, or set those pixels to 255 (ignored).",
        )
    if (masks == IGNORE).all() and not table.binary:
        raise DataError("every pixel of every mask is 255, which means ignored", hint="Are these the right masks?")


def _narrowed(masks: NDArray[np.uint16], table: ClassTable, cut: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Ids in the smallest type; in binary masks 255, and all from `cut` on, become 1."""
    if table.binary or cut:
        return (masks >= max(cut, 1)).astype(np.uint8)
    return masks if max(entry.id for entry in table.classes) > IGNORE else masks.astype(np.uint8)


def _schema(size: tuple[int, int], bands: int, table: ClassTable, labels: Labels) -> Schema:
    """The denoiser is told how much each class covers."""
    return mask_schema(
        size, bands=bands, classes=table.classes, labels=labels.names, label_column=labels.column, area=True
    )
