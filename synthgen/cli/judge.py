"""`synthgen judge`: a page on which a person tries to tell real from synthetic records.

`--json`: `{"page", "records"}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import RunOption, SeedOption

__all__ = ["judge"]


@reporting
def judge(
    console: Console,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Synthetic data set.")],
    *,
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page; DIR/judge.html when absent.")
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", min=10, help="Records that are shown.")] = 40,
    seed: SeedOption = 0,
) -> None:
    """Write one offline page that shows real and synthetic records blind.

    The reader votes on each; the page ends with the share of right answers
    and its 95 % interval. Open it in any browser; it loads nothing.
    """
    from synthgen.evaluation.blind import write_judging_page

    page = write_judging_page(run, directory, out=out, n=n, seed=seed)
    console.result(str(page.path), {"page": str(page.path), "records": n})
