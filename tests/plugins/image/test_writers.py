"""What the image writers leave: files that our readers read back exactly, the same again, complete over shards."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from synthgen_image.folder_reader import FolderReader
from synthgen_image.parquet_reader import ParquetReader
from synthgen_image.schema import image_schema
from synthgen_image.writers import FolderWriter, ParquetWriter

from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.io.atomic import sha256_of

LABELS = ("cat", "a/b: odd", "dog")
FORMS = [(ParquetWriter, ParquetReader), (FolderWriter, FolderReader)]


def schema_of(mode="RGB", labels=LABELS):
    return image_schema(height=6, width=5, mode=mode, labels=labels)


def write(writer, directory, images, labels, schema, shards=3):
    files = []
    for shard, chosen in enumerate(np.array_split(np.arange(len(images)), shards)):
        records = Records({"image": images[chosen]}, None if labels is None else labels[chosen])
        columns = {
            "sample_id": chosen,
            "seed": np.full(len(chosen), 2**63 + 1, np.uint64),
            "guidance": np.full(len(chosen), 1.5, np.float32),
            "origin": np.full(len(chosen), "synthetic"),
        }
        metadata = {"model_sha256": "0123456789abcdef" * 4}
        files += writer.write(directory, shard, shards, records, columns, schema, metadata)
    return files + writer.finish(directory, schema, shards)


@pytest.mark.parametrize(("writer", "reader"), FORMS)
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_what_was_written_is_read_back_exactly(tmp_path, pixels, writer, reader, mode, channels):
    images, labels = pixels(9, channels=channels), np.arange(9) % 3
    schema = schema_of(mode)
    write(writer(), tmp_path, images, labels, schema)
    assert reader().accepts(tmp_path)
    source = reader().read(tmp_path, DataConfig(path=str(tmp_path)))
    assert source.schema.labels == LABELS
    assert source.schema.shape == schema.shape
    records = source.read(np.arange(9))
    np.testing.assert_array_equal(records["image"], images)
    np.testing.assert_array_equal(records.label, labels)
    assert source.official_split is None


@pytest.mark.parametrize(("writer", "reader"), FORMS)
def test_unlabelled_images_are_read_back(tmp_path, pixels, writer, reader):
    write(writer(), tmp_path, pixels(4), None, schema_of("L", ()), shards=2)
    source = reader().read(tmp_path, DataConfig(path=str(tmp_path)))
    assert source.labels is None
    np.testing.assert_array_equal(source.read(np.arange(4))["image"], pixels(4))


@pytest.mark.parametrize("writer", [ParquetWriter, FolderWriter])
def test_every_file_is_listed_with_its_sum_and_comes_out_the_same_again(tmp_path, pixels, writer):
    labels = np.arange(6) % 3
    first = write(writer(), tmp_path, pixels(channels=3), labels, schema_of())
    assert {file.path for file in first} == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    for file in first:
        assert sha256_of(tmp_path / file.path) == file.sha256
    assert write(writer(), tmp_path, pixels(channels=3), labels, schema_of()) == first


def test_the_folder_has_a_table_of_all_shards_in_order(tmp_path, pixels):
    write(FolderWriter(), tmp_path, pixels(channels=3), np.array([0, 1, 2, 0, 1, 2]), schema_of())
    with (tmp_path / "train" / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file_name", "sample_id", "label", "label_name", "seed", "guidance", "origin"]
    assert [row["sample_id"] for row in rows] == [str(number) for number in range(6)]
    assert rows[1]["label_name"] == "a/b: odd"
    assert all((tmp_path / "train" / row["file_name"]).is_file() for row in rows)


def test_every_png_says_that_it_is_synthetic(tmp_path, pixels):
    write(FolderWriter(), tmp_path, pixels(channels=3), np.zeros(6, np.int64), schema_of())
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            assert image.text["synthetic"].startswith("synthgen ")
            assert "0123456789abcdef" in image.text["synthetic"]
