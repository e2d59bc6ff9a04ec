"""Damaged and hostile input through every reader and loader: records or one sentence, never a traceback, never a wait.

`benchmarks/hostile_files.py` does a thousand; here is a sample of each kind, and what once slipped through.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen.api import Schema
from synthgen.config import DataConfig
from synthgen.config.toml import load_toml
from synthgen.data.opening import open_source
from synthgen.errors import ConfigError, DataError, DatasetError, RunError, SynthgenError
from synthgen.generation.dataset import Dataset
from synthgen.generation.plan import Plan
from synthgen.io.atomic import sha256_of
from synthgen.io.folder import safe_join
from synthgen.io.npz import Archive
from synthgen.io.run import Run, save_tensors

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
FINE = {"records", "refused"}


def case(path: Path) -> str:
    """A file of the corpus, with the name of what it stands for."""
    return f"{path.parent.name}-{path.name}"


@pytest.fixture(scope="module")
def hostile():
    spec = importlib.util.spec_from_file_location("hostile_files", ROOT / "benchmarks" / "hostile_files.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile_files"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["hostile_files"]


@pytest.fixture
def place():
    """A short path: what is damaged may have long names."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_of_every_format_lead_to_records_or_a_sentence(seed, hostile, place):
    import random

    draw = random.Random(seed)
    for number, kind in enumerate(hostile.kinds()):
        folder = place / str(number)
        folder.mkdir()
        outcome = hostile.look(kind.opens, hostile.mutated(kind, folder, draw), kind.records)
        assert outcome.kind in FINE, (kind.name, outcome)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.*")), ids=lambda path: path.name)
def test_what_once_slipped_through_no_longer_does(path, hostile):
    modality = path.name.split("-")[0]
    outcome = hostile.look(hostile.as_data(modality), path, None)
    assert outcome.kind in FINE, outcome


