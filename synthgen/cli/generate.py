"""`synthgen generate`: a run in, a labelled synthetic data set on disk out.

`--json`: what `provenance.json` holds, and where: `{"dataset", "n", "format", "run", "model", "seed",
"labels": {name: count}, ...}`, with `--condition` also `"conditions": {name: [value, ...]}`; where records were judged
`"vetting": {"judged", "dropped", "inconsistent": {class: count}, "not_best": {class: count}, "standard", ...}`;
with `--require` `"require": {"shares": {class: share}, "reached", "first", "redrawn": {class: count}, "tries"}`;
with `--dry-run` `{"dataset", "n", "format", "shards", "labels", "estimated_bytes", "estimated_seconds",
"estimated_flops", "estimated_price"}`, the last with `--price-per-hour`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.label_option import chosen_labels
from synthgen.cli.progress import duration
from synthgen.cli.shared_options import (
    ForceOption,
    GuidanceOption,
    RunOption,
    SamplerOption,
    SeedOption,
    SetOption,
    StepsOption,
    parse_pairs,
)
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from synthgen.generation.dataset import Dataset
    from synthgen.generation.given import Given
    from synthgen.io.run import Run

__all__ = ["describe_dataset", "generate", "summarise_dataset"]

_STARTING = "From given records"
_CHOOSING = "Which records stay"
_WRITING = "What is written"
_WORKING = "Who does the work"


@reporting
def generate(
    console: Console,
    *,
    run: RunOption = None,
    n: Annotated[int | None, typer.Option("--n", "-n", metavar="N", help="How many records.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="[VALUE...]",
            help="Bare: every class equally. With one or several values: those classes. Absent: as in training.",
        ),
    ] = None,
    balance: Annotated[
        bool | None,
        typer.Option("--balance/--as-trained", help="Chosen classes equally, or as often as in training."),
    ] = None,
    count: Annotated[
        list[str] | None, typer.Option("--count", metavar="NAME=K", help="K records of a class; repeat for several.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="NAME=VALUE",
            help="An attribute of the records: a name (a,b: either), a number, LOW..HIGH, a text; repeat for several.",
        ),
    ] = None,
    caption: Annotated[
        list[str] | None,
        typer.Option(
            "--caption", metavar="TEXT", help="What the image shows, in words; repeat: one of them for each record."
        ),
    ] = None,
    guidance: GuidanceOption = None,
    steps: StepsOption = None,
    sampler: SamplerOption = None,
    assignments: SetOption = None,
    seed: SeedOption = 0,
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH|NAME",
            help="Vary these records: noise each one a little and sample from there. Their labels stay.",
            rich_help_panel=_STARTING,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Share of the noise that --from puts on: 0.4; 1 is all.", rich_help_panel=_STARTING
        ),
    ] = None,
    inpaint: Annotated[
        str | None,
        typer.Option(
            metavar="MASKS|box",
            help="Draw only this part of --from anew: white in mask images, or a random box.",
            rich_help_panel=_STARTING,
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="CLASS:SHARE",
            help="Masks: at least this share of each record's pixels, pedestrian:0.02; repeat for several. Misses are "
            "made anew, 10 tries at most.",
            rich_help_panel=_CHOOSING,
        ),
    ] = None,
    ignore_below: Annotated[
        float,
        typer.Option(
            "--ignore-below",
            metavar="P",
            min=0,
            max=1,
            help="Masks: write 255 (ignored) where the margin is smaller than this.",
            rich_help_panel=_WRITING,
        ),
    ] = 0.0,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Have an independent judge look at each record: columns consistency, nearest_id, nearest_distance.",
            rich_help_panel=_CHOOSING,
        ),
    ] = False,
    drop_inconsistent: Annotated[
        bool,
        typer.Option(
            "--drop-inconsistent",
            help="Replace records whose label or mask fits worse than that of 95 % of real ones.",
            rich_help_panel=_CHOOSING,
        ),
    ] = False,
    keep_best: Annotated[
        float | None,
        typer.Option(
            "--keep-best",
            metavar="SHARE",
            help="Keep this share of the candidates of each class, the most consistent: 0.5.",
            rich_help_panel=_CHOOSING,
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            "--masks",
            metavar="PATH|NAME",
            help="Draw an image to each of these masks (modality mask); images are not needed.",
            rich_help_panel=_STARTING,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="F", help="Name from `synthgen list writers`.", rich_help_panel=_WRITING
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="L", help="Series: wide (default) or long.", rich_help_panel=_WRITING)
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="DIR|URL", help="Where to write, s3:// too; a new directory when absent."),
    ] = None,
    shards: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Number of files.", rich_help_panel=_WRITING)
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", metavar="W", min=1, help="Processes.", rich_help_panel=_WORKING)
    ] = 1,
    worker_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=1, help="Replace workers that finish nothing in S seconds.", rich_help_panel=_WORKING
        ),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="E", help="local, torchrun or ray.", rich_help_panel=_WORKING)
    ] = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    price_per_hour: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, help="Price of one worker; --dry-run multiplies.", rich_help_panel=_WORKING),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a labelled synthetic data set.

    The label column is always written. The same seed gives the same records,
    and the same command again completes what is missing.
    """
    labels = chosen_labels(label)
    counts = _counts(count)
    start = _given(given, strength, inpaint, masks)
    total = n if start is not None and n is None and not counts else _total(n, counts)
    if executor not in ("local", "torchrun", "ray"):
        raise UsageError(f"--executor {executor}: expected local, torchrun or ray")
    chosen_format = _format(format, layout)
    conditions: dict[str, Any] = parse_pairs(condition, "--condition", "age=30")
    from synthgen.generation import generate as generate_dataset

    opened: Run | Path | None = run
    if caption:
        from synthgen.generation.asking import captioned
        from synthgen.generation.generating import as_run

        opened = as_run(run)
        conditions = captioned(conditions, caption, opened.schema)
    with console.progress("generate") as progress:
        dataset = generate_dataset(
            opened,
            n=total,
            labels=labels,
            balance=balance,
            counts=counts or None,
            conditions=conditions or None,
            guidance=guidance,
            steps=steps,
            sampler=sampler,
            sampling=_sampling(assignments),
            seed=seed,
            format=chosen_format,
            out=out,
            shards=shards,
            given=start,
            require=_required(require) or None,
            ignore_below=ignore_below,
            check=check,
            drop_inconsistent=drop_inconsistent,
            keep_best=keep_best,
            executor=executor,
            workers=workers,
            worker_timeout=worker_timeout,
            dry_run=dry_run,
            price_per_hour=price_per_hour,
            force=force,
            progress=progress,
        )
    document = describe_dataset(dataset)
    console.result(summarise_dataset(document), document)
    if not dry_run:
        console.note(f"Next: synthgen evaluate --run {document.get('run', 'RUN')} --synthetic {dataset.where}")


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """What `synthgen generate --json` prints."""
    return {"dataset": dataset.where, "n": dataset.n, "format": dataset.format, **dataset.provenance}


