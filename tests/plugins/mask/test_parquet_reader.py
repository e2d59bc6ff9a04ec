"""Parquet with image and mask columns: other people's files and damaged ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from synthgen_mask.classes import classes_of
from synthgen_mask.readers import MaskParquetReader

from synthgen.config import DataConfig
from synthgen.errors import DataError


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _file(path: Path, masks: list[np.ndarray], *, plain: bool = False, **more: list) -> Path:
    images = [_png(np.full(mask.shape[:2], 9 + k, np.uint8)) for k, mask in enumerate(masks)]
    cells = {"image": images, "mask": [_png(mask) for mask in masks]}
    if not plain:
        cells = {name: [{"bytes": cell, "path": None} for cell in column] for name, column in cells.items()}
    pq.write_table(pa.table({**cells, **more}), path)
    return path


def _read(path: Path, **options):
    assert MaskParquetReader().accepts(path)
    return MaskParquetReader().read(path, DataConfig(path=str(path), **options))


@pytest.mark.parametrize("plain", [True, False])
def test_raw_bytes_and_structs_are_both_read(tmp_path, plain):
    masks = [np.eye(6, dtype=np.uint8) * (k + 1) for k in range(3)]
    path = _file(tmp_path / "a.parquet", masks, plain=plain, label=["x", "y", "x"])
    source = _read(path)
    records = source.read(np.arange(3))
    np.testing.assert_array_equal(records["mask"], np.stack(masks))
    assert records["image"][:, 0, 0, 0].tolist() == [9, 10, 11]
    assert source.schema.labels == ("x", "y")
    assert source.labels.tolist() == [0, 1, 0]
    assert [entry.id for entry in classes_of(source.schema)] == [0, 1, 2, 3]


def test_a_class_table_beside_the_file_is_used(tmp_path):
    path = _file(tmp_path / "a.parquet", [np.eye(6, dtype=np.uint8)])
    (tmp_path / "classes.csv").write_text("id,name\n0,ground\n1,crack\n")
    assert [entry.name for entry in classes_of(_read(path).schema)] == ["ground", "crack"]


def test_a_cell_without_an_image_is_named_with_its_row(tmp_path):
    good = {"bytes": _png(np.eye(6, dtype=np.uint8)), "path": None}
    table = {"image": [good, good], "mask": [good, {"bytes": None, "path": "gone.png"}]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet, row 1.*mask"):
        _read(tmp_path / "a.parquet")


def test_bytes_that_are_no_image_are_named_with_their_row(tmp_path):
    good = _png(np.eye(6, dtype=np.uint8))
    pq.write_table(pa.table({"image": [good, b"no"], "mask": [good, good]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet, row 1, image"):
        _read(tmp_path / "a.parquet")


def test_an_empty_table_is_an_error(tmp_path):
    _file(tmp_path / "a.parquet", [])
    table = pq.read_table(_file(tmp_path / "b.parquet", [np.eye(6, dtype=np.uint8)]))
    pq.write_table(table.slice(0, 0), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no rows"):
        _read(tmp_path / "a.parquet")


def test_a_truncated_file_is_an_error(tmp_path):
    path = _file(tmp_path / "a.parquet", [np.eye(6, dtype=np.uint8)])
    path.write_bytes(path.read_bytes()[:-20])
    assert MaskParquetReader().accepts(path)
    with pytest.raises(DataError, match=r"a\.parquet is not a readable Parquet file"):
        MaskParquetReader().read(path, DataConfig())


def test_files_with_images_alone_are_left_to_others(tmp_path):
    pq.write_table(pa.table({"image": [b"x"]}), tmp_path / "a.parquet")
    assert not MaskParquetReader().accepts(tmp_path / "a.parquet")
    assert not MaskParquetReader().accepts(tmp_path / "a.txt")


def test_unequal_sizes_of_image_and_mask_are_an_error(tmp_path):
    small, large = _png(np.eye(6, dtype=np.uint8)), _png(np.eye(9, dtype=np.uint8))
    pq.write_table(pa.table({"image": [small], "mask": [large]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="6 x 6 against 9 x 9"):
        _read(tmp_path / "a.parquet")
