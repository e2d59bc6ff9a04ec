"""`synthgen config show|init|validate`: look at, start and check a configuration file.

`--json`: `show` and `validate` print the configuration as nested objects; `init` prints `{"file", "toml"}`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import ConfigFileOption, ForceOption, ModalityOption, SetOption
from synthgen.cli.user_layers import checked_layers, user_layers
from synthgen.errors import UsageError

__all__ = ["app", "commented_toml"]

app = typer.Typer(no_args_is_help=True, help="Show, start or check a configuration.")

_HEADER = """\
# Configuration of synthgen. Use it with: synthgen train --config THIS_FILE
# A line "#key = value" shows the value that applies when the key stays unset, before synthgen has looked at your data
# (sizes, dropout and budget follow from it). Take the "#" away and change the value to decide yourself.
"""

PresetOption = Annotated[
    str | None, typer.Option("--preset", "-p", metavar="P", help="Named set of choices of the modality.")
]


@reporting
def show(
    console: Console,
    *,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="The configuration that this run was trained with.")
    ] = None,
    modality: ModalityOption = None,
    preset: PresetOption = None,
    config: ConfigFileOption = None,
    assignments: SetOption = None,
) -> None:
    """Print the whole configuration: of a run, or as your file, SYNTHGEN_SET, --set and flags make it."""
    from synthgen.config import dump_toml, resolve

    if run is not None:
        if modality or preset or config or assignments:
            raise UsageError("--run shows what a run was trained with", hint="Leave the other options away.")
        from synthgen.io.run import Run

        resolved = Run.open(run).config
    else:
        layers = checked_layers(config, assignments, {"modality": modality, "preset": preset})
        resolved = resolve([_preset_layer(layers["modality"], layers.get("preset", "default")), layers])
    console.result(dump_toml(resolved), resolved.model_dump(mode="json"))


@reporting
def init(
    console: Console,
    *,
    modality: ModalityOption = None,
    preset: PresetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; stdout when absent.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Print (or write) a commented configuration file with every key, its meaning and its value."""
    text = commented_toml(modality or "image", preset or "default")
    if out is None:
        console.result(text, {"file": None, "toml": text})
        return
    if out.exists() and not force:
        raise UsageError(f"{out} exists", hint="--force overwrites it.")
    from synthgen.io.atomic import write_text

    write_text(out, text)
    console.result(str(out), {"file": str(out), "toml": text})


@reporting
def validate(
    console: Console,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to check.", show_default=False)],
    assignments: SetOption = None,
) -> None:
    """Check a configuration file: every key known, every value in range, the modality and preset there."""
    from synthgen.config import resolve

    layers = user_layers(file, assignments, {})
    named = {"modality": "image"} if "modality" not in layers else {}
    resolved = resolve([named, layers])
    if not named:
        _preset_layer(resolved.modality, resolved.preset)
    console.result(f"{file} is valid", resolved.model_dump(mode="json"))


app.command("show")(show)
app.command("init")(init)
app.command("validate")(validate)


def commented_toml(modality: str, preset: str) -> str:
    """Every key with its meaning; settings commented out, but for modality and preset."""
    from synthgen.config import dump_toml, resolve

    resolved = resolve([_preset_layer(modality, preset), {"modality": modality, "preset": preset}])
    lines = []
    inside = False
    for line in dump_toml(resolved, comments=True).splitlines():
        inside = inside or line.startswith("[")
        setting = re.match(r"\w+ = ", line) is not None
        lines.append(f"#{line}" if inside and setting else line)
    return _HEADER + "\n" + "\n".join(lines) + "\n"


def _preset_layer(modality: str, preset: str) -> dict[str, Any]:
    import difflib

    from synthgen import registry

    presets = registry.modality(modality).presets()
    if preset not in presets:
        close = difflib.get_close_matches(preset, presets, n=1)
        raise UsageError(
            f"the modality {modality} has no preset {preset}",
            hint=f"Did you mean {close[0]}?" if close else f"Its presets are {', '.join(sorted(presets))}.",
        )
    return dict(presets[preset])
