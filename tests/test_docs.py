"""The documentation: pages are in the navigation, links lead somewhere, commands parse, configuration keys exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from synthgen.cli import app
from synthgen.cli.label_option import spread_label_values
from synthgen.config import resolve

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
README = ROOT / "README.md"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def navigation(entries: list[object]) -> list[str]:
    found: list[str] = []
    for entry in entries:
        assert isinstance(entry, dict)
        for target in entry.values():
            found += navigation(target) if isinstance(target, list) else [target]
    return found


def anchors(text: str) -> set[str]:
    """The anchors of headings, as Python-Markdown makes them."""
    prose = re.sub(r"(?ms)^```.*?^```", "", text)
    titles = re.findall(r"(?m)^#+ (.+)$", prose)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def commands(text: str) -> list[str]:
    blocks = re.findall(r"(?ms)^```(?:\w*)\n(.*?)^```", text)
    lines = [line for block in blocks for line in block.splitlines()]
    return [re.split(r"\s{2,}#|\s#\s", line)[0].strip() for line in lines if line.startswith("synthgen ")]


def test_every_page_is_in_the_navigation_once() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(navigation(site["nav"])) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_an_anchor_that_exist(page: str) -> None:
    prose = re.sub(r"(?ms)^```.*?^```", "", text_of(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (DOCS / page).parent / path if path else DOCS / page
        assert file.is_file(), f"{page} links to {target}"
        assert file.resolve().is_relative_to(DOCS), f"{page} links out of the site: {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page} links to {target}"


PAIRS = [(page, line) for page in PAGES for line in commands(text_of(page))]
PAIRS += [("README.md", line) for line in commands(README.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "line"), PAIRS, ids=lambda value: value if isinstance(value, str) else None)
def test_every_command_that_is_shown_parses(page: str, line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = typer.main.get_command(app)
    context = command.make_context("synthgen", ["list"])
    command = command.get_command(context, name)  # type: ignore[attr-defined]
    assert command is not None, f"{page}: {line}"
    while hasattr(command, "commands") and arguments and arguments[0] in command.commands:
        command = command.commands[arguments.pop(0)]
    given = spread_label_values(arguments) if name == "generate" else arguments
    command.make_context(name, given, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES)
def test_every_configuration_key_that_is_shown_exists(page: str) -> None:
    for section, key in re.findall(r"`(data|network|noise|loss|optim|ema|train|sampling)\.(\w+)", text_of(page)):
        if (section, key) in {("data", "source"), ("data", "scaled_codec"), ("data", "vectors"), ("data", "outcome")}:
            continue
        assert key in type(getattr(resolve([{"modality": "image"}]), section)).model_fields, f"{page}: {section}.{key}"


def test_no_page_promises_a_guarantee_of_privacy() -> None:
    for page in PAGES:
        assert not re.search(r"(?i)guarantees? (your )?privacy|privacy[- ]safe|anonymous data", text_of(page)), page
