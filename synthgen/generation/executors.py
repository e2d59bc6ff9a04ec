"""Who makes the shards: this process, a pool of processes, the ranks of a torchrun launch, or Ray tasks.

Every executor runs the same worker over the shards that are not complete yet.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from synthgen.errors import StorageError, SynthgenError, UsageError
from synthgen.generation.plan import Plan
from synthgen.generation.pool import in_processes
from synthgen.generation.worker import finished_files, write_shard
from synthgen.io.run import Run

__all__ = ["execute", "threads_each"]

Tell = Callable[[int], None]

_LOG = logging.getLogger(__name__)
_RAY_RETRIES = 3
_POLL_SECONDS = 0.5
_STALLED_SECONDS = 1800


def execute(
    run: Run,
    plan: Plan,
    directory: Path,
    *,
    executor: str,
    workers: int,
    tell: Tell,
    timeout: float | None = None,
) -> bool:
    """Make every shard that is missing.

    Args:
        run: the run that the plan names.
        plan: see `Plan`.
        directory: the data set.
        executor: `local`, `torchrun` or `ray`.
        workers: processes of the local executor.
        tell: called with numbers of records as they are made.
        timeout: seconds without a finished shard after which local processes and Ray tasks count as hanging.

    Returns:
        Whether this process should finish the data set (False on ranks other than 0).
    """
    missing = _missing(plan, directory)
    tell(plan.n - sum(len(plan.ids(shard)) for shard in missing))
    match executor:
        case "local" if workers <= 1:
            for shard in missing:
                write_shard(run, plan, directory, shard, tell)
        case "local":
            task = partial(_task, str(run.path), plan.to_json(), str(directory), threads_each("local", workers))
            in_processes(task, lambda: _missing(plan, directory), workers=workers, timeout=timeout, tell=tell)
        case "torchrun":
            return _as_rank(run, plan, directory, missing, tell)
        case "ray":
            _with_ray(run, plan, directory, missing, tell, timeout)
        case _:
            raise UsageError(f"unknown executor {executor}", hint="Known: local, torchrun, ray.")
    return True


def _missing(plan: Plan, directory: Path) -> list[int]:
    return [shard for shard in range(plan.shards) if finished_files(directory, shard) is None]


def threads_each(executor: str, workers: int) -> int:
    """Threads of each process that makes shards here; the last bits of float arithmetic depend on it."""
    match executor:
        case "ray":
            return 1
        case "local":
            return max(1, torch.get_num_threads() // workers)
        case _:
            return torch.get_num_threads()


def _task(run: str, plan: str, directory: str, threads: int, shard: int) -> int:
    torch.set_num_threads(threads)
    settled = Plan.from_json(plan)
    write_shard(Run.open(run), settled, Path(directory), shard)
    return len(settled.ids(shard))


def _as_rank(run: Run, plan: Plan, directory: Path, missing: Sequence[int], tell: Tell) -> bool:
    """Take every world-size-th shard; rank 0 waits until the others' shards are on disk. No process group is needed."""
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except KeyError as error:
        raise UsageError(
            "--executor torchrun needs a torchrun launch",
            hint="torchrun --nproc-per-node 2 -m -- synthgen generate ...",
        ) from error
    for shard in (shard for shard in missing if shard % world == rank):
        write_shard(run, plan, directory, shard, tell)
    if rank:
        return False
    waiting, changed = set(missing), time.monotonic()
    while waiting:
        done = {shard for shard in waiting if finished_files(directory, shard) is not None}
        if done:
            waiting, changed = waiting - done, time.monotonic()
        elif time.monotonic() - changed > _STALLED_SECONDS:
            raise StorageError(f"{len(waiting)} shards of other ranks never appeared in {directory}")
        else:
            time.sleep(_POLL_SECONDS)
    return True


def _with_ray(run: Run, plan: Plan, directory: Path, missing: Sequence[int], tell: Tell, timeout: float | None) -> None:
    """Plain tasks with retries; no actor pool, which can hang when it takes every CPU.

    Tasks that hang are given up and begun anew elsewhere; one that ends after all writes the same bytes.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError("--executor ray needs Ray", hint="pip install 'synthgen[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, configure_logging=False)
    task: Any = ray.remote(num_cpus=1, num_gpus=1 if torch.cuda.is_available() else 0, max_retries=_RAY_RETRIES)(_task)
    where, there = str(run.path.absolute()), str(directory.absolute())

    def begun(shards: Sequence[int]) -> list[Any]:
        return [task.remote(where, plan.to_json(), there, threads_each("ray", 1), shard) for shard in shards]

    pending, stalls = begun(missing), 0
    while pending:
        done, pending = ray.wait(pending, timeout=timeout)
        if not done:
            stalls += 1
            stalled = f"no Ray worker has finished a shard in {timeout:g} s"
            if stalls > _RAY_RETRIES:
                raise SynthgenError(f"{stalled}, {stalls} times in a row", hint="Run the same command again.")
            for reference in pending:
                ray.cancel(reference, force=True)
            _LOG.warning("%s; its shards are made again", stalled)
            pending = begun(_missing(plan, directory))
            continue
        stalls = 0
        try:
            for result in ray.get(done):
                tell(result)
        except ray.exceptions.RayError as error:
            raise SynthgenError(f"a Ray worker failed for good: {error}", hint="Run the same command again.") from error
