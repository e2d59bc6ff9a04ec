"""Small made-up images with masks, in memory and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.classes import MaskClass, mask_schema, palette

from synthgen.api import Records, Schema


@pytest.fixture
def shapes():
    """`(count, classes) -> (schema, records)`: bright squares, one class each, on a dark ground."""

    def make(
        count: int = 24, classes: int = 4, bands: int = 1, size: int = 12, labelled: bool = True
    ) -> tuple[Schema, Records]:
        random = np.random.default_rng(0)
        image = random.integers(0, 60, (count, size, size, bands), dtype=np.uint8)
        mask = np.zeros((count, size, size), np.uint8)
        label = np.arange(count) % (classes - 1)
        for i in range(count):
            row, column = random.integers(0, size - 5, 2)
            mask[i, row : row + 5, column : column + 5] = label[i] + 1
            image[i, row : row + 5, column : column + 5] = 90 + 40 * label[i] % 160
        table = [MaskClass(k, f"thing {k}", palette(k)) for k in range(classes)]
        names = tuple(f"kind {k}" for k in range(classes - 1)) if labelled else ()
        schema = mask_schema((size, size), bands=bands, classes=table, labels=names)
        return schema, Records({"image": image, "mask": mask}, label.astype(np.int64) if labelled else None)

    return make


@pytest.fixture
def folder(tmp_path: Path):
    """`(masks, **)` writes `images/` and `masks/` as PNG and returns the folder."""

    def write(
        masks: dict[str, np.ndarray],
        *,
        mode: str = "L",
        image_mode: str = "L",
        table: str | None = None,
        root: Path | None = None,
        ending: str = "",
    ) -> Path:
        base = tmp_path / "data" if root is None else root
        for name in ("images", "masks"):
            (base / name).mkdir(parents=True, exist_ok=True)
        for number, (stem, mask) in enumerate(masks.items()):
            grey = np.full(mask.shape[:2], 10 * number + 5, np.uint8)
            Image.fromarray(grey).convert(image_mode).save(base / "images" / f"{stem}.png")
            picture = Image.fromarray(mask)
            if mode == "P":
                picture.putpalette([value for k in range(256) for value in palette(k)])
            picture.save(base / "masks" / f"{stem}{ending}.png")
        if table is not None:
            (base / "classes.csv").write_text(table)
        return base

    return write


@pytest.fixture
def striped():
    """`(ids, count)`: masks 8 x 10 whose columns run through the ids."""

    def make(ids: tuple[int, ...], count: int = 3) -> dict[str, np.ndarray]:
        row = np.resize(np.array(ids, np.uint8), 10)
        return {f"p{k}": np.tile(np.roll(row, k), (8, 1)) for k in range(count)}

    return make
