"""The commands one after the other on a model trained for seconds: what they print, leave behind and refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthgen.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = "network.width=8;network.blocks=1;train.samples=600;train.early_stop=false;sampling.steps=4"
REQUEST = [
    "--config",
    str(EXAMPLES / "configs" / "quick.toml"),
    *(word for each in TINY.split(";") for word in ("--set", each)),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows next to nothing, trained through the command line."""
    place = tmp_path_factory.mktemp("path") / "run"
    assert main(["train", "--out", str(place), "--quiet", *REQUEST]) == 0
    return place


@pytest.fixture(scope="module")
def dataset(run: Path) -> Path:
    """Sixty synthetic records, ten classes equally."""
    assert main(["generate", "--run", str(run), "--n", "60", "--label", "--out", str(run.parent / "data"), "-q"]) == 0
    return run.parent / "data"


def labels_of(directory: str | Path) -> dict[str, int]:
    names = pd.read_parquet(Path(directory) / "data")["label_name"]
    return {str(name): int(count) for name, count in names.value_counts().items() if count}


def test_training_again_returns_the_finished_run(run_cli: Callable[..., Any], run: Path) -> None:
    before = json.loads((run / "run.json").read_text())
    ran = run_cli("train", "--out", str(run), "--json", *REQUEST)
    assert ran.code == 0
    assert ran.document["run"] == str(run)
    assert ran.document["samples"] >= 600
    assert len(ran.document["labels"]) == 10
    assert json.loads((run / "run.json").read_text()) == before


def test_another_request_does_not_overwrite_a_run(run_cli: Callable[..., Any], run: Path) -> None:
    ran = run_cli("train", "--modality", "image", "--samples", "10", "--out", str(run))
    assert ran.code in (1, 2)
    assert "--force" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--n", "20", "--label"], {str(digit): 2 for digit in range(10)}),
        (["--n", "6", "--label", "3", "7"], {"3": 3, "7": 3}),
        (["--n", "4", "--label", "3", "--label", "7"], {"3": 2, "7": 2}),
        (["--n", "5", "--label", "3"], {"3": 5}),
        (["--count", "1=2", "--count", "9=3"], {"1": 2, "9": 3}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_classes_are_those_that_were_asked_for(
    run_cli: Callable[..., Any], run: Path, arguments: list[str], expected: dict[str, int]
) -> None:
    ran = run_cli("generate", "--run", str(run), *arguments, "--out", "data", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["n"] == sum(expected.values())
    assert labels_of(ran.document["dataset"]) == expected


def test_without_label_the_label_column_is_there_all_the_same(run_cli: Callable[..., Any], run: Path) -> None:
    ran = run_cli("generate", "--run", str(run), "--n", "7", "--out", "data", "--json")
    assert sum(labels_of(ran.document["dataset"]).values()) == 7


def test_a_dry_run_writes_nothing(run_cli: Callable[..., Any], run: Path) -> None:
    ran = run_cli("generate", "--run", str(run), "--n", "7", "--label", "--out", "data", "--dry-run", "--json")
    assert ran.code == 0
    assert ran.document["n"] == 7
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--label", "seven"], 2, "seven"),
        (["--sampler", "multistepp"], 2, "multistep"),
        (["--format", "parqet"], 2, "parquet"),
        (["--layout", "long"], 2, "long"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_names_are_answered_with_the_right_ones(
    run_cli: Callable[..., Any], run: Path, arguments: list[str], code: int, words: str
) -> None:
    ran = run_cli("generate", "--run", str(run), "--n", "4", *arguments, "--out", "data")
    assert ran.code == code
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert os.listdir() == []


def test_no_run_at_all_says_how_to_make_one(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("generate", "--n", "4")
    assert ran.code == 1
    assert "synthgen train" in ran.stderr


def test_a_gate_that_is_not_met_exits_with_3_and_leaves_the_report(
    run_cli: Callable[..., Any], run: Path, dataset: Path
) -> None:
    where = ["--run", str(run), "--synthetic", str(dataset), "--out", "report"]
    ran = run_cli("evaluate", *where, "--fast", "--fail-under", "tstr=1.01", "--json")
    assert ran.code == 3
    assert ran.document["error"]["kind"] == "GateError"
    assert "tstr" in ran.document["error"]["message"]
    report = json.loads(Path("report/report.json").read_text(encoding="utf-8"))
    assert report["verdict"]
    assert {"tstr", "trtr", "tstr_ratio"} <= {metric["name"] for metric in report["metrics"]}


@pytest.mark.slow
def test_a_data_set_is_evaluated_into_one_document(run_cli: Callable[..., Any], run: Path, dataset: Path) -> None:
    ran = run_cli("evaluate", "--run", str(run), "--synthetic", str(dataset), "--out", "report", "--fast", "--json")
    assert ran.code == 0, ran.stderr
    assert Path(ran.document["report"]).is_file()
    assert ran.document["verdict"]
    assert {"tstr", "trtr", "tstr_ratio"} <= {metric["name"] for metric in ran.document["metrics"]}


def test_an_unknown_metric_in_a_gate_is_usage(run_cli: Callable[..., Any], run: Path) -> None:
    ran = run_cli("evaluate", "--run", str(run), "--fail-under", "tstr_ration=0.5")
    assert ran.code == 2
    assert "tstr_ratio" in ran.stderr


def test_scores_are_written_for_every_record(run_cli: Callable[..., Any], run: Path, dataset: Path) -> None:
    ran = run_cli("score", "--run", str(run), "--data", str(dataset), "--out", "scores", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["records"] == 60
    assert len(pd.read_parquet(ran.document["scores"])) == 60
    assert Path(ran.document["report"]).is_file()


def test_augmenting_marks_where_each_row_comes_from(run_cli: Callable[..., Any], run: Path) -> None:
    ran = run_cli("augment", "--run", str(run), "--data", "digits", "--ratio", "0.1", "--out", "more", "--json")
    assert ran.code == 0, ran.stderr
    origins = pd.concat([pd.read_parquet(path, columns=["origin"]) for path in Path("more/data").glob("*.parquet")])
    counts = origins["origin"].value_counts()
    trained_on = run_cli("train", "--out", str(run), *REQUEST, "--json").document["records"]
    assert counts["real"] == trained_on < 1797
    assert counts["synthetic"] == round(0.1 * trained_on)


def test_a_run_knows_its_configuration_and_its_citations(run_cli: Callable[..., Any], run: Path) -> None:
    shown = run_cli("config", "show", "--run", str(run), "--json").document
    assert (shown["network"]["width"], shown["sampling"]["steps"]) == (8, 4)
    cited = run_cli("cite", "--run", str(run), "--json").document
    assert "karras2022edm" in {reference["key"] for reference in cited["references"]}
    assert run_cli("cite", "--run", str(run), "--bibtex").stdout.startswith("@")


@pytest.mark.slow
def test_the_quickstart_runs_as_it_stands(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "synthgen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m synthgen "$@" --quiet\n')
    (tools / "synthgen").chmod(0o755)
    script = (EXAMPLES / "quickstart.sh").read_text().replace("--minutes 1", "--samples 600")
    assert "--samples 600" in script
    done = subprocess.run(
        ["sh", "-c", script, "quickstart", "out"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "SYNTHGEN_SET": TINY,
            "N": "40",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report" / "report.html").is_file()
    assert (tmp_path / "out" / "scores" / "scores.parquet").is_file()
