"""Commands that plugins add, beside our own and loaded only when they are called.

`synthgen --help` shows each plugin command's name and summary from its `Spec`; its module is imported on first use.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from synthgen.errors import PluginError, UsageError

if TYPE_CHECKING:
    from typer._click.core import Command, Context  # what Typer's own signatures name

__all__ = ["ExtensibleGroup", "SuggestingGroup"]

_PANEL = "Commands of plugins"


class SuggestingGroup(TyperGroup):
    """A group that answers a mistyped command with the one that may have been meant."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command.

        Raises:
            UsageError: there is none of this name.
        """
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            group = ctx.command_path.partition(" ")[2]
            hint = f"Did you mean {close[0]}?" if close else f"Try: {ctx.command_path} --help"
            raise UsageError(f"no such command: {' '.join(filter(None, (group, args[0])))}", hint=hint)
        return super().resolve_command(ctx, args)


class ExtensibleGroup(SuggestingGroup):
    """Our commands, and those that the hook `synthgen_commands` returns."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Our own names first; a plugin cannot take one of them."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in _summaries() if name not in own)]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Our own command, or a stand-in with the plugin's summary."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        summary = _summaries().get(cmd_name)
        return None if summary is None else TyperCommand(cmd_name, help=summary, rich_help_panel=_PANEL)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Our own command, or the plugin's real one, imported now.

        Raises:
            UsageError: neither knows it, with what may have been meant.
        """
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or super().get_command(ctx, name) is not None:
            return name, command, rest
        return name, _load(name), rest


def _summaries() -> dict[str, str]:
    from synthgen.plugins import plugin_host

    return {record.spec.name: record.spec.summary for record in plugin_host().records("commands")}


def _load(name: str) -> Command:
    import typer

    from synthgen import registry

    target: Any = registry.load("commands", name)
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    raise PluginError(
        f"the plugin command {name} is a {type(target).__name__}, not a typer.Typer",
        hint="Let the target of its Spec name a typer.Typer object.",
    )
