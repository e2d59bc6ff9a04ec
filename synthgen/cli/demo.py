"""`synthgen demo`: train, generate, evaluate and score on real data that comes with synthgen, offline.

`--json`: `{"modalities": [{"modality", "run", "dataset", "report", "scores", "seconds", "verdict": [...]}]}`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import ForceOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Writer
    from synthgen.evaluation.denoising import ScoringCondition
    from synthgen.io.run import Run

__all__ = ["demo"]

_TRAINING_MINUTES = {"mask": 35 / 60}
_OTHERS_MINUTES = 45 / 60
_FEWEST, _MOST, _MOST_MASKS = 200, 1000, 500
_SCORED = 100


@reporting
def demo(
    console: Console,
    *,
    modality: Annotated[
        str | None,
        typer.Option("--modality", "-m", metavar="NAME", help="image, timeseries or mask; all three when absent."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Training time for each; about one when absent.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where everything goes.")] = Path("demo"),
    force: ForceOption = False,
) -> None:
    """Run everything once on embedded real data: about two minutes for each modality, offline.

    Ends with the verdict in words and where to find data set and report.
    The same command again resumes.
    """
    names = (modality,) if modality is not None else ("image", "timeseries", "mask")
    from synthgen import registry

    for name in names:
        registry.find("modalities", name)
    results = [_demonstrate(console, name, minutes, out / name, force=force) for name in names]
    console.result("\n\n".join(_text(result) for result in results), {"modalities": results})


def _demonstrate(console: Console, modality: str, minutes: float | None, place: Path, *, force: bool) -> dict[str, Any]:
    """One modality, all four verbs."""
    from synthgen.evaluation import evaluate, score
    from synthgen.generation import generate
    from synthgen.training import train

    started = time.monotonic()
    budget = _TRAINING_MINUTES.get(modality, _OTHERS_MINUTES) if minutes is None else minutes
    console.note(f"== {modality}: training for {budget * 60:.0f} s, then generate, evaluate and score")
    with console.progress(f"{modality}: train") as progress:
        overrides = {"modality": modality, "train": {"minutes": budget}}
        run = train(overrides, out=place / "run", force=force, progress=progress)
    count = min(max(len(run.split.train), _FEWEST), _MOST_MASKS if modality == "mask" else _MOST)
    with console.progress(f"{modality}: generate") as progress:
        dataset = generate(
            run, n=count, labels=() if run.schema.labels else None, out=place / "data", force=force, progress=progress
        )
    with console.progress(f"{modality}: evaluate") as progress:
        report = evaluate(run, dataset.path, out=place / "report", fast=True, progress=progress)
    with console.progress(f"{modality}: score") as progress:
        new = _new_records(run, place / "new")
        # Told the label, a record costs a third of what trying every class does; two minutes are soon over.
        condition: ScoringCondition = "label" if modality == "mask" else "best"
        scores = score(run, new, out=place / "scores", condition=condition, force=force, progress=progress)
    return {
        "modality": modality,
        "run": str(run.path),
        "dataset": str(dataset.path),
        "report": str(report.html),
        "scores": str(scores.report),
        "seconds": round(time.monotonic() - started, 1),
        "verdict": [*report.verdict, *scores.verdict],
    }


def _new_records(run: Run, directory: Path) -> Path:
    """Some held-out records as a data set of their own, as if they had arrived after training."""
    import numpy as np

    from synthgen import registry

    held_out = np.sort(run.split.holdout)
    chosen = held_out[np.linspace(0, len(held_out) - 1, min(_SCORED, len(held_out))).astype(np.int64)]
    writer: Writer = registry.create("writers", run.modality.formats[0], run.config.modality)
    columns: dict[str, NDArray[Any]] = {
        "sample_id": chosen,
        "seed": np.full(len(chosen), -1, dtype=np.int64),
        "guidance": np.full(len(chosen), np.nan, dtype=np.float32),
    }
    writer.write(directory, 0, 1, run.source().read(chosen), columns, run.schema, {})
    writer.finish(directory, run.schema, 1)
    return directory


def _text(result: dict[str, Any]) -> str:
    lines = [f"{result['modality']} ({result['seconds']:.0f} s)"]
    lines += [f"  {sentence}" for sentence in result["verdict"]]
    lines += [
        f"  {title:9}{result[key]}"
        for title, key in (("data set", "dataset"), ("report", "report"), ("scores", "scores"))
    ]
    return "\n".join(lines)
