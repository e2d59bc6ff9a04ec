"""`synthgen config show|init|validate`: look at, start and check a configuration file.

`--json`: `show` and `validate` print the configuration as nested objects; `init` prints `{"file", "toml"}`. A file that
is not valid is an error document whose message has a line for each fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.plugin_commands import SuggestingGroup
from synthgen.cli.shared_options import (
    ConfigFileOption,
    DataOption,
    ForceOption,
    LabelColumnOption,
    ModalityOption,
    SetOption,
)
from synthgen.cli.user_layers import checked_layers, user_layers
from synthgen.errors import SynthgenError, UsageError

__all__ = ["app", "commented_toml", "toml_for_data"]

app = typer.Typer(cls=SuggestingGroup, no_args_is_help=True, help="Show, start or check a configuration.")

_HEADER = """\
# Configuration of synthgen. Use it with: synthgen train --config THIS_FILE
# A line "#key = value" shows the value that applies when the key stays unset, before synthgen has looked at your data
# (sizes, dropout and budget follow from it). Take the "#" away and change the value to decide yourself.
"""

_HEADER_FOR_DATA = """\
# Configuration of synthgen for your data. Use it with: synthgen train --config THIS_FILE
# A line "#key = value" shows the value that synthgen chooses for this data while the key stays unset; a line "# here:"
# says why. Take the "#" away and change the value to decide yourself.
#
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
    data: DataOption = None,
    label_column: LabelColumnOption = None,
    preset: PresetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; stdout when absent.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Print (or write) a commented configuration file with every key, its meaning and its value.

    With --data the values are those for your data, each with the reason
    why it is what it is; the file trains on that data as it stands.
    """
    if data is None:
        text = commented_toml(modality or "image", preset or "default")
    else:
        named = {"modality": modality or "image", "preset": preset, "data.path": data}
        text = toml_for_data(checked_layers(None, None, {**named, "data.label_column": label_column}))
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
    """Check a configuration file: every key known, every value in range, every name there. All faults are listed."""
    from synthgen.config import resolve
    from synthgen.errors import ConfigError

    layers = user_layers(file, assignments, {})
    named = {"modality": "image"} if "modality" not in layers else {}
    faults = _faults(file, [named, layers], check_preset=not named)
    if len(faults) == 1:
        raise ConfigError(faults[0])
    if faults:
        raise ConfigError(f"{len(faults)} faults:\n  " + "\n  ".join(faults))
    console.result(f"{file} is valid", resolve([named, layers]).model_dump(mode="json"))


def _faults(file: Path, layers: Sequence[Mapping[str, Any]], *, check_preset: bool) -> list[str]:
    """A sentence for each fault, with file and line where the key stands, and what may have been meant."""
    from synthgen import registry
    from synthgen.config import problems, resolve

    found = [(path, message, hint) for path, message, hint in problems(layers)]
    if not found:
        config = resolve(layers)
        if check_preset:
            found += _attempt("preset", lambda: _preset_layer(config.modality, config.preset))
        found += _attempt("network.name", lambda: registry.find("networks", config.network.name))
        found += _attempt("sampling.sampler", lambda: registry.find("samplers", config.sampling.sampler))
    text = file.read_text(encoding="utf-8")
    sentences = []
    for path, message, hint in found:
        line = _line_of(path, text)
        place = f"{file}:{line}: " if line else ""
        sentences.append(f"{place}{message}" + (f". {hint}" if hint else ""))
    return sentences


def _attempt(path: str, action: Callable[[], Any]) -> list[tuple[str, str, str]]:
    try:
        action()
    except SynthgenError as error:
        return [(path, f"configuration key {path}: {error.message}", error.hint)]
    return []


def _line_of(path: str, text: str) -> int | None:
    """The line of a TOML file where a key of a section stands, from 1; None when it is not in the file."""
    section, _, key = path.rpartition(".")
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([\w.]+)\]", line):
            inside = header[1]
            if inside == path:
                return number
        elif inside == section.split(".")[0] and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return None


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


def toml_for_data(layers: dict[str, Any]) -> str:
    """Every key with its meaning, its value for this data and why; only modality, preset and data are set."""
    from synthgen.config import dump_toml
    from synthgen.training.explaining import choices_of
    from synthgen.training.prepare import prepare

    prepared = prepare(layers)
    choices = {choice.key: choice for choice in choices_of(prepared, layers)}
    lines = []
    section = ""
    for line in dump_toml(prepared.config, comments=True).splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            section = header[1]
        setting = re.match(r"(\w+) = ", line)
        choice = choices.get(f"{section}.{setting[1]}") if setting and section else None
        if choice is None or choice.origin == "user" or choice.key == "data.path":
            lines.append(line)
            continue
        if choice.reason:
            lines.append(f"# here: {choice.reason} (default: {_shown(choice.default)})")
        lines.append(f"#{line}")
    sizes = ", ".join(f"{name} {size:,}" for name, size in prepared.split.sizes().items() if size)
    found = (
        f"# {prepared.config.data.path}: {len(prepared.source):,} records of shape "
        f"{' x '.join(map(str, prepared.schema.shape))}; split: {sizes}\n"
        f"# labels: {', '.join(prepared.schema.labels[:20]) or 'none'}\n"
    )
    return _HEADER_FOR_DATA + found + "\n" + "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return "unset" if value is None else str(list(value)) if isinstance(value, tuple) else str(value)


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
