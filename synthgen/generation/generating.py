"""From a run to a data set on disk, or to records in memory."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from synthgen import registry
from synthgen.api import Records, Writer
from synthgen.errors import DatasetError, UsageError
from synthgen.generation.costs import cost, measure
from synthgen.generation.dataset import SYNTHETIC_ROOT, Dataset
from synthgen.generation.describing import describe
from synthgen.generation.executors import execute, threads_each
from synthgen.generation.given import Given
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.requiring import Requiring
from synthgen.generation.storing import fill_store
from synthgen.generation.vetter import Vetter, judge_of, prepare, standard_in
from synthgen.generation.vetting import TRIES, Judging, Vetting, select
from synthgen.generation.worker import finished_files, make_records, remove_markers, tally_of
from synthgen.io.atomic import TEMPORARY, make_directory, remove_leftovers, write_text
from synthgen.io.lock import OWNER, locked
from synthgen.io.run import Run
from synthgen.io.store import is_url, local_copy

__all__ = ["Progress", "as_run", "generate", "generate_records", "place"]

Progress = Callable[[Mapping[str, Any]], None]


def generate(
    run: Run | Path | str | None = None,
    *,
    n: int | None = None,
    labels: Sequence[str] | None = None,
    balance: bool | None = None,
    counts: Mapping[str, int] | None = None,
    conditions: Mapping[str, Any] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    sampling: Mapping[str, Any] | None = None,
    seed: int = 0,
    format: str | None = None,
    out: Path | str | None = None,
    shards: int | None = None,
    given: Given | Path | str | None = None,
    require: Mapping[str, float] | None = None,
    ignore_below: float = 0.0,
    check: bool = False,
    drop_inconsistent: bool = False,
    keep_best: float | None = None,
    executor: str = "local",
    workers: int = 1,
    worker_timeout: float | None = None,
    dry_run: bool = False,
    price_per_hour: float | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write a labelled synthetic data set. The same call again completes what is missing.

    Args:
        run: a run or its directory; None: the newest below `runs/`.
        n: number of records; may be left away with `counts` or `given`.
        labels: None: the training frequencies, or the labels of given records; empty: every class equally; names:
            those classes, equally.
        balance: True or False override whether the chosen classes come equally or as in training.
        counts: class name -> number of records.
        conditions: attribute -> what it shall be: a name or names, a number or a pair of them (a range), in the unit of
            the training data. What is not asked for comes from a training record that is like what is.
        guidance: classifier-free guidance weight; 1 is none. None: the run's default, as for the next two.
        steps: network evaluations a sample.
        sampler: name from `synthgen list samplers`.
        sampling: more keys of the configuration's section `sampling`, such as `{"autoguidance": 1.5}`.
        seed: the same seed gives the same records.
        format: name from `synthgen list writers`; None: the modality's first.
        out: the data set's directory, or its address in an object store, such as `s3://bucket/faces`; None:
            `synthetic/<run>-<k>`.
        shards: number of shards; None: by size.
        given: records of the run's modality to start from, record i from given record i mod m; see `Given`.
        require: for masks, pixel class -> least share of each record: `{"pedestrian": 0.02}`. Records that miss are
            made anew, ten tries at most, then the nearest stays; columns `requested_shares`, `achieved_shares`.
        ignore_below: for masks: pixels whose margin is smaller become 255, ignored; the margins are written too.
        check: have an independent judge, trained on the run's real training records, look at each record: columns
            `consistency`, `nearest_id` and `nearest_distance`.
        drop_inconsistent: and replace those whose label fits worse than that of 95 % of real records of the class.
        keep_best: and, of the candidates of each class, keep about this share, the most consistent ones.
        executor: `local`, `torchrun` or `ray`.
        workers: processes of the local executor; one that dies is replaced, and its shards are made again.
        worker_timeout: seconds without a finished shard after which they count as hanging and are replaced.
        dry_run: return the plan with an estimate of time, size and price, and write nothing.
        price_per_hour: of one worker, for `dry_run`.
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
        conditions=conditions,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        sampling=sampling,
        seed=seed,
        format=format,
        shards=shards,
        given=given,
        require=require,
        ignore_below=ignore_below,
        vetting=_vetting(run, check, drop_inconsistent, keep_best),
    )
    if dry_run:
        return Dataset(
            Path(out or SYNTHETIC_ROOT / f"{run.path.name}-?"), _estimate(run, plan, workers, price_per_hour)
        )
    if is_url(out):
        address = str(out)
        counted = _Counted(plan.n, address, progress)
        facts = _facts(run, plan, executor, workers)
        provenance = fill_store(
            run, plan, address, executor=executor, workers=workers, force=force, facts=facts, tell=counted
        )
        counted.finish()
        return Dataset(address, provenance)
    where = None if out is None else Path(out)
    with place(run, plan, where, force=force, doing="generating", shared=executor == "torchrun") as directory:
        if (directory / "provenance.json").exists():
            return Dataset(directory)
        write_text(directory / "plan.json", plan.to_json())
        make = partial(make_records, run, plan)
        if plan.vetting is not None:
            prepare(run, plan.vetting, directory, make)
        counted = _Counted(plan.n, directory, progress)
        if not execute(run, plan, directory, executor=executor, workers=workers, tell=counted, timeout=worker_timeout):
            return Dataset(directory, {"n": plan.n, "format": plan.format})
        files = [finished_files(directory, shard) or [] for shard in range(plan.shards)]
        writer: Writer = registry.create("writers", plan.format, plan.modality)
        facts = _facts(run, plan, executor, workers)
        if plan.vetting is not None:
            facts["vetting"] = _vetted(plan, directory)
        if plan.require:
            facts["require"] = _required(plan, directory)
        describe(run, plan, directory, writer, files, kind="generate", more=facts)
        counted.finish()
        return Dataset(directory)


def _facts(run: Run, plan: Plan, executor: str, workers: int) -> dict[str, Any]:
    """What the provenance says beside what follows from run and plan."""
    return {
        "n": plan.n,
        "labels": plan.label_counts(run.schema.labels),
        **({"conditions": _lists(plan)} if plan.conditions else {}),
        "threads": threads_each(executor, workers),
        **({} if plan.given is None else {"given": plan.given.describe()}),
    }


def generate_records(
    run: Run | Path | str | None = None,
    *,
    n: int | None = None,
    labels: Sequence[str] | None = None,
    counts: Mapping[str, int] | None = None,
    conditions: Mapping[str, Any] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    sampling: Mapping[str, Any] | None = None,
    seed: int = 0,
    given: Given | Path | str | None = None,
    require: Mapping[str, float] | None = None,
    ignore_below: float = 0.0,
    drop_inconsistent: bool = False,
    keep_best: float | None = None,
) -> Records:
    """The records that `generate` would write, in memory; arguments as there."""
    run = as_run(run)
    plan = make_plan(
        run,
        n=n,
        labels=labels,
        counts=counts,
        conditions=conditions,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        sampling=sampling,
        seed=seed,
        given=given,
        require=require,
        ignore_below=ignore_below,
        vetting=_vetting(run, False, drop_inconsistent, keep_best),
    )
    make = partial(make_records, run, plan)
    judging: Judging | None = None
    if plan.vetting is not None:
        judging = vetter = Vetter(run, plan.vetting)
        vetter.set_best(make)
    if plan.require:
        judging = Requiring(run, plan.require, judging)
    return make(range(plan.n)) if judging is None else select(make, range(plan.n), plan.n, judging).records


def _vetting(run: Run, check: bool, drop_inconsistent: bool, keep_best: float | None) -> Vetting | None:
    """What was asked for, refused where nothing can judge it."""
    if not check and not drop_inconsistent and keep_best is None:
        return None
    judge_of(run)
    return Vetting(drop_inconsistent, keep_best)


def _vetted(plan: Plan, directory: Path) -> dict[str, Any]:
    """For `provenance.json`: the standard, and what was dropped by it."""
    tally = tally_of(plan, directory)
    assert plan.vetting is not None
    dropped = {name: value for name, value in asdict(tally).items() if name != "required"}
    return {"dropped": tally.dropped, **dropped, **asdict(plan.vetting), "standard": standard_in(directory).to_json()}


def _required(plan: Plan, directory: Path) -> dict[str, Any]:
    """For `provenance.json`: what share was asked of what, and how many records reach it."""
    return {"shares": dict(plan.require), "tries": TRIES, **asdict(tally_of(plan, directory).required)}


def as_run(run: Run | Path | str | None) -> Run:
    """The run itself, the run at a path, or the newest below `runs/`."""
    if run is None:
        return Run.newest()
    if isinstance(run, Run):
        return run
    return Run.open(local_copy(str(run)) if is_url(str(run)) else run)


@contextlib.contextmanager
def place(run: Run, plan: Plan, out: Path | None, *, force: bool, doing: str, shared: bool = False) -> Iterator[Path]:
    """The data set's directory, locked and ready: as asked, one begun with the same plan, or the next free number.

    Args:
        run, plan: of the data set.
        out: as asked for.
        force: replace a data set that stands there.
        doing: for the message to whoever else wants the directory.
        shared: several processes of one launch fill it together; then nothing is locked or cleared away.

    Raises:
        DatasetError: something else stands there.
        StorageError: another process is writing there.
    """
    directory = _chosen(run, plan, force) if out is None else out
    if directory.exists() and not directory.is_dir():
        raise DatasetError(f"{directory} exists and is not a data set of synthgen", hint="Choose another --out.")
    with contextlib.nullcontext() if shared else locked(directory, doing):
        make_directory(directory)
        if force:
            _clear(directory)
        _check_place(directory, plan)
        if not shared:
            remove_leftovers(directory)
            if (directory / "provenance.json").exists():
                remove_markers(directory)  # it was killed after its last file
        yield directory


def _chosen(run: Run, plan: Plan, force: bool) -> Path:
    """A data set of this run that was begun with this plan, or the next free number."""
    stem = SYNTHETIC_ROOT / run.path.name
    number = 1
    while (taken := Path(f"{stem}-{number}")).exists():
        if _same_plan(taken, plan) and not force:
            break
        number += 1
    return taken


def _contents(directory: Path) -> list[Path]:
    """What stands there, but for the owner's note and what a process of the same launch has not finished writing."""
    return [path for path in directory.iterdir() if path.name != OWNER and not path.name.startswith(TEMPORARY)]


