"""`synthgen cite`: the papers behind what a run or a data set really used, and no others; or all there are.

`--json`: `{"run", "data", "references": [{"key", "purpose", "text", "bibtex"}]}`; `run` and `data` are null where
none is meant.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import RunOption

if TYPE_CHECKING:
    from synthgen.cli.citation import Technique

__all__ = ["cite"]


@reporting
def cite(
    console: Console,
    *,
    run: RunOption = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A generated data set: how it was made, and the run behind it."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every reference, whatever was used.")] = False,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print BibTeX entries.")] = False,
) -> None:
    """Print the references for what a run or data set used: network, noise, sampler, metrics."""
    from synthgen.cli.citations import TECHNIQUES
    from synthgen.errors import UsageError

    if every and (run is not None or data is not None):
        raise UsageError("--all is every reference, --run and --data ask for some", hint="Leave --all away.")
    path, techniques = (None, list(TECHNIQUES)) if every else _used(run, data)
    document = {
        "run": None if path is None else str(path),
        "data": None if data is None else str(data),
        "references": [
            {"key": each.key, "purpose": each.purpose, "text": each.text(), "bibtex": each.bibtex()}
            for each in techniques
        ],
    }
    lines = [each.bibtex() if bibtex else f"{each.text()}\n    for: {each.purpose}" for each in techniques]
    console.result("\n\n".join(lines) if bibtex else "\n".join(lines), document)


def _used(path: Path | None, data: Path | None) -> tuple[Path, list[Technique]]:
    """The run, and what it or the data set made with it used.

    Raises:
        DatasetError: there is no data set.
        RunError: there is no run, or it is not the one that made the data set.
    """
    from synthgen.cli.citations import shown_by, used_by
    from synthgen.errors import DatasetError, RunError
    from synthgen.generation.plan import Plan
    from synthgen.io.run import Run

    if data is None:
        run = Run.newest() if path is None else Run.open(path)
        return run.path, used_by(run.config, shown_by(run))
    if not (data / "plan.json").is_file():
        raise DatasetError(f"{data} is not a data set of synthgen: there is no plan.json in it")
    plan = Plan.read(data)
    run = Run.open(plan.run if path is None else path)
    if run.fingerprint != plan.model:
        raise RunError(f"{run.path} did not make {data}: its model is another", hint="Name the run with --run RUN.")
    return run.path, used_by(run.config.model_copy(update={"sampling": plan.sampling}), shown_by(run, plan))
