"""`synthgen train`: data in, a run directory out.

`--json`: `{"run", "modality", "preset", "data", "records", "labels", "samples", "held_out", "seconds", "fingerprint"}`.
With `--explain` nothing is trained, and it is `{"data", "choices": [{"key", "value", "default", "origin", "reason"}],
"records", "split", "shape", "labels", "notes", "parameters", "precision", "device", "seconds_a_step",
"samples_a_second", "estimated_seconds"}`; `origin` is `default`, `data`, `preset`, `user` or `measured`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    ConfigFileOption,
    DataOption,
    ForceOption,
    GroupColumnOption,
    IdColumnOption,
    ImageSizeOption,
    LabelColumnOption,
    ModalityOption,
    SetOption,
    StrideOption,
    TimeColumnOption,
    ValueColumnOption,
    WindowOption,
)
from synthgen.cli.train_explained import explained, explained_document
from synthgen.cli.user_layers import checked_layers
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["describe_run", "train"]

_PRIVACY = "Differential privacy"


@reporting
def train(
    console: Console,
    *,
    modality: ModalityOption = None,
    data: DataOption = None,
    label_column: LabelColumnOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="Run directory; `runs/<modality>-<data>-<n>` when absent."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", "-p", metavar="P", help="Named set of choices of the modality.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Train for this long. Not together with --samples.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", help="Train on this many records, repeats counted.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", help="Seed of everything random.")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on where the run in --out stopped.")] = True,
    init: Annotated[
        Path | None, typer.Option("--init", metavar="RUN", help="Start from the weights of another run (fine-tuning).")
    ] = None,
    continued: Annotated[
        Path | None,
        typer.Option("--continue", metavar="RUN", help="Learn --data beside what RUN knows; say what it forgot."),
    ] = None,
    upsample_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Super-resolution: learn to enlarge what RUN makes to the size of --data."),
    ] = None,
    dp_epsilon: Annotated[
        float | None,
        typer.Option(metavar="E", help="Differential privacy: how much one record may show.", rich_help_panel=_PRIVACY),
    ] = None,
    dp_delta: Annotated[
        float | None,
        typer.Option(
            metavar="D", help="And with which failure probability; below 1/records.", rich_help_panel=_PRIVACY
        ),
    ] = None,
    dp_public: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Public data to learn the scaling from.", rich_help_panel=_PRIVACY),
    ] = None,
    dp_range: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[C=]LOW:HIGH",
            help="Or ranges known beforehand; repeat for several.",
            rich_help_panel=_PRIVACY,
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say what would be chosen, why, and how long it would take."),
    ] = False,
    config: ConfigFileOption = None,
    assignments: SetOption = None,
    force: ForceOption = False,
    group_column: GroupColumnOption = None,
    id_column: IdColumnOption = None,
    time_column: TimeColumnOption = None,
    value_column: ValueColumnOption = None,
    window: WindowOption = None,
    stride: StrideOption = None,
    image_size: ImageSizeOption = None,
) -> None:
    """Train a conditional diffusion model on your data, or on the modality's own demo set.

    The same command again resumes a run that was interrupted.
    Any other choice is a configuration key: `synthgen config init` prints
    them all, `--set section.key=value` sets one.
    """
    if minutes is not None and samples is not None:
        raise UsageError("--minutes and --samples are two budgets for one training", hint="Give one of them.")
    if continued is not None:
        from synthgen.io.run import read_facts

        if data is None:
            raise UsageError("--continue learns new data, and none is named", hint="Add --data PATH.")
        modality = modality or read_facts(continued)["modality"]
    overrides = checked_layers(
        config,
        assignments,
        {
            "modality": modality,
            "preset": preset,
            "data.path": data,
            "data.label_column": label_column,
            "data.group_column": group_column,
            "data.id_column": id_column,
            "data.time_column": time_column,
            "data.value_columns": value_column or None,
            "data.window": window,
            "data.stride": stride,
            "data.image_size": image_size,
            "train.minutes": minutes,
            "train.samples": samples,
            "train.seed": seed,
            "train.upsample_from": None if upsample_from is None else str(upsample_from),
            "train.dp_epsilon": dp_epsilon,
            "train.dp_delta": dp_delta,
            "train.dp_public": dp_public,
            "train.dp_range": dp_range or None,
        },
    )
    if explain:
        from synthgen.io.run import Run
        from synthgen.training.explaining import explain as explain_run

        explanation = explain_run(overrides, None if continued is None else Run.open(continued))
        console.result(explained(explanation), explained_document(explanation))
        return
    from synthgen.training import train as train_run

    with console.progress("train") as progress:
        run = train_run(
            overrides, out=out, resume=resume, force=force, init=init, continued=continued, progress=progress
        )
    document = describe_run(run)
    console.result(_summary(document), document)
    console.note(f"Next: synthgen generate --run {run.path} --n 1000" + (" --label" if run.schema.labels else ""))


def describe_run(run: Run) -> dict[str, Any]:
    """What `synthgen train --json` prints."""
    history = run.history()
    held_out = [row["loss"] for row in history if row.get("kind") == "held_out"]
    return {
        "run": str(run.path),
        "modality": run.config.modality,
        "preset": run.config.preset,
        "data": run.config.data.path,
        "records": len(run.split.train),
        "labels": list(run.schema.labels),
        "samples": max((row["samples"] for row in history), default=0),
        "held_out": min(held_out) if held_out else None,
        "seconds": max((row.get("seconds", 0.0) for row in history), default=0.0),
        "fingerprint": run.fingerprint,
    }


def _summary(document: dict[str, Any]) -> str:
    held_out = "" if document["held_out"] is None else f", held-out loss {document['held_out']:.4f}"
    return (
        f"{document['run']}\n"
        f"  {document['modality']}, {document['records']:,} training records, {len(document['labels'])} classes; "
        f"trained on {document['samples']:,} samples in {document['seconds']:.0f} s{held_out}"
    )
