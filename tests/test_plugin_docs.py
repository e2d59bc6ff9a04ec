"""The plugin page names every hook with its arguments, shows the template as it is, and mentions every control."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from synthgen import api, hookspecs

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
TEMPLATE = ROOT / "examples" / "plugin-template"


@pytest.mark.parametrize("hook", hookspecs.__all__)
def test_each_hook_stands_in_the_table_with_its_arguments(hook: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{hook}` |"))
    arguments = row.split("|")[2]
    assert [name.strip(" `") for name in arguments.split(",") if name.strip()] == list(
        inspect.signature(getattr(hookspecs, hook)).parameters
    )


@pytest.mark.parametrize("hook", hookspecs.__all__)
def test_each_hook_is_documented_with_an_example(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook))
    assert text is not None
    assert "Example:" in text
    assert f"def {hook}(" in text


def test_no_hook_is_left_out_of_the_public_list() -> None:
    functions = {name for name in vars(hookspecs) if name.startswith("synthgen_")}
    assert functions == set(hookspecs.__all__)


@pytest.mark.parametrize("file", ["synthgen_midpoint/__init__.py", "synthgen_midpoint/midpoint.py"])
def test_the_tutorial_shows_the_template_word_for_word(file: str) -> None:
    assert (TEMPLATE / file).read_text(encoding="utf-8") in PAGE


def test_the_fields_of_a_record_and_the_controls_are_named() -> None:
    for field in dataclasses.fields(api.Spec):
        assert f"`{field.name}`" in PAGE or f"{field.name}=" in PAGE or f"{field.name}," in PAGE
    for variable in ("SYNTHGEN_PLUGINS", "SYNTHGEN_DISABLE_PLUGINS", "SYNTHGEN_STRICT_PLUGINS"):
        assert variable in PAGE
