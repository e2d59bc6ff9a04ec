"""COCO annotations as pairs of images and masks: polygons, run lengths, compressed run lengths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgen.errors import DataError
from synthgen.io.folder import MAX_PIXELS, ImageHeader, read_header, safe_join
from synthgen_mask.classes import IGNORE, ClassTable, MaskClass, is_background, palette
from synthgen_mask.found import Found, official
from synthgen_mask.pairs import as_drawn_on, load_drawn_on
from synthgen_mask.run_lengths import decode_segmentation

__all__ = ["CocoPairs", "coco_files", "is_coco", "read_coco"]

_LOOKED_AT = 1 << 16
_PLACES = ("*.json", "annotations/*.json", "*/_annotations.coco.json", "*/annotations*.json")
_TEST = ("test", "val", "valid")


@dataclass(frozen=True)
class CocoPairs:
    """Images with the annotations that cover them.

    Args:
        images: one file an image.
        sizes: height and width that the annotations state.
        annotations: of each image, those that are drawn later above earlier ones.
        uncovered: id of pixels without an annotation.
        large: whether ids exceed 8 bits.
        ignored: run lengths of each image's ignored pixels, or None.
    """

    images: Sequence[Path]
    sizes: Sequence[tuple[int, int]]
    annotations: Sequence[Sequence[Mapping[str, Any]]]
    uncovered: int
    large: bool
    ignored: Sequence[Any]

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Path of the image."""
        return str(self.images[index])

    def image(self, index: int) -> Image.Image:
        """The decoded image."""
        return load_drawn_on(self.images[index], self.sizes[index][::-1])

    def mask(self, index: int) -> Image.Image:
        """The annotations, drawn."""
        size = self.sizes[index]
        ids: NDArray[Any] = np.full(size, self.uncovered, np.uint16 if self.large else np.uint8)
        for annotation in self.annotations[index]:
            name = f"{self.name(index)}, annotation {annotation.get('id')}"
            ids[decode_segmentation(annotation.get("segmentation"), size, name)] = annotation["category_id"]
        if self.ignored[index] is not None:
            ids[decode_segmentation(self.ignored[index], size, f"{self.name(index)}, ignored")] = IGNORE
        return Image.fromarray(ids)

    def stored(self, index: int) -> tuple[str, Path | bytes]:
        """The image's file."""
        return self.name(index), self.images[index]

    def headers(self, index: int) -> tuple[ImageHeader, ImageHeader]:
        """Of the image's file, and as the annotations state it."""
        height, width = self.sizes[index]
        return as_drawn_on(read_header(self.images[index]), (width, height)), ImageHeader(width, height, "L", False)


