"""`synthgen label`: images in, the same images with masks out.

`--json`: what `synthgen generate --json` prints.
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.generate import describe_dataset, summarise_dataset
from synthgen.cli.shared_options import ForceOption, OutOption, RunOption, SeedOption, StepsOption

__all__ = ["label"]


@reporting
def label(
    console: Console,
    data: Annotated[str, typer.Argument(metavar="PATH|NAME", help="Images; masks beside them are not looked at.")],
    *,
    run: RunOption = None,
    out: OutOption = None,
    steps: StepsOption = None,
    ignore_below: Annotated[
        float,
        typer.Option(metavar="P", min=0, max=1, help="Write 255 (ignored) where the margin is smaller than this."),
    ] = 0.0,
    seed: SeedOption = 0,
    format: Annotated[
        str | None, typer.Option("--format", "-f", metavar="F", help="Name from `synthgen list writers`.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", metavar="W", min=1, help="Processes.")] = 1,
    force: ForceOption = False,
) -> None:
    """Draw a mask to each image: labels to correct rather than to draw.

    With a run of images and masks (not a private or distilled one).
    Beside each mask stands its margin: how much likelier each pixel's class
    is than the second, 255 is certain.
    """
    from synthgen.generation.labelling import label as label_images

    with console.progress("label") as progress:
        dataset = label_images(
            data,
            run,
            out=out,
            steps=steps,
            ignore_below=ignore_below,
            seed=seed,
            format=format,
            workers=workers,
            force=force,
            progress=progress,
        )
    document = describe_dataset(dataset)
    console.result(summarise_dataset(document), document)