def summarise_dataset(document: Mapping[str, Any]) -> str:
    """The same for a person."""
    planned = document.get("kind") == "dry-run"
    where = f"would be written to {document['dataset']}" if planned else f"in {document['dataset']}"
    lines = [f"{document['n']:,} records {where}, format {document['format']}"]
    if labels := document.get("labels"):
        shown = [f"{name} {count:,}" for name, count in list(labels.items())[:20]]
        lines.append(f"  labels  {', '.join(shown)}" + (", ..." if len(labels) > len(shown) else ""))
    if conditions := document.get("conditions"):
        asked = [f"{name} {', '.join(_shown(value) for value in values)}" for name, values in conditions.items()]
        lines.append("  asked   " + "; ".join(asked))
    if origin := document.get("origin"):
        lines.append("  origin  " + ", ".join(f"{name} {count:,}" for name, count in origin.items()))
    lines.extend(f"  note    {note}" for note in document.get("notes", ()))
    if vetted := document.get("vetting"):
        from synthgen.generation.vetting import Tally

        lines.append(f"  {Tally(vetted['judged'], vetted['inconsistent'], vetted['not_best']).sentence()}")
    if found := document.get("require"):
        from synthgen.generation.requiring import reach_sentence

        lines.append(f"  {reach_sentence(found, document['n'])}")
    if planned:
        megabytes, seconds = document["estimated_bytes"] / 1e6, document["estimated_seconds"]
        workers = document["workers"]
        on = "one worker" if workers == 1 else f"{workers:,} workers"
        price = f", price {document['estimated_price']:,.2f}" if "estimated_price" in document else ""
        lines.append(f"  about   {duration(seconds)} on {on}, {megabytes:,.1f} MB before compression{price}")
    return "\n".join(lines)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _format(format: str | None, layout: str | None) -> str | None:
    """The writer's name: `--layout` is a plainer way to name the two Parquet writers of time series."""
    if layout not in (None, "wide", "long"):
        raise UsageError(f"--layout {layout}: expected wide or long")
    if layout is None:
        return format
    if format not in (None, "parquet"):
        raise UsageError(f"--layout {layout} is for Parquet, --format says {format}", hint="Leave one of them away.")
    return "long" if layout == "long" else "parquet"


