"""The fourth modality, a distribution of its own: its tests pass and every command works, with the core as it is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "examples" / "tabular-plugin"
OPEN_PARTS = {"api", "errors", "seeding", "config", "data", "io", "nn", "diffusion", "registry"}


def test_its_own_tests_pass(tmp_path: Path, stranger: Any) -> None:
    stranger.install(PROJECT, tmp_path)
    env = stranger.environment(tmp_path, PROJECT)
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(PROJECT), str(PROJECT)]
    result = stranger.python(*arguments, cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_command_works_on_tables(tmp_path: Path, stranger: Any) -> None:
    stranger.install(PROJECT, tmp_path / "site")
    env = stranger.environment(tmp_path / "site", PROJECT)

    kinds, found, config, run, made, report, _, both = stranger.synthgen(
        "list modalities",
        "inspect wine",
        "config init --modality tabular",
        "train --modality tabular --preset fast --samples 20000",
        "generate --n 60 --label --out made",
        "evaluate --fast --synthetic made",
        "score --data made --out scores.parquet",
        "augment --ratio 0.5 --format csv --out both",
        cwd=tmp_path,
        env=env,
    )
    assert "tabular" in {entry["name"] for entry in kinds["modalities"]}
    assert found["readings"][0]["records"] == 178
    assert "[network]" in config["toml"]
    assert run["labels"] == ["barbera", "barolo", "grignolino"]
    assert set(made["labels"].values()) == {20}
    frame = pd.read_parquet(tmp_path / "made" / "data")
    assert frame["proline"].dtype.kind == "i"
    assert frame["cultivar_name"].value_counts().to_dict() == {"barolo": 20, "grignolino": 20, "barbera": 20}
    rows = {row["name"]: row for row in report["metrics"]}
    for name in ("tstr", "c2st_auc", "column_shapes", "pair_trends"):
        assert rows[name]["error"] is None
        assert rows[name]["value"] is not None
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 60
    assert both["origin"]["synthetic"] > 0
    origins = {origin for file in (tmp_path / "both/data").glob("*.csv") for origin in pd.read_csv(file)["origin"]}
    assert origins == {"real", "synthetic"}


def test_it_uses_the_open_parts_of_the_core_alone() -> None:
    for path in sorted((PROJECT / "synthgen_tabular").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "synthgen":
                part = (node.module.split(".") + [alias.name for alias in node.names])[1]
                assert part in OPEN_PARTS, f"{path.name} imports {node.module}"


def test_nothing_in_the_core_names_it() -> None:
    for path in (ROOT / "synthgen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in ("tabular", "tabular-mlp", "synthgen_tabular"), f"{path}:{node.lineno}"
