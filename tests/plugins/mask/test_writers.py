"""What the writers leave, opened again by our readers and by other people's libraries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.classes import MaskClass, classes_of, mask_schema, palette
from synthgen_mask.readers import MaskFolderReader, MaskParquetReader
from synthgen_mask.run_lengths import run_lengths
from synthgen_mask.writers import MaskFolderWriter, MaskParquetWriter, MaskVocWriter

from synthgen.api import Records, Schema
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.parquet import read_columns

BOTH = pytest.mark.parametrize(
    ("writer", "reader"), [(MaskFolderWriter(), MaskFolderReader()), (MaskParquetWriter(), MaskParquetReader())]
)


def _write(writer, directory: Path, schema: Schema, records: Records, shards: int = 2) -> list:
    files = []
    for shard, part in enumerate(np.array_split(np.arange(len(records)), shards)):
        columns = {
            "sample_id": part.astype(np.int64),
            "seed": np.full(len(part), 5, np.uint64),
            "guidance": np.full(len(part), np.nan),
        }
        files += writer.write(directory, shard, shards, records.take(part), columns, schema, {"model": "abc"})
    return files + writer.finish(directory, schema, shards)


@BOTH
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_what_was_written_is_read_again_exactly(tmp_path, shapes, writer, reader, bands):
    schema, records = shapes(bands=bands)
    _write(writer, tmp_path, schema, records)
    assert reader.accepts(tmp_path)
    source = reader.read(tmp_path, DataConfig(path=str(tmp_path)))
    back = source.read(np.arange(len(records)))
    for column in ("image", "mask"):
        np.testing.assert_array_equal(back[column], records[column])
    assert [source.schema.labels[k] for k in back.label] == [schema.labels[k] for k in records.label]
    assert classes_of(source.schema) == classes_of(schema)
    assert source.schema.shape == schema.shape


@BOTH
def test_unlabelled_records_stay_unlabelled(tmp_path, shapes, writer, reader):
    schema, records = shapes(labelled=False)
    _write(writer, tmp_path, schema, records)
    assert reader.read(tmp_path, DataConfig(path=str(tmp_path))).labels is None


@BOTH
def test_sparse_and_large_ids_survive(tmp_path, writer, reader):
    classes = [MaskClass(i, f"c, {i}", palette(k)) for k, i in enumerate((3, 90, 4000))]
    schema = mask_schema((6, 6), bands=1, classes=classes)
    mask = np.array([3, 90, 4000], np.uint16)[np.arange(72).reshape(2, 6, 6) % 3]
    records = Records({"image": np.zeros((2, 6, 6, 1), np.uint8), "mask": mask})
    _write(writer, tmp_path, schema, records, shards=1)
    source = reader.read(tmp_path, DataConfig(path=str(tmp_path)))
    np.testing.assert_array_equal(source.read(np.arange(2))["mask"], mask)
    assert classes_of(source.schema) == tuple(classes)


@BOTH
def test_every_file_is_accounted_for_with_its_digest_and_counted_once(tmp_path, shapes, writer, reader):
    import hashlib

    schema, records = shapes()
    files = _write(writer, tmp_path, schema, records)
    for file in files:
        raw = (tmp_path / file.path).read_bytes()
        assert (hashlib.sha256(raw).hexdigest(), len(raw)) == (file.sha256, file.bytes)
    parts = [file for file in files if file.path.endswith((".png", ".parquet"))]
    assert sum(file.records for file in parts) == len(records)


@BOTH
def test_writing_and_finishing_again_changes_nothing(tmp_path, shapes, writer, reader):
    schema, records = shapes()
    first = {file.path: file.sha256 for file in _write(writer, tmp_path, schema, records)}
    assert {file.path: file.sha256 for file in _write(writer, tmp_path, schema, records)} == first


def test_masks_are_palette_files_whose_indices_are_the_ids(tmp_path, shapes):
    schema, records = shapes()
    _write(MaskFolderWriter(), tmp_path, schema, records)
    with Image.open(tmp_path / "masks" / "00000003.png") as mask:
        assert mask.mode == "P"
        np.testing.assert_array_equal(np.asarray(mask), records["mask"][3])
        assert mask.getpalette()[3:6] == [128, 0, 0]  # PASCAL VOC's colour of class 1


def test_the_coco_file_restores_every_mask(tmp_path, shapes):
    schema, records = shapes()
    _write(MaskFolderWriter(), tmp_path, schema, records, shards=3)
    coco = json.loads((tmp_path / "annotations_coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == [f"thing {k}" for k in range(4)]
    assert len({entry["id"] for entry in coco["annotations"]}) == len(coco["annotations"])
    restored = np.full_like(records["mask"], 255)
    for entry in coco["annotations"]:
        height, width = entry["segmentation"]["size"]
        counts = entry["segmentation"]["counts"]
        inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
        restored[entry["image_id"]][inside] = entry["category_id"]
        left, top, wide, high = entry["bbox"]
        assert inside[top : top + high, left : left + wide].sum() == inside.sum() == entry["area"]
    np.testing.assert_array_equal(restored, records["mask"])
    assert {image["file_name"] for image in coco["images"]} == {f"images/{i:08d}.png" for i in range(len(records))}


def test_run_lengths_go_down_the_columns_and_begin_outside():
    assert run_lengths(np.array([[0, 1], [0, 1], [1, 0]], bool)) == [2, 3, 1]
    assert run_lengths(np.array([[1], [1]], bool)) == [0, 2]
    assert run_lengths(np.zeros((2, 2), bool)) == [4]


@pytest.mark.parametrize("writer", [MaskFolderWriter(), MaskParquetWriter()])
def test_load_dataset_decodes_image_mask_and_label(tmp_path, shapes, writer):
    datasets = pytest.importorskip("datasets")
    import yaml

    schema, records = shapes()
    _write(writer, tmp_path / "out", schema, records)
    (tmp_path / "out" / "README.md").write_text(f"---\n{yaml.safe_dump(writer.card(schema))}---\n")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(loaded) == len(records)
    row = loaded[5]
    np.testing.assert_array_equal(np.asarray(row["image"]), records["image"][5, :, :, 0])
    np.testing.assert_array_equal(np.asarray(row["mask"]), records["mask"][5])
    assert row["label_name"] == schema.labels[records.label[5]]


def test_pandas_reads_the_parquet_in_one_line(tmp_path, shapes):
    import pandas as pd

    schema, records = shapes()
    _write(MaskParquetWriter(), tmp_path, schema, records)
    frame = pd.read_parquet(tmp_path / "data")
    assert list(frame.columns) == [
        "sample_id",
        "label",
        "label_name",
        "image",
        "mask",
        "class_shares",
        "seed",
        "guidance",
    ]
    assert frame["label"].tolist() == records.label.tolist()


def test_a_voc_tree_has_exact_masks_nearly_exact_images_and_comes_back(tmp_path, shapes):
    schema, records = shapes(bands=3)
    _write(MaskVocWriter(), tmp_path, schema, records)
    stems = (tmp_path / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    assert stems == [f"{k:08d}" for k in range(len(records))]
    with Image.open(tmp_path / "SegmentationClass" / f"{stems[0]}.png") as mask:
        assert mask.mode == "P"
    source = MaskFolderReader().read(tmp_path, DataConfig(path=str(tmp_path)))
    back = source.read(np.arange(len(records)))
    np.testing.assert_array_equal(back["mask"], records["mask"])
    assert np.abs(back["image"].astype(int) - records["image"]).mean() < 4
    assert [source.schema.labels[k] for k in back.label] == [schema.labels[k] for k in records.label]
    assert classes_of(source.schema) == classes_of(schema)


def test_a_voc_tree_refuses_what_it_cannot_hold(tmp_path, shapes):
    schema, records = shapes(bands=4)
    with pytest.raises(DataError, match="no alpha channel"):
        _write(MaskVocWriter(), tmp_path, schema, records)


def test_rows_say_which_share_each_class_has(tmp_path, shapes):
    schema, records = shapes(count=6)
    records["mask"][0, 0] = 255
    _write(MaskFolderWriter(), tmp_path / "f", schema, records)
    _write(MaskParquetWriter(), tmp_path / "p", schema, records)
    lines = [json.loads(line) for line in (tmp_path / "f" / "metadata.jsonl").read_text().splitlines()]
    table = read_columns(sorted((tmp_path / "p" / "data").iterdir()), ["class_shares"]).column(0).to_pylist()
    for k, line in enumerate(lines):
        kept = records["mask"][k] != 255
        expected = [(records["mask"][k][kept] == entry.id).mean() for entry in classes_of(schema)]
        assert list(line["class_shares"].values()) == pytest.approx(expected, abs=1e-5)
        assert table[k] == pytest.approx(expected, abs=1e-5)
