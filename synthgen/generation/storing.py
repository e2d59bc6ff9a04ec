"""A data set made in an object store: shards are claimed, made on this machine, uploaded and recorded.

Any number of processes and machines may run the same command at the same address: each takes shards that nobody has
claimed, and one of them finishes. A claim that its process did not keep up runs out, and the shard is made by another;
should two make one shard, they write the same bytes. Nothing is renamed, and a shard counts as soon as its marker is
there, which is written last.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from synthgen import registry
from synthgen.api import Writer, WrittenFile
from synthgen.errors import DatasetError, UsageError
from synthgen.generation.describing import describe
from synthgen.generation.executors import threads_each
from synthgen.generation.plan import Plan
from synthgen.generation.worker import write_shard
from synthgen.io.run import Run
from synthgen.io.store import Store

__all__ = ["fill_store"]

_MARKERS, _CLAIMS, _PARTS = ".shards", ".claims", ".parts"
_LEASE_SECONDS = 120.0
_POLL_SECONDS = 2.0

Tell = Callable[[int], None]


def fill_store(
    run: Run, plan: Plan, url: str, *, executor: str, workers: int, force: bool, facts: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    """Make what is missing of a data set in a store, and finish it.

    Args:
        run: the run that the plan names.
        plan: see `Plan`.
        url: of the data set.
        executor: `local`, or `torchrun`, of which each rank does the same.
        workers: processes of the local executor.
        force: replace a data set that stands there.
        facts: for its provenance.
        tell: called with numbers of records as they are made.

    Returns:
        Its provenance.

    Raises:
        DatasetError: something else stands there.
        UsageError: an executor that needs a common directory, or records that are to be judged.
    """
    if plan.vetting is not None or plan.require:
        raise UsageError(
            "records are judged, or made anew, before they are kept only in a directory of this machine",
            hint="Write there and copy the data set to the store, or leave the judging and --require away.",
        )
    if executor == "ray":
        raise UsageError(
            "--executor ray writes to a directory that all nodes see",
            hint="Run the same command on every node without it: they share the shards.",
        )
    store = Store(url)
    whole = _begun(store, plan, force)
    if whole is not None:
        return whole
    missing = [shard for shard in range(plan.shards) if _marker(store, shard) is None]
    tell(plan.n - sum(len(plan.ids(shard)) for shard in missing))
    if executor == "local" and workers > 1:
        _in_processes(run, plan, url, min(workers, max(1, len(missing))), tell)
    while not all(_marker(store, shard) is not None for shard in range(plan.shards)):
        if not _share(run, plan, store, tell):
            time.sleep(_POLL_SECONDS)  # the rest is claimed by others
    return _finish(run, plan, store, facts)


def _begun(store: Store, plan: Plan, force: bool) -> dict[str, Any] | None:
    """Put the plan in place; the provenance where the data set is whole already."""
    text = store.read("plan.json")
    if text is None or force:
        names = [name for name in store.sizes() if name != "plan.json"]
        if names and text is None:
            raise DatasetError(f"{store.url} exists and is not a data set of synthgen", hint="Choose another --out.")
        store.remove("provenance.json", *names)
        store.put("plan.json", plan.to_json().encode())
        return None
    if Plan.from_json(text.decode("utf-8", errors="replace")) != plan:
        raise DatasetError(
            f"{store.url} holds a data set of another plan", hint="Choose another --out, or replace it with --force."
        )
    provenance = store.read("provenance.json")
    found: dict[str, Any] | None = None if provenance is None else json.loads(provenance)
    return found


def _marker(store: Store, shard: int) -> list[WrittenFile] | None:
    """The files of a shard that is complete, or None."""
    try:
        rows = json.loads(store.read(f"{_MARKERS}/{shard:05d}.json") or b"null")
        return None if rows is None else [WrittenFile(**row) for row in rows]
    except (ValueError, TypeError):
        return None


def _share(run: Run, plan: Plan, store: Store, tell: Tell) -> int:
    """Make every shard that can be claimed; how many."""
    made = 0
    with tempfile.TemporaryDirectory(prefix="synthgen-") as folder:
        for shard in range(plan.shards):
            if _marker(store, shard) is not None:
                continue
            with _claimed(store, f"{_CLAIMS}/{shard:05d}.json") as mine:
                if not mine or _marker(store, shard) is not None:
                    continue
                place = Path(folder)
                files = write_shard(run, plan, place, shard, tell)
                for file in files:
                    store.upload(place / file.path, file.path)
                    (place / file.path).unlink()
                store.put(f"{_MARKERS}/{shard:05d}.json", json.dumps([asdict(file) for file in files]).encode())
                made += 1
    return made


@contextmanager
def _claimed(store: Store, name: str) -> Iterator[bool]:
    """Whether this process has the claim, which it renews while it works."""
    if not store.claim(name, seconds=_LEASE_SECONDS):
        yield False
        return
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_LEASE_SECONDS / 3):
            store.put(name, json.dumps({"until": time.time() + _LEASE_SECONDS}).encode())

    keeper = threading.Thread(target=renew, daemon=True)
    keeper.start()
    try:
        yield True
    finally:
        done.set()
        keeper.join()
        store.remove(name)


def _in_processes(run: Run, plan: Plan, url: str, workers: int, tell: Tell) -> None:
    threads = threads_each("local", workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = [pool.submit(_task, str(run.path), plan.to_json(), url, threads) for _ in range(workers)]
        for task in as_completed(tasks):
            tell(task.result())


def _task(run: str, plan: str, url: str, threads: int) -> int:
    torch.set_num_threads(threads)
    records = 0

    def count(made: int) -> None:
        nonlocal records
        records += made

    _share(Run.open(run), Plan.from_json(plan), Store(url), count)
    return records


def _finish(run: Run, plan: Plan, store: Store, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the data set here, upload that, the provenance last, and clear the markers away."""
    files = [_marker(store, shard) or [] for shard in range(plan.shards)]
    with tempfile.TemporaryDirectory(prefix="synthgen-") as folder:
        place = Path(folder)
        for name in store.sizes():
            if name.startswith(f"{_PARTS}/"):  # the tables that writers join
                store.download(name, place / name)
        (place / "plan.json").write_text(plan.to_json(), encoding="utf-8")
        writer: Writer = registry.create("writers", plan.format, plan.modality)
        provenance = describe(run, plan, place, writer, files, kind="generate", more=facts)
        ready = sorted(path for path in place.rglob("*") if path.is_file())
        for path in sorted(ready, key=lambda path: path.name == "provenance.json"):
            name = path.relative_to(place).as_posix()
            if not name.startswith(f"{_PARTS}/"):
                store.upload(path, name)
    store.remove(*(name for name in store.sizes() if name.startswith((f"{_MARKERS}/", f"{_CLAIMS}/"))))
    return provenance
