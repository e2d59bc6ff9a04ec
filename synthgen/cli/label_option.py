"""Options with several values, spread before Typer parses: `--label` with none, one or more, `--synthetic A B C`.

    --label                 every class equally
    --label cat             that class
    --label cat dog         those classes; the same as --label cat --label dog
    --label -1              the class "-1": a number is a value, never an option

Typer has no option with an optional value (its `flag_value` does nothing since Click is vendored), hence the rewriting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typer.core import TyperCommand

from synthgen.errors import UsageError

if TYPE_CHECKING:
    from typer._click.core import Context  # what Typer's own signature names

__all__ = [
    "EVERY_CLASS",
    "LabelCommand",
    "SyntheticCommand",
    "chosen_labels",
    "spread_label_values",
    "spread_values",
]

EVERY_CLASS = "\x00every class"
"""Stands for a bare `--label`; NUL cannot occur in an argument that a user types."""

_OPTION = "--label"


def spread_label_values(arguments: Sequence[str]) -> list[str]:
    """Rewrite every `--label` to `--label=VALUE` options, one for each value that follows it."""
    return spread_values(arguments, _OPTION, bare=EVERY_CLASS)


def spread_values(arguments: Sequence[str], option: str, *, bare: str | None = None) -> list[str]:
    """Rewrite an option with several values to one `option=VALUE` for each.

    Args:
        arguments: of the command.
        option: its name.
        bare: what stands for no value; None: left for Typer to complain about.
    """
    spread: list[str] = []
    position = 0
    while position < len(arguments):
        token = arguments[position]
        position += 1
        if token == "--":
            return [*spread, token, *arguments[position:]]
        if token != option:
            spread.append(token)
            continue
        first = position
        while position < len(arguments) and _is_value(arguments[position]):
            position += 1
        values = arguments[first:position] or ([] if bare is None else [bare])
        spread.extend([f"{option}={value}" for value in values] or [option])
    return spread


def chosen_labels(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """What `generate` takes: None when absent (as trained), `()` when bare (every class equally), otherwise the names.

    Raises:
        UsageError: both bare and with values.
    """
    if not values:
        return None
    names = tuple(dict.fromkeys(value for value in values if value != EVERY_CLASS))
    if names and EVERY_CLASS in values:
        raise UsageError(
            f"--label stands once without a value and once with {', '.join(names)}",
            hint="Bare --label means every class equally; with values it means only those.",
        )
    return names


def _is_value(token: str) -> bool:
    return not token.startswith("-") or _is_number(token)


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


class LabelCommand(TyperCommand):
    """A command whose `--label` may stand without a value."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Spread the values of `--label`, then parse as usual."""
        return super().parse_args(ctx, spread_label_values(args))


class SyntheticCommand(TyperCommand):
    """A command whose `--synthetic` takes several data sets."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Spread the values of `--synthetic`, then parse as usual."""
        return super().parse_args(ctx, spread_values(args, "--synthetic"))
