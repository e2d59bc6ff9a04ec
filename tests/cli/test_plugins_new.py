"""`synthgen plugins new`: each kind of package is discovered, lints clean and passes its own tests as it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.cli.scaffold import KINDS, scaffold
from synthgen.errors import UsageError


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_found_lints_clean_and_passes_its_own_tests(
    kind: str, tmp_path: Path, run_cli: Callable[..., Any], stranger: Any
) -> None:
    project = tmp_path / "synthgen-my-thing"
    ran = run_cli("plugins", "new", "my-thing", "--kind", kind, "--out", str(project), "--json")
    assert ran.code == 0, ran.stderr
    assert json.loads(ran.stdout)["kind"] == kind
    stranger.install(project, tmp_path / "site")
    env = stranger.environment(tmp_path / "site", project)
    tests = stranger.python("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, env=env)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    listed = stranger.python("-m", "synthgen", "plugins", "--json", cwd=tmp_path, env=env)
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(listed.stdout)}
    assert states["my-thing"] == "active"
    for step in (["check"], ["format", "--check"]):
        lint = stranger.python("-m", "ruff", *step, "--no-cache", str(project), cwd=project, env=env)
        assert lint.returncode == 0, lint.stdout


@pytest.mark.slow
def test_every_new_package_is_typed_strictly(tmp_path: Path, stranger: Any) -> None:
    for kind in KINDS:
        project = tmp_path / kind
        scaffold(f"a-{kind}", kind=kind, modality="timeseries", out=project)
        env = stranger.environment(project) | {"MYPYPATH": str(project)}
        cache = f"--cache-dir={tmp_path / 'cache'}"
        ran = stranger.python("-m", "mypy", "--strict", cache, "-p", f"synthgen_a_{kind}", cwd=project, env=env)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("name", ["My-Spectra", "3d", "a b", "../up", "a--b", ""])
def test_an_impossible_name_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a plugin's name"):
        scaffold(name, kind="sampler", modality="image", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ran = run_cli("plugins", "new", "thing", "--out", str(tmp_path))
    assert ran.code == 2
    assert "is not empty" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_mistyped_kind_is_answered_with_the_right_one(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("plugins", "new", "thing", "--kind", "sampelr")
    assert ran.code == 2
    assert "Did you mean sampler?" in ran.stderr