def _clear(directory: Path) -> None:
    contents = _contents(directory)
    if contents and not (directory / "plan.json").exists():
        raise UsageError(f"--force replaces data sets only, and {directory} is not one", hint="Choose another --out.")
    for path in contents:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _check_place(directory: Path, plan: Plan) -> None:
    begun = [path.name for path in _contents(directory)]
    if begun == ["plan.json"]:  # a plan of which nothing was carried out
        return
    if begun and not _same_plan(directory, plan):
        if "plan.json" not in begun:
            raise DatasetError(f"{directory} exists and is not a data set of synthgen", hint="Choose another --out.")
        raise DatasetError(
            f"{directory} holds a data set of another plan", hint="Choose another --out, or replace it with --force."
        )


def _same_plan(directory: Path, plan: Plan) -> bool:
    try:
        return Plan.read(directory) == plan
    except DatasetError:
        return False


def _estimate(run: Run, plan: Plan, workers: int, price_per_hour: float | None) -> dict[str, Any]:
    """Provenance of a data set that was only planned: counts, and what `synthgen.generation.costs` says."""
    found = cost(measure(run, plan), plan.n, shards=plan.shards, workers=workers, price_per_hour=price_per_hour)
    priced = {} if found.price is None else {"estimated_price": round(found.price, 4)}
    return {
        "kind": "dry-run",
        "n": plan.n,
        "format": plan.format,
        "shards": plan.shards,
        "workers": workers,
        "labels": plan.label_counts(run.schema.labels),
        **({"conditions": _lists(plan)} if plan.conditions else {}),
        "estimated_bytes": found.bytes,
        "estimated_seconds": round(found.seconds, 1),
        "estimated_flops": found.flops,
        **priced,
    }


def _lists(plan: Plan) -> dict[str, list[str | float]]:
    return {name: list(values) for name, values in plan.conditions.items()}


class _Counted:
    """Turns numbers of finished records into progress events."""

    def __init__(self, total: int, directory: Path | str, progress: Progress | None) -> None:
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
