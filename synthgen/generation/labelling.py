"""Labelling records of which one part is missing: the mask of an image, with how sure the model is of each pixel."""

from __future__ import annotations

from pathlib import Path

from synthgen.errors import UsageError
from synthgen.generation.dataset import Dataset
from synthgen.generation.generating import Progress, as_run, generate
from synthgen.generation.given import Given
from synthgen.generation.parts import known_parts
from synthgen.io.run import Run

__all__ = ["label"]


def label(
    data: Path | str,
    run: Run | Path | str | None = None,
    *,
    out: Path | str | None = None,
    steps: int | None = None,
    ignore_below: float = 0.0,
    seed: int = 0,
    format: str | None = None,
    workers: int = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write given images with masks drawn to them, one record an image, and the margin of every pixel.

    The margin is the probability of the likeliest class minus that of the second, as the last estimate has them. What
    the model has never seen it labels all the same: look at the margins, and at some of the masks.

    Args:
        data: images, alone or with masks that are not looked at.
        run: of images and masks, trained with `noise.clean` above 0 as is usual; None: the newest below `runs/`.
        out: the data set's directory; None: `synthetic/<run>-<k>`.
        steps: network evaluations a record; None: the run's own.
        ignore_below: pixels with a smaller margin get the ignored id, 255.
        seed: the same seed gives the same masks.
        format: name from `synthgen list writers`; None: the modality's first.
        workers: processes.
        force: replace a data set at `out`.
        progress: called with `{"kind", "records", "total", "seconds", ...}`.

    Raises:
        UsageError: the run cannot draw masks to images, or an impossible margin.
    """
    run = as_run(run)
    if not 0 <= ignore_below <= 1:
        raise UsageError(f"ignore_below is {ignore_below:g}: a margin lies in 0..1")
    if "image" not in known_parts(run):
        raise UsageError(
            f"{run.path} draws no masks to images",
            hint="Runs of images and masks do, unless noise.clean is 0, as it is in private and distilled runs.",
        )
    return generate(
        run,
        given=Given(data, part="image", ignore_below=ignore_below),
        steps=steps,
        seed=seed,
        format=format,
        out=out,
        workers=workers,
        force=force,
        progress=progress,
    )
