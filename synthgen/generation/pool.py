"""A pool that outlives its processes: one that dies or hangs costs the shards it had, which are made again."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from synthgen.errors import SynthgenError

__all__ = ["in_processes"]

_ATTEMPTS = 4
_LOG = logging.getLogger(__name__)


def in_processes(
    task: Callable[[int], int],
    shards: Callable[[], Sequence[int]],
    *,
    workers: int,
    timeout: float | None,
    tell: Callable[[int], None],
) -> None:
    """Do a task for every shard.

    Args:
        task: `(shard) -> records made`; travels to other processes.
        shards: those that are still to be made.
        workers: processes.
        timeout: seconds without any shard finished after which the workers count as hanging; None: they never do.
        tell: called with the records of each finished shard.

    Raises:
        SynthgenError: workers were lost several times in a row without any shard being finished.
    """
    attempts = 0
    while left := shards():
        done, reason = _one_pool(task, left, min(workers, len(left)), timeout, tell)
        if not reason:
            return
        attempts = 1 if done else attempts + 1
        if attempts == _ATTEMPTS:
            raise SynthgenError(
                f"{reason}, {attempts} times in a row",
                hint="Try fewer --workers or a smaller sampling.batch_size.",
            )
        _LOG.warning("%s; its shards are made again", reason)


def _one_pool(
    task: Callable[[int], int], left: Sequence[int], workers: int, timeout: float | None, tell: Callable[[int], None]
) -> tuple[int, str]:
    """How many shards were finished, and what went wrong with the workers."""
    finished = 0
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting: set[Future[int]] = {pool.submit(task, shard) for shard in left}
        while waiting:
            ready, waiting = wait(waiting, timeout, FIRST_COMPLETED)
            if not ready:
                _end(before)
                return finished, f"no worker has finished a shard in {timeout:g} s"
            for future in ready:
                tell(future.result())
                finished += 1
        return finished, ""
    except BrokenProcessPool:
        return finished, "a worker died"
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _end(others: set[multiprocessing.process.BaseProcess]) -> None:
    for process in set(multiprocessing.active_children()) - others:
        process.kill()
