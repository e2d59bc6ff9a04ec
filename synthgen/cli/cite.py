"""`synthgen cite`: the papers behind what a run really used, and no others.

`--json`: `{"run", "references": [{"key", "purpose", "text", "bibtex"}]}`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import RunOption

__all__ = ["cite"]


@reporting
def cite(
    console: Console,
    *,
    run: RunOption = None,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print BibTeX entries.")] = False,
) -> None:
    """Print the references for what a run used: network, noise, sampler, metrics."""
    from synthgen.cli.citations import used_by
    from synthgen.io.run import Run

    opened = Run.newest() if run is None else Run.open(run)
    techniques = used_by(opened.config)
    document = {
        "run": str(opened.path),
        "references": [
            {"key": each.key, "purpose": each.purpose, "text": each.text(), "bibtex": each.bibtex()}
            for each in techniques
        ],
    }
    lines = [each.bibtex() if bibtex else f"{each.text()}\n    for: {each.purpose}" for each in techniques]
    console.result("\n\n".join(lines) if bibtex else "\n".join(lines), document)
