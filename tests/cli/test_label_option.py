"""`--label` bare, with one value, with several, repeated, and with numbers."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from synthgen.cli.label_option import LabelCommand, SyntheticCommand, chosen_labels
from synthgen.errors import UsageError


def parse(*arguments: str) -> tuple[str, ...] | None:
    """What a command with the option understands, through Typer itself."""
    app = typer.Typer()
    seen: list[tuple[str, ...] | None] = []

    @app.command(cls=LabelCommand)
    def command(n: int = 1, label: list[str] | None = None, out: str = "") -> None:
        seen.append(chosen_labels(label))

    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        ([], None),
        (["--n", "4"], None),
        (["--label"], ()),
        (["--n", "4", "--label"], ()),
        (["--label", "--n", "4"], ()),
        (["--label", "--label"], ()),
        (["--label", "cat"], ("cat",)),
        (["--label=cat"], ("cat",)),
        (["--label", "cat", "--n", "4"], ("cat",)),
        (["--label", "cat", "dog"], ("cat", "dog")),
        (["--label", "cat", "--label", "dog"], ("cat", "dog")),
        (["--label", "cat", "dog", "--label=cat", "--out", "x"], ("cat", "dog")),
        (["--label", "-1"], ("-1",)),
        (["--label", "-1", "0", "1.5", "--n", "4"], ("-1", "0", "1.5")),
        (["--label=-1"], ("-1",)),
        (["--label", "*"], ("*",)),
        (["--label", "a,b"], ("a,b",)),
        (["--label", "a=b"], ("a=b",)),
    ],
)
def test_label_means_what_the_documentation_says(arguments: list[str], understood: tuple[str, ...] | None) -> None:
    assert parse(*arguments) == understood


def test_a_bare_label_beside_one_with_values_is_refused() -> None:
    with pytest.raises(UsageError, match="once without a value and once with cat"):
        parse("--label", "cat", "--label")


def test_other_options_keep_their_values() -> None:
    app = typer.Typer()
    seen = {}

    @app.command(cls=LabelCommand)
    def command(n: int = 1, label: list[str] | None = None, out: str = "") -> None:
        seen.update(n=n, label=label, out=out)

    CliRunner().invoke(app, ["--out", "here", "--label", "x", "y", "--n", "-5"], catch_exceptions=False)
    assert seen == {"n": -5, "label": ["x", "y"], "out": "here"}


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        (["--synthetic", "a", "b", "c", "--fast"], ["a", "b", "c"]),
        (["--synthetic", "a", "--synthetic", "b"], ["a", "b"]),
        (["--fast", "--synthetic=a"], ["a"]),
        (["--fast"], []),
    ],
)
def test_several_synthetic_data_sets_may_follow_one_option(arguments: list[str], understood: list[str]) -> None:
    app = typer.Typer()
    seen: list[list[str]] = []

    @app.command(cls=SyntheticCommand)
    def command(synthetic: list[str] | None = None, fast: bool = False) -> None:
        seen.append(synthetic or [])

    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert seen == [understood]
