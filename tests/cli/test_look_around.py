"""`inspect`, `list`, `plugins` and `cite`: what is there, in words and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synthgen.cli.citations import TECHNIQUES, used_by
from synthgen.cli.listing import KINDS
from synthgen.config import resolve


def test_plugins_are_listed_with_state_and_distribution(run_cli: Callable[..., Any]) -> None:
    plugins = {plugin["name"]: plugin for plugin in run_cli("plugins", "--json").document}
    assert {"image", "timeseries", "mask", "vectors"} <= set(plugins)
    for plugin in plugins.values():
        assert set(plugin) == {"name", "distribution", "version", "state", "reason", "hooks"}
        assert plugin["state"] == "active"
    assert "image" in run_cli("plugins").stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_listed(run_cli: Callable[..., Any], kind: str) -> None:
    entries = run_cli("list", kind, "--json").document[kind]
    names = [(entry["modality"], entry["name"]) for entry in entries]
    assert len(names) == len(set(names))
    assert all(entry["summary"] for entry in entries)
    text = run_cli("list", kind).stdout
    assert all(entry["name"] in text for entry in entries)


def test_what_synthgen_brings_is_listed(run_cli: Callable[..., Any]) -> None:
    everything = run_cli("list", "--json").document
    assert set(everything) == set(KINDS)
    names = {kind: {entry["name"] for entry in entries} for kind, entries in everything.items()}
    assert names["modalities"] >= {"image", "timeseries", "mask", "vectors"}
    assert names["samplers"] >= {"multistep", "ddim", "heun", "ancestral"}
    assert names["networks"] >= {"unet", "dit"}
    assert names["datasets"] >= {"digits", "basic-motions", "gunpoint"}


def test_a_modality_narrows_the_list(run_cli: Callable[..., Any]) -> None:
    entries = run_cli("list", "readers", "--modality", "image", "--json").document["readers"]
    assert entries
    assert {entry["modality"] for entry in entries} == {"image"}
    assert run_cli("list", "readers", "--modality", "imge").code == 2


def test_inspect_counts_the_records_of_each_class(run_cli: Callable[..., Any]) -> None:
    from sklearn.datasets import load_digits

    truth = np.bincount(load_digits().target)
    [reading] = run_cli("inspect", "digits", "--json").document["readings"]
    assert reading["modality"] == "image"
    assert reading["records"] == truth.sum()
    assert reading["shape"] == [1, 8, 8]
    assert list(reading["labels"].values()) == truth.tolist()


def test_inspect_reads_a_folder_and_names_its_ranges(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    for name, value in (("cat", 10), ("dog", 200)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(3):
            pixels = np.full((12, 10), value + index, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index}.png")
    ran = run_cli("inspect", "pets", "--json")
    [reading] = ran.document["readings"]
    assert reading["labels"] == {"cat": 3, "dog": 3}
    assert reading["shape"] == [1, 12, 10]
    assert "synthgen train --modality image --data pets" in ran.stderr


def test_inspect_says_what_is_wrong_with_the_data(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index}.png")
    twin = (tmp_path / "pets" / "cat" / "3.png").read_bytes()
    (tmp_path / "pets" / "dog" / "3.png").write_bytes(twin)
    [reading] = run_cli("inspect", "pets", "--json").document["readings"]
    assert (reading["quality"]["duplicates"], reading["quality"]["contradictory_duplicates"]) == (1, 1)
    text = run_cli("inspect", "pets").stdout
    assert "quality   1 of 24 records repeat another one exactly" in text
    assert "quality   1 groups of equal records bear different labels" in text


def test_inspect_reads_a_table_of_series(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    rows = [f"{step},{step * 2.5},{step * -1.0}" for step in range(200)]
    (tmp_path / "plant.csv").write_text("\n".join(["time,flow,heat", *rows]) + "\n")
    readings = run_cli("inspect", "plant.csv", "--window", "20", "--json").document["readings"]
    reading = {item["modality"]: item for item in readings}["timeseries"]  # a table of numbers may be vectors as well
    assert [channel["name"] for channel in reading["channels"]] == ["flow", "heat"]
    assert reading["shape"] == [2, 20]
    text = run_cli("inspect", "plant.csv", "--window", "20").stdout
    assert "flow" in text
    assert "labels    none" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.csv", "no file, no folder and no demo set"), ("odd.bin", "no reader recognises odd.bin")],
)
def test_inspect_says_why_it_understands_nothing(
    run_cli: Callable[..., Any], tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "odd.bin").write_bytes(b"\x00\x01\x02" * 50)
    ran = run_cli("inspect", name)
    assert ran.code == 1
    assert words in ran.stderr
    assert ran.stdout == ""


def test_only_what_a_run_used_is_cited() -> None:
    def keys(**layers: Any) -> set[str]:
        return {technique.key for technique in used_by(resolve([{"modality": "image"}, layers]))}

    assert {"karras2022edm", "ronneberger2015unet", "lu2022dpmpp"} <= keys()
    assert not keys() & {"peebles2023dit", "song2021ddim", "hang2023minsnr", "lipman2023flow"}
    assert "peebles2023dit" in keys(network={"name": "dit"})
    assert "ronneberger2015unet" not in keys(network={"name": "dit"})
    assert "song2021ddim" in keys(sampling={"sampler": "ddim"})


def test_every_technique_is_reachable_and_written_once() -> None:
    assert len({technique.key for technique in TECHNIQUES}) == len(TECHNIQUES)
    for technique in TECHNIQUES:
        assert technique.bibtex().count("{") == technique.bibtex().count("}")
        assert str(technique.year) in technique.text()


def test_inspect_reads_as_asked_and_names_the_same_reading_next(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    rows = [f"{series},{step},{step * 1.5},{step % 3}" for series in ("k1", "k2") for step in range(12)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["which,when,x,z", *rows]), encoding="utf-8")
    found = run_cli(
        "inspect", str(path), "--modality", "timeseries", "--id-column", "which", "--time-column", "when",
        "--value-column", "x", "--set", "data.scaling=robust",
    )  # fmt: skip
    assert "2 series by which, ordered by when, channels x" in found.stdout
    expected = "--id-column which --time-column when --value-column x --set data.scaling=robust"
    assert f"Next: synthgen train --modality timeseries --data {path} {expected}" in found.stdout + found.stderr