def _sampling(assignments: list[str] | None) -> dict[str, Any]:
    """What `--set sampling.KEY=VALUE` asks for; nothing else of a run can change after training."""
    from synthgen.config import parse_assignments

    asked = parse_assignments(assignments or [])
    for name in asked:
        if name != "sampling" or not isinstance(asked[name], dict):
            raise UsageError(
                f"--set {name}...: after training only sampling.KEY=VALUE can be set",
                hint="For example --set sampling.autoguidance=1.5",
            )
    return dict(asked.get("sampling", {}))


def _given(path: str | None, strength: float | None, regions: str | None, masks: str | None) -> Given | None:
    """The records that --from names, or the masks of --masks."""
    if masks is not None:
        if path is not None or strength is not None or regions is not None:
            raise UsageError("--masks and --from both say what to start from", hint="Give one of them.")
        from synthgen.generation.given import Given

        return Given(masks, part="mask")
    if path is None:
        for option, value in (("--strength", strength), ("--inpaint", regions)):
            if value is not None:
                raise UsageError(
                    f"{option} says what is done with --from", hint="Add --from with a file or folder of records."
                )
        return None
    from synthgen.generation.given import Given

    return Given(path, strength, regions)


def _required(texts: list[str] | None) -> dict[str, float]:
    """Pairs of --require; a class name may hold colons."""
    required: dict[str, float] = {}
    for text in texts or ():
        name, _, value = text.rpartition(":")
        try:
            share = float(value)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"--require {text}: expected CLASS:SHARE", hint="For example --require pedestrian:0.02.")
        if name in required:
            raise UsageError(f"--require asks twice for {name}")
        required[name] = share
    return required


def _counts(texts: list[str] | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, value in parse_pairs(texts, "--count", "cat=100").items():
        if not value.isdecimal():
            raise UsageError(f"--count {name}={value}: expected a whole number of records, 0 or more")
        counts[name] = int(value)
    return counts


def _total(n: int | None, counts: dict[str, int]) -> int:
    if n is None and not counts:
        raise UsageError("how many records?", hint="Add --n, for example --n 1000, or --count NAME=K.")
    total = sum(counts.values()) if n is None else n
    if total <= 0:
        raise UsageError(f"--n {total}: nothing to generate", hint="Ask for at least one record.")
    if counts and n is not None and sum(counts.values()) != n:
        raise UsageError(f"--count adds up to {sum(counts.values())}, --n says {n}", hint="Leave --n away.")
    return total
