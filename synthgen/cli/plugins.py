"""`synthgen plugins`: what is installed beside synthgen and what is wrong with it; `plugins new` starts one.

`--json`: a list of `{"name", "distribution", "version", "state", "reason", "hooks"}`, the state being `active`,
`disabled` or `failed`; `new` prints `{"directory", "kind", "files"}`.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.plugin_commands import SuggestingGroup
from synthgen.cli.scaffold import KINDS, scaffold
from synthgen.cli.table import table
from synthgen.errors import UsageError

__all__ = ["app"]

app = typer.Typer(cls=SuggestingGroup)


@app.callback(invoke_without_command=True)
@reporting
def plugins(console: Console, *, context: typer.Context) -> None:
    """List the plugins, with the reason where one failed; `plugins new NAME` starts one.

    SYNTHGEN_PLUGINS=a,b loads only those, SYNTHGEN_DISABLE_PLUGINS=a leaves
    one out, SYNTHGEN_STRICT_PLUGINS=1 makes a failure an error.
    """
    if context.invoked_subcommand is not None:
        return
    from synthgen.plugins import plugin_host

    statuses = plugin_host().statuses
    rows = [
        (status.name, status.state, f"{status.distribution} {status.version}".strip(), ", ".join(status.hooks))
        for status in statuses
    ]
    reasons = [f"{status.name}: {status.reason}" for status in statuses if status.reason]
    text = table(("plugin", "state", "distribution", "hooks"), rows) if rows else "no plugins"
    console.result("\n".join([text, *reasons]), plugin_host().as_json())


@app.command("new")
@reporting
def new(
    console: Console,
    *,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of what it provides, such as my-spectra.", show_default=False)
    ],
    kind: Annotated[str, typer.Option("--kind", "-k", metavar="KIND", help=f"One of {', '.join(KINDS)}.")] = "modality",
    modality: Annotated[
        str, typer.Option("--modality", "-m", metavar="NAME", help="For a writer: whose records it writes.")
    ] = "timeseries",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Directory; `synthgen-NAME` when absent.")
    ] = None,
) -> None:
    """Write a runnable, typed and tested package for a plugin of your own.

    What it holds works as it is and passes its own tests;
    change it piece by piece to what you need.
    """
    if kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        raise UsageError(
            f"no plugin of kind {kind}",
            hint=f"Did you mean {close[0]}?" if close else f"The kinds are {', '.join(KINDS)}.",
        )
    directory = out or Path(f"synthgen-{name.removeprefix('synthgen-')}")
    files = scaffold(name, kind=kind, modality=modality, out=directory)
    listed = "\n".join(f"  {file.relative_to(directory)}" for file in files)
    document = {"directory": str(directory), "kind": kind, "files": [str(file) for file in files]}
    console.result(f"{directory}\n{listed}", document)
    console.note(f"Next: pip install -e {directory} && pytest {directory}")
