"""Image data sets open in one line each in pandas, polars, duckdb, datasets and torchvision, as the README shows."""

from __future__ import annotations

import gc
import io

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from datasets import load_dataset
from PIL import Image
from synthgen_image.schema import image_schema
from synthgen_image.writers import FolderWriter, ParquetWriter
from torchvision.datasets import ImageFolder

from synthgen.api import Records

LABELS = ("cat", "dog", "owl")
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3)).astype(np.uint8)
CLASSES = np.arange(12) % 3


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def data_set(directory, writer, *, card):
    """12 images in 2 shards, with the front matter of the card that `generate` writes where asked for."""
    schema = image_schema(height=6, width=5, mode="RGB", labels=LABELS)
    for shard in range(2):
        chosen = np.arange(shard * 6, shard * 6 + 6)
        columns = {"sample_id": chosen, "seed": chosen.astype(np.uint64), "guidance": np.ones(6, np.float32)}
        writer.write(directory, shard, 2, Records({"image": IMAGES[chosen]}, CLASSES[chosen]), columns, schema, {})
    writer.finish(directory, schema, 2)
    if card:
        entry = writer.card(schema)["configs"][0]
        [files] = entry["data_files"]
        front = f"configs:\n- config_name: {entry['config_name']}\n  data_files:\n  - split: {files['split']}\n"
        (directory / "README.md").write_text(f"---\n{front}    path: {files['path']}\n---\n")
    return str(directory)


@pytest.fixture
def parquet(tmp_path):
    return data_set(tmp_path / "out", ParquetWriter(), card=True)


def test_pandas(parquet):
    frame = pd.read_parquet(f"{parquet}/data")
    assert frame["label_name"].tolist() == [LABELS[k] for k in CLASSES]
    with Image.open(io.BytesIO(frame["image"][5]["bytes"])) as image:
        np.testing.assert_array_equal(np.asarray(image), IMAGES[5])


def test_polars(parquet):
    frame = pl.read_parquet(f"{parquet}/data/*.parquet")
    assert frame["label"].to_list() == CLASSES.tolist()
    assert frame["sample_id"].to_list() == list(range(12))


def test_duckdb(parquet):
    rows = duckdb.sql(f"select label, count(*) from '{parquet}/data/*.parquet' group by 1 order by 1").fetchall()
    assert rows == [(0, 4), (1, 4), (2, 4)]


@pytest.mark.parametrize("card", [True, False])
def test_load_dataset_decodes_parquet_images_and_knows_the_classes(tmp_path, card):
    out = data_set(tmp_path / "out", ParquetWriter(), card=card)
    loaded = load_dataset(out, cache_dir=str(tmp_path / "hf"))["train"]
    assert loaded.features["label"].names == list(LABELS)
    assert [row["label"] for row in loaded] == CLASSES.tolist()
    np.testing.assert_array_equal(np.asarray(loaded[7]["image"]), IMAGES[7])


@pytest.mark.filterwarnings("ignore:unclosed file.*metadata.csv:ResourceWarning")  # left open by datasets
@pytest.mark.parametrize("card", [True, False])
def test_load_dataset_reads_the_image_folder(tmp_path, card):
    out = data_set(tmp_path / "out", FolderWriter(), card=card)
    loaded = load_dataset(out, cache_dir=str(tmp_path / "hf"))["train"]
    rows = sorted(loaded, key=lambda row: row["sample_id"])
    gc.collect()
    assert len(rows) == 12
    assert [row["label_name"] for row in rows] == [LABELS[k] for k in CLASSES]
    np.testing.assert_array_equal(np.asarray(rows[7]["image"]), IMAGES[7])


def test_torchvision_image_folder(tmp_path):
    out = data_set(tmp_path / "out", FolderWriter(), card=True)
    folder = ImageFolder(f"{out}/train")
    assert folder.classes == list(LABELS)
    expected = sorted((int(k), image.tobytes()) for k, image in zip(CLASSES, IMAGES, strict=True))
    assert sorted((label, np.asarray(image).tobytes()) for image, label in folder) == expected
