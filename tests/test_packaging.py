"""What is installed is what is in the tree, and what is imported is what is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import synthgen

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DIRECTORIES = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir() and path.name != "__pycache__"}


@cache
def constraints() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]


def declared(*extras: str) -> list[Requirement]:
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for group in groups for line in group]


def test_every_plugin_directory_is_packaged_and_has_an_entry_point() -> None:
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {"synthgen"} | {f"plugins/{name}" for name in DIRECTORIES}
    points = PROJECT["entry-points"]["synthgen"]
    assert points == {name.removeprefix("synthgen_"): name for name in DIRECTORIES}


def test_the_installed_entry_points_are_those_of_the_project() -> None:
    ours = {point.name: point.value for point in entry_points(group="synthgen") if point.dist.name == "synthgen"}
    assert ours == PROJECT["entry-points"]["synthgen"]


def test_every_package_is_marked_as_typed() -> None:
    for package in (ROOT / "synthgen", *(ROOT / "plugins" / name for name in DIRECTORIES)):
        assert (package / "py.typed").is_file(), package


def test_the_version_has_one_source() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "synthgen/__init__.py"
    assert version("synthgen") == synthgen.__version__
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{synthgen.__version__}]" in text


def test_the_public_names_are_sorted_and_each_loads() -> None:
    assert synthgen.__all__ == sorted(synthgen.__all__)
    for name in synthgen.__all__:
        assert getattr(synthgen, name) is not None


def test_constraints_hold_plain_versions_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines))
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+( ; .+)?", line), line
        assert "--" not in line
        assert "://" not in line


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_each_dependency_has_exactly_one_version_for_each_python(python: str) -> None:
    for platform in ("linux", "darwin"):
        machine = {
            "python_version": python,
            "python_full_version": f"{python}.9",
            "sys_platform": platform,
            "platform_system": platform.capitalize(),
            "platform_machine": "x86_64",
        }
        environment = {**default_environment(), **machine}
        chosen: dict[str, str] = {}
        for pin in constraints():
            if pin.marker is None or pin.marker.evaluate(environment):
                name = canonicalize_name(pin.name)
                assert name not in chosen, f"{name} has two versions on Python {python}"
                chosen[name] = next(iter(pin.specifier)).version
        for requirement in declared("dev"):
            name = canonicalize_name(requirement.name)
            assert name in chosen, f"{name} has no line in constraints.txt for Python {python} on {platform}"
            assert requirement.specifier.contains(chosen[name]), f"{requirement} against {chosen[name]}"


def test_every_package_that_is_imported_is_declared() -> None:
    extras = [extra for extra in PYPROJECT["project"]["optional-dependencies"] if extra != "dev"]
    names = {canonicalize_name(requirement.name) for extra in extras for requirement in declared(extra)}
    owners = {"mlflow": ["mlflow-skinny"], **packages_distributions()}
    for folder in ("synthgen", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    modules = [node.module]
                for module in modules:
                    top = module.split(".")[0]
                    if top in sys.stdlib_module_names or top.startswith("synthgen"):
                        continue
                    found = {canonicalize_name(owner) for owner in owners.get(top, [top])}
                    assert found & names, f"{path}:{node.lineno} imports {top}, which pyproject.toml does not declare"
