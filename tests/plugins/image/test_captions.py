"""Captions beside images: read as free text, learnt, asked for in new words, and written beside what was made."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthgen_image.folder_reader import FolderReader
from synthgen_image.npz_reader import NpzReader
from synthgen_image.parquet_reader import ParquetReader

from synthgen.cli import main
from synthgen.config import DataConfig
from synthgen.errors import UsageError
from synthgen.generation import generate, generate_records
from synthgen.generation.plan import make_plan
from synthgen.training import train

COLOURS = {"red": (220, 40, 40), "blue": (40, 40, 220)}
SIZES = {"small": 2, "large": 3}


def shapes(count, seed=0):
    """White images `(N, 8, 8, 3)` with one shape each, and a caption of each, some with a semicolon."""
    rng = np.random.default_rng(seed)
    images = rng.integers(235, 256, (count, 8, 8, 3)).astype(np.uint8)
    captions = []
    y, x = np.mgrid[:8, :8]
    for row in range(count):
        colour, size, kind = rng.choice(list(COLOURS)), rng.choice(list(SIZES)), rng.choice(["circle", "square"])
        far = np.hypot(y - 3.5, x - 3.5) if kind == "circle" else np.maximum(abs(y - 3.5), abs(x - 3.5))
        images[row][far <= SIZES[size] + 0.5] = COLOURS[colour]
        captions.append(f"a {size} {colour} {kind}{'; on white' if row % 3 else ''}")
    return images, captions


def written(folder, save, images, captions, *, lines=False):
    for number, image in enumerate(images):
        save(folder / f"{number}.png", image)
    table = pd.DataFrame({"file_name": [f"{k}.png" for k in range(len(images))], "caption": captions})
    if lines:
        table.to_json(folder / "metadata.jsonl", orient="records", lines=True)
    else:
        table.to_csv(folder / "metadata.csv", index=False)
    return folder


def redness(images):
    return (images[..., 0].astype(float) - images[..., 2]).mean()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images, captions = shapes(160)
    path = tmp_path_factory.mktemp("shapes") / "shapes.npz"
    np.savez(path, X=images, caption=np.array(captions))
    overrides = {
        "modality": "image",
        "data": {"path": str(path), "caption_column": "caption", "holdout": 0.1},
        "network": {"width": 16, "multipliers": [1], "blocks": 1, "attention": False, "dropout": 0.0},
        "optim": {"batch_size": 32},
        "train": {"samples": 4000, "precision": "fp32", "sample_checks": 0},
        "sampling": {"steps": 6},
    }
    return train(overrides, out=path.parent / "run")


def test_every_layout_says_the_same(tmp_path, save):
    images, captions = shapes(6)
    captions = [f"{text} number {k}" for k, text in enumerate(captions)]
    captions[2] = None
    np.savez(tmp_path / "shapes.npz", X=images, caption=np.array([text or "" for text in captions]))
    options = DataConfig(caption_column="caption")
    for source in (
        FolderReader().read(written(tmp_path / "csv", save, images, captions), options),
        FolderReader().read(written(tmp_path / "jsonl", save, images, captions, lines=True), options),
        FolderReader().read(tmp_path / "csv", DataConfig(attributes=("caption",))),
        NpzReader().read(tmp_path / "shapes.npz", options),
    ):
        assert [(each.name, each.kind) for each in source.schema.attributes] == [("caption", "text")]
        found = source.read(np.arange(6))["caption"].tolist()
        order = [found.index(text or "") for text in captions]
        assert sorted(order) == list(range(6))


def test_the_colour_that_the_caption_says_is_the_colour_of_the_shape(run):
    """In words that training never saw together."""
    red = generate_records(run, n=24, conditions={"caption": "a red circle"})
    blue = generate_records(run, n=24, conditions={"caption": "a blue circle"})
    assert set(red["caption"]) == {"a red circle"}
    assert redness(red["image"]) > 15
    assert redness(blue["image"]) < -15


def test_guidance_leads_towards_the_caption(run):
    unled, led = (
        generate_records(run, n=24, conditions={"caption": "a red square"}, guidance=weight) for weight in (0.0, 1.5)
    )
    assert redness(led["image"]) > redness(unled["image"]) + 30


def test_what_is_not_asked_for_comes_with_the_caption_of_a_training_image(run):
    records = generate_records(run.path, n=20, seed=3)
    assert set(records["caption"]) <= set(shapes(160)[1])
    assert len(set(records["caption"])) > 3
    few = generate_records(run, n=5, seed=3)
    assert few["caption"].tolist() == records["caption"][:5].tolist()


def test_several_captions_take_turns_and_are_written_and_read_back(run, tmp_path):
    asked = {"caption": ["a red circle", "a blue square; on white"]}
    for kind in ("parquet", "folder"):
        dataset = generate(run, n=12, conditions=asked, format=kind, out=tmp_path / kind)
        records = dataset.open(run).read(np.arange(12))
        assert set(records["caption"]) == set(asked["caption"])
        assert records["caption"].tolist() == generate_records(run, n=12, conditions=asked)["caption"].tolist()
    own = ParquetReader().read(tmp_path / "parquet", DataConfig())
    assert own.schema.attributes[0].kind == "text"
    assert 'caption "a red circle" or' in (tmp_path / "folder" / "README.md").read_text(encoding="utf-8")


def test_the_command_line_asks_in_words(run, tmp_path, capsys):
    out = tmp_path / "made"
    command = ["generate", "--run", str(run.path), "--n", "4", "--out", str(out), "--format", "folder"]
    assert main([*command, "--caption", "a large red circle", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conditions"] == {"caption": ["a large red circle"]}
    assert pd.read_csv(out / "train" / "metadata.csv")["caption"].tolist() == ["a large red circle"] * 4
    assert main([*command, "--caption", "a", "--condition", "caption=b"]) != 0
    assert "asked for twice" in capsys.readouterr().err


def test_a_wrong_wish_is_an_error(run, tiny_run, capsys):
    with pytest.raises(UsageError, match="empty text"):
        make_plan(run, n=2, conditions={"caption": " "})
    assert main(["generate", "--run", str(tiny_run.path), "--n", "2", "--caption", "a cat"]) != 0
    assert "trained without free text" in capsys.readouterr().err