@pytest.mark.parametrize(
    "path", sorted((CORPUS / "run").glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_a_file_of_a_run_that_once_slipped_through_no_longer_does(path, hostile, tiny_run, tmp_path):
    run = Path(shutil.copytree(tiny_run.path, tmp_path / "run"))
    shutil.copyfile(path, run / path.parent.name)
    facts = json.loads((run / "run.json").read_text())
    facts["files"][path.parent.name] = sha256_of(path)  # as a stranger who means harm would
    (run / "run.json").write_text(json.dumps(facts))
    outcome = hostile.look(hostile.as_run, run, None)
    assert outcome.kind == "refused", outcome


@pytest.mark.parametrize("part", [[0.5], [[1]], None])
def test_a_split_that_is_none_is_refused(part, tiny_run, tmp_path):
    run = Path(shutil.copytree(tiny_run.path, tmp_path / "run"))
    parts = {name: torch.tensor([0]) for name in tiny_run.split.sizes()}
    parts |= {"other": torch.tensor([0])} if part is None else {"holdout": torch.tensor(part)}
    save_tensors(run / "split.safetensors", parts)
    facts = json.loads((run / "run.json").read_text())
    facts["files"]["split.safetensors"] = sha256_of(run / "split.safetensors")
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="holds no split"):
        Run.open(run)


@pytest.mark.parametrize(
    "path", sorted((CORPUS / "set").glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_a_description_that_once_slipped_through_no_longer_does(path, tmp_path):
    shutil.copyfile(path, tmp_path / path.parent.name)
    with pytest.raises(DatasetError, match="is unreadable"):
        Plan.read(tmp_path) if path.parent.name == "plan.json" else Dataset(tmp_path)


def test_an_array_that_claims_more_than_it_holds_takes_no_memory(hostile, place):
    path = hostile.archive(place / "d.npz", X=hostile.npy("'<f4'", "(24, 1099511627776)"))
    with pytest.raises(DataError, match="says that it has 105,553,116,266,496 bytes"):
        Archive(path).load("X")


@pytest.mark.parametrize("modality", ["image", "mask", "timeseries", "vectors"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(modality, tmp_path):
    os.mkfifo(tmp_path / "d.csv")
    with pytest.raises(DataError, match="no ordinary file"):
        open_source(modality, DataConfig(path=str(tmp_path / "d.csv")))


def test_a_pipe_among_the_images_is_counted_as_damage(hostile, place):
    import random

    folder = hostile.image_folder(place, random.Random(0))
    os.mkfifo(folder / "a" / "pipe.png")
    source = open_source("image", DataConfig(path=str(folder)))
    assert len(source) == hostile.RECORDS
    assert any("no ordinary file" in note for note in source.notes)


@pytest.mark.parametrize(
    "name", ["../x.png", "/etc/passwd", "a/../../x", "a\0b", "..\\..\\x", " ", "x" * 5000, "\ud800"], ids=ascii
)
def test_no_name_leads_out_of_a_data_set(name, tmp_path):
    with pytest.raises(DataError):
        safe_join(tmp_path, name)


def test_a_link_to_itself_is_not_followed(tmp_path):
    (tmp_path / "x.png").symlink_to(tmp_path / "x.png")
    with pytest.raises(DataError):
        open_source("image", DataConfig(path=str(tmp_path)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_documents_of_any_form_are_refused_in_a_sentence(document):
    text = json.dumps(document)
    for read in (Plan.from_json, Schema.from_json):
        with pytest.raises(SynthgenError):
            read(text)


DEEP = "[" * 100_000
ENDLESS = "9" * 5_000


@pytest.mark.parametrize("text", [DEEP, ENDLESS, f'{{"modality": {ENDLESS}}}', f'{{"modality": {DEEP}'], ids=range(4))
def test_nesting_and_integers_without_end_are_refused_in_a_sentence(text, tmp_path):
    (tmp_path / "run.toml").write_text(f"seed = {text}")
    for name in ("provenance.json", "metadata.jsonl"):
        (tmp_path / name).write_text(text)
    (tmp_path / "x.png").write_bytes(b"")
    for read in (Plan.from_json, Schema.from_json):
        with pytest.raises(SynthgenError):
            read(text)
    with pytest.raises(DatasetError):
        Dataset(tmp_path)
    with pytest.raises(ConfigError):
        load_toml(tmp_path / "run.toml")
    with pytest.raises(DataError):
        open_source("image", DataConfig(path=str(tmp_path)))


def test_a_cell_of_two_megabytes_is_refused_in_a_sentence(hostile, place):
    import random

    path = hostile.series_ucr(place, random.Random(0))
    path.write_text(path.read_text() + "0\t" + "9" * 2_000_000 + "\n")
    with pytest.raises(DataError) as caught:
        open_source("timeseries", DataConfig(path=str(path)))
    assert len(str(caught.value)) < 1000


def test_a_mask_that_is_a_link_to_itself_is_refused(hostile, place):
    import random

    folder = hostile.mask_folder(place, random.Random(0))
    (folder / "masks" / "3.png").unlink()
    (folder / "masks" / "3.png").symlink_to(folder / "masks" / "3.png")
    with pytest.raises(DataError, match="cannot be followed"):
        open_source("mask", DataConfig(path=str(folder)))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b'{"files": 3', b"null"])
def test_a_damaged_manifest_is_one_sentence(content, tmp_path):
    (tmp_path / "provenance.json").write_bytes(b'{"n": 3, "format": "parquet"}')
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DatasetError, match="manifest"):
        _ = Dataset(tmp_path).manifest


def test_nothing_in_the_product_unpickles():
    """`pickle`, `marshal`, `shelve`, `torch.load`, `joblib.load`, `np.load` that allows it, `eval` and `exec`."""
    bad_modules = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    found = []
    for folder in ("synthgen", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name.split(".")[0] for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module.split(".")[0]]
                elif isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    loads = called in ("torch.load", "dcp.load", "eval", "exec", "pd.read_pickle")
                    allows = any(
                        k.arg in ("allow_pickle", "weights_only") and ast.unparse(k.value) != "False"
                        for k in node.keywords
                    )
                    if loads or (allows and "load" in called):
                        found.append(f"{path}:{node.lineno} {called}")
                found += [f"{path}:{node.lineno} {name}" for name in names if name in bad_modules]
    assert not found


def test_numpy_archives_with_objects_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.array([{"a": 1}], dtype=object))
    for modality in ("image", "timeseries", "vectors"):
        with pytest.raises(DataError, match="Python objects"):
            open_source(modality, DataConfig(path=str(tmp_path / "d.npz")))