def is_coco(path: Path) -> bool:
    """Whether a file's beginning looks like COCO's JSON."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as handle:
        head = handle.read(_LOOKED_AT)
    marks = (b'"images"', b'"annotations"', b'"categories"', b'"licenses"')
    return head.lstrip()[:1] == b"{" and (any(mark in head for mark in marks[1:]) or marks[0] in head)


def coco_files(path: Path) -> list[Path]:
    """The annotation files of a folder, `train`, `val` and `test` ones together; a file itself; empty: none."""
    if path.is_file():
        return [path] if is_coco(path) else []
    for place in _PLACES:
        found = [file for file in sorted(path.glob(place)) if not file.name.startswith(".") and is_coco(file)]
        if found:
            return found
    return []


def read_coco(path: Path) -> Found:
    """The pairs of a folder's annotation files, or of one file.

    Larger things are drawn first. What no annotation covers is background: id 0, or the first free id where a category
    has id 0. Where the background itself is annotated it is 255, ignored. `info.uncovered`, as we write it, overrules.

    Raises:
        DataError: damaged JSON, images that are missing, ids that do not exist, outlines that fit no image.
    """
    files = coco_files(path)
    documents = [_document(file) for file in files]
    categories = _categories(files[0], documents[0])
    images: list[Path] = []
    sizes: list[tuple[int, int]] = []
    drawn: list[list[Mapping[str, Any]]] = []
    splits: list[str] = []
    ignored: list[Any] = []
    for file, document in zip(files, documents, strict=True):
        if _categories(file, document) != categories:
            raise DataError(
                f"{file.name} and {files[0].name} name other categories", hint="Open one of the two files by itself."
            )
        entries = _images(file, document)
        by_image = _annotations(file, document, {identity for identity, *_ in entries}, set(categories))
        for (identity, image, size), raw in zip(entries, document["images"], strict=True):
            ignored.append(_mapping(raw).get("ignored"))
            images.append(image)
            sizes.append(size)
            drawn.append(by_image.get(identity, []))
        test = any(word in part for part in (file.stem, file.parent.name) for word in _TEST)
        splits += ["test" if test else "train"] * len(entries)
    if not images:
        raise DataError(f"{files[0]} lists no images")
    table, uncovered = _with_uncovered(categories, drawn, documents)
    classes = tuple(MaskClass(i, table[i], palette(k)) for k, i in enumerate(sorted(table)))
    rest = "ignored" if uncovered == IGNORE else f"{table[uncovered]}, id {uncovered}"
    bare = sum(not each for each in drawn)
    notes = [
        f"COCO annotations: {sum(map(len, drawn)):,} in {', '.join(file.name for file in files)}; "
        f"larger ones are drawn below smaller ones, pixels without any are {rest}"
    ]
    if bare:
        notes.append(f"{bare:,} images have no annotation")
    pairs = CocoPairs(images, sizes, drawn, uncovered, max(table) > IGNORE, ignored)
    return Found(pairs, split=official(splits), table=ClassTable(classes, {}), notes=notes)


def _with_uncovered(
    categories: Mapping[int, str],
    drawn: Sequence[Sequence[Mapping[str, Any]]],
    documents: Sequence[Mapping[str, Any]],
) -> tuple[dict[int, str], int]:
    """The names of all ids, and the id of what no annotation covers."""
    stated = next((_mapping(found.get("info")).get("uncovered") for found in documents), None)
    if stated == IGNORE:
        return dict(categories), IGNORE
    identity, name = _mapping(stated).get("id"), _mapping(stated).get("name")
    if isinstance(identity, int) and isinstance(name, str) and 0 <= identity < 1 << 16 and identity != IGNORE:
        return {identity: name, **categories}, identity
    behind = next((number for number, called in categories.items() if is_background(called)), None)
    used = {annotation["category_id"] for each in drawn for annotation in each}
    if behind is not None:
        return dict(categories), IGNORE if behind in used else behind
    if 0 in categories and 0 not in used and _heads_all_others(documents[0]["categories"]):
        return {**categories, 0: "background"}, 0
    above = (0, *range(max(categories) + 1, 1 << 16), *range(1 << 16))
    free = next(number for number in above if number not in categories and number != IGNORE)
    return {**categories, free: "background"}, free


def _heads_all_others(categories: Sequence[Mapping[str, Any]]) -> bool:
    """Whether category 0 is no class but the heading of all others, as some tools export it."""
    heading = next(entry["name"] for entry in categories if entry["id"] == 0)
    return all(entry.get("supercategory") == heading for entry in categories if entry["id"] != 0)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not readable JSON: {error}") from error
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise DataError(f"{file} has no lists images, annotations and categories, as COCO's files do")
    return document


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _categories(file: Path, document: Mapping[str, Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in document["categories"]:
        raw = _mapping(entry)
        identity, name = raw.get("id"), raw.get("name")
        if not isinstance(identity, int) or not isinstance(name, str) or not 0 <= identity < 1 << 16:
            raise DataError(f"{file}: a category without a name, or with an id outside 0..65535: {str(entry)[:80]}")
        if identity == IGNORE or identity in found or name in found.values():
            raise DataError(f"{file}: category {identity} ({name}) is there twice, or has the id 255, which is ignored")
        found[identity] = name
    if not found:
        raise DataError(f"{file} names no categories")
    return found


def _images(file: Path, document: Mapping[str, Any]) -> list[tuple[Any, Path, tuple[int, int]]]:
    """Id, file and (height, width) of each image."""
    found: list[tuple[Any, Path, tuple[int, int]]] = []
    home: Path | None = None
    for number, entry in enumerate(document["images"]):
        raw = _mapping(entry)
        name, height, width = raw.get("file_name"), raw.get("height"), raw.get("width")
        if not (isinstance(name, str) and isinstance(raw.get("id"), int | str)):
            raise DataError(f"{file}: image {number} lacks id or file_name")
        if not isinstance(height, int) or not isinstance(width, int):
            raise DataError(f"{file}: image {number} lacks height or width in whole pixels")
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise DataError(f"{file}: {name} states {width} x {height} pixels; {MAX_PIXELS:,} are allowed")
        if home is None or not safe_join(home, name).is_file():
            home = _home(file, name)
        found.append((raw.get("id"), safe_join(home, name), (height, width)))
    return found


def _home(file: Path, name: str) -> Path:
    """The folder that the names of the images start from."""
    base = file.parent
    split = file.stem.removeprefix("instances_").removeprefix("annotations_")
    places = [base, base / "images", base / split]
    if base.name == "annotations":
        above = base.parent
        places += [above, above / "images", above / split, above / "images" / split]
    for place in places:
        if safe_join(place, name).is_file():
            return place
    raise DataError(
        f"{file}: the image {name} is in none of {', '.join(str(place) for place in places)}",
        hint="Put the images beside the annotations, or in a folder images/ there.",
    )


def _annotations(
    file: Path, document: Mapping[str, Any], images: set[Any], categories: set[int]
) -> dict[Any, list[Mapping[str, Any]]]:
    """By image, the largest first."""
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for number, entry in enumerate(document["annotations"]):
        raw = _mapping(entry)
        known = isinstance(raw.get("image_id"), int | str) and isinstance(raw.get("category_id"), int)
        if not known or raw["image_id"] not in images or raw["category_id"] not in categories:
            raise DataError(
                f"{file}: annotation {raw.get('id', number)} is of image {raw.get('image_id')} and category "
                f"{raw.get('category_id')}, of which one does not exist"
            )
        found[raw["image_id"]].append(raw)
    for each in found.values():
        each.sort(key=_area, reverse=True)
    return found


def _area(annotation: Mapping[str, Any]) -> float:
    area = annotation.get("area")
    return float(area) if isinstance(area, (int, float)) else 0.0
