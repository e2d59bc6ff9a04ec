"""What the README shows works as written: its one-liners on real data sets, its commands and their options."""

from __future__ import annotations

import gc
import re
import shlex
from pathlib import Path

import datasets
import numpy as np
import pytest

from synthgen.cli import main
from synthgen.data.opening import open_source
from synthgen.generation import generate
from synthgen.generation.dataset import Dataset

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
ONE_LINERS = [
    line.partition("#")[0].strip()
    for kind, block in BLOCKS
    if kind == "python"
    for line in block.splitlines()
    if line.startswith(("import", "from")) and ";" in line
]
COMMANDS = [
    line.partition("#")[0].strip()
    for kind, block in BLOCKS
    if not kind
    for line in block.splitlines()
    if line.startswith("synthgen ")
]


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    monkeypatch.chdir(tmp_path)


def result_of(line: str) -> object:
    """The value of a line `import ...; expression`."""
    imports, _, expression = line.partition("; ")
    names: dict[str, object] = {}
    exec(imports, names)
    return eval(expression, names)


def test_the_readme_has_what_these_tests_look_for():
    assert len(ONE_LINERS) == 5
    assert len(COMMANDS) >= 8


@pytest.mark.filterwarnings("ignore:unclosed file.*metadata.csv:ResourceWarning")  # left open by datasets
@pytest.mark.parametrize("line", ONE_LINERS, ids=lambda line: line.split()[1].rstrip(";"))
def test_each_one_liner_opens_a_generated_data_set(line, tiny_run, tmp_path):
    images = "ImageFolder" in line
    generate(tiny_run, n=20, labels=(), out=tmp_path / "out", format="folder" if images else "parquet")
    found = result_of(line)
    if "duckdb" in line:
        assert sorted(found.fetchall()) == [(k, 2) for k in range(10)]
    elif "load_dataset" in line:
        assert found["train"].num_rows == 20
        assert found["train"][3]["image"].size == (8, 8)
        assert found["train"].features["label"].names == list("0123456789")
    else:
        assert len(found) == 20
    if images:
        assert found.classes == list("0123456789")
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed file.*metadata.csv:ResourceWarning")  # left open by datasets
def test_an_image_folder_opens_with_load_dataset_too(tiny_run, tmp_path):
    generate(tiny_run, n=20, labels=(), out=tmp_path / "out", format="folder")
    loaded = datasets.load_dataset("out")["train"]
    assert loaded.num_rows == 20
    assert loaded[0]["image"].size == (8, 8)
    gc.collect()  # so that the file is found open here, where that is expected


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_readme_exists_with_its_options(command, capsys):
    words = shlex.split(command)[1:]
    assert main([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    for word in words[1:]:
        if word.startswith("--"):
            assert word in shown


def test_a_data_set_is_read_back_by_name_of_its_folder(tiny_run, tmp_path):
    dataset = generate(tiny_run, n=12, labels=(), out=tmp_path / "out", format="folder")
    source = Dataset(dataset.path).open(tiny_run)
    assert sorted(source.labels.tolist()) == sorted([*range(10), 0, 1])
    plain = open_source("image", tiny_run.config.data.model_copy(update={"path": "out"}))
    np.testing.assert_array_equal(np.sort(plain.labels), np.sort(source.labels))
