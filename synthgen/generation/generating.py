"""From a run to a data set on disk, or to records in memory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen import registry
from synthgen.api import Records, Writer
from synthgen.errors import DatasetError, UsageError
from synthgen.generation.dataset import SYNTHETIC_ROOT, Dataset
from synthgen.generation.describing import describe
from synthgen.generation.executors import execute
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.worker import finished_files, make_records
from synthgen.io.atomic import make_directory, remove_leftovers, write_text
from synthgen.io.run import Run

__all__ = ["Progress", "as_run", "generate", "generate_records", "place"]

Progress = Callable[[Mapping[str, Any]], None]


def generate(
    run: Run | Path | str | None = None,
    *,
    n: int | None = None,
    labels: Sequence[str] | None = None,
    balance: bool | None = None,
    counts: Mapping[str, int] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    format: str | None = None,
    out: Path | str | None = None,
    shards: int | None = None,
    executor: str = "local",
    workers: int = 1,
    dry_run: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write a labelled synthetic data set. The same call again completes what is missing.

    Args:
        run: a run or its directory; None: the newest below `runs/`.
        n: number of records; may be left away with `counts`.
        labels: None: the training frequencies; empty: every class equally; names: those classes, equally.
        balance: True or False override whether the chosen classes come equally or as in training.
        counts: class name -> number of records.
        guidance: classifier-free guidance weight; 1 is none. None: the run's default, as for the next two.
        steps: network evaluations a sample.
        sampler: name from `synthgen list samplers`.
        seed: the same seed gives the same records.
        format: name from `synthgen list writers`; None: the modality's first.
        out: the data set's directory; None: `synthetic/<run>-<k>`.
        shards: number of shards; None: by size.
        executor: `local`, `torchrun` or `ray`.
        workers: processes of the local executor.
        dry_run: return the plan with an estimate of size and time, and write nothing.
        force: replace a data set at `out`.
        progress: called with `{"kind", "records", "total", "seconds", ...}`.

    Raises:
        UsageError, RunError, DatasetError, StorageError: see `synthgen.errors`.
    """
    run = as_run(run)
    plan = make_plan(
        run,
        n=n,
        labels=labels,
        balance=balance,
        counts=counts,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        seed=seed,
        format=format,
        shards=shards,
    )
    if dry_run:
        return Dataset(Path(out or SYNTHETIC_ROOT / f"{run.path.name}-?"), _estimate(run, plan))
    directory = place(run, plan, None if out is None else Path(out), force=force)
    if (directory / "provenance.json").exists():
        return Dataset(directory)
    write_text(directory / "plan.json", plan.to_json())
    counted = _Counted(plan.n, directory, progress)
    if not execute(run, plan, directory, executor=executor, workers=workers, tell=counted):
        return Dataset(directory, {"n": plan.n, "format": plan.format})
    files = [file for shard in range(plan.shards) for file in finished_files(directory, shard) or []]
    writer: Writer = registry.create("writers", plan.format, plan.modality)
    facts = {"n": plan.n, "labels": plan.label_counts(run.schema.labels)}
    describe(run, plan, directory, writer, files, kind="generate", more=facts)
    counted.finish()
    return Dataset(directory)


def generate_records(
    run: Run | Path | str | None = None,
    *,
    n: int,
    labels: Sequence[str] | None = None,
    counts: Mapping[str, int] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
) -> Records:
    """The records that `generate` would write, in memory; arguments as there."""
    run = as_run(run)
    plan = make_plan(run, n=n, labels=labels, counts=counts, guidance=guidance, steps=steps, sampler=sampler, seed=seed)
    return make_records(run, plan, range(plan.n))


def as_run(run: Run | Path | str | None) -> Run:
    """The run itself, the run at a path, or the newest below `runs/`."""
    if run is None:
        return Run.newest()
    return run if isinstance(run, Run) else Run.open(run)


def place(run: Run, plan: Plan, out: Path | None, *, force: bool) -> Path:
    """The data set's directory, ready for writing: as asked, one begun with the same plan, or the next free number.

    Raises:
        DatasetError: something else stands there.
    """
    if out is None:
        stem = SYNTHETIC_ROOT / run.path.name
        number = 1
        while (taken := Path(f"{stem}-{number}")).exists():
            if _same_plan(taken, plan) and not force:
                break
            number += 1
        out = taken
    if force and out.exists():
        if not (out / "plan.json").exists():
            raise UsageError(f"--force replaces data sets only, and {out} is not one", hint="Choose another --out.")
        shutil.rmtree(out)
    begun = [path.name for path in out.iterdir()] if out.is_dir() else []
    if begun == ["plan.json"]:  # a plan of which nothing was carried out
        (out / "plan.json").unlink()
    elif out.exists() and (begun or not out.is_dir()) and not _same_plan(out, plan):
        if not (out / "plan.json").exists():
            raise DatasetError(f"{out} exists and is not a data set of synthgen", hint="Choose another --out.")
        raise DatasetError(
            f"{out} holds a data set of another plan", hint="Choose another --out, or replace it with --force."
        )
    make_directory(out)
    remove_leftovers(out)
    return out


def _same_plan(directory: Path, plan: Plan) -> bool:
    try:
        return Plan.from_json((directory / "plan.json").read_text(encoding="utf-8")) == plan
    except (OSError, DatasetError):
        return False


def _estimate(run: Run, plan: Plan) -> dict[str, Any]:
    """Provenance of a data set that was only planned: counts, bytes before compression, seconds from a timed batch."""
    trial = range(min(plan.n, plan.batch_size, 32))
    make_records(run, plan, trial[:8])  # warm
    started = time.perf_counter()
    records = make_records(run, plan, trial)
    seconds = (time.perf_counter() - started) / len(trial) * plan.n
    size = sum(column.nbytes for column in records.columns.values()) / len(trial) * plan.n
    return {
        "kind": "dry-run",
        "n": plan.n,
        "format": plan.format,
        "shards": plan.shards,
        "labels": plan.label_counts(run.schema.labels),
        "estimated_bytes": int(size),
        "estimated_seconds": round(seconds, 1),
    }


class _Counted:
    """Turns numbers of finished records into progress events."""

    def __init__(self, total: int, directory: Path, progress: Progress | None) -> None:
        self._total = total
        self._directory = directory
        self._progress = progress
        self._done = 0
        self._started = time.monotonic()

    def __call__(self, records: int) -> None:
        self._done += records
        self._tell("step")

    def finish(self) -> None:
        """Say that everything is written."""
        self._tell("finish")

    def _tell(self, kind: str) -> None:
        if self._progress is not None:
            self._progress(
                {
                    "kind": kind,
                    "records": self._done,
                    "samples": self._done,
                    "total": self._total,
                    "progress": self._done / self._total,
                    "seconds": time.monotonic() - self._started,
                    "directory": str(self._directory),
                }
            )
