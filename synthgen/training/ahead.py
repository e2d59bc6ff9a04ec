"""Batches read and decoded before they are needed, in a thread beside the trainer.

The batch of a step is a function of the records seen, so what comes next is known: several batches are read at once,
cut apart, and wait in a queue of bounded bytes. Reading and decompressing leave the interpreter to the trainer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from synthgen.api import Batch
from synthgen.data.order import Shuffled
from synthgen.training.continuing import Rehearsed
from synthgen.training.encoded import EncodedData
from synthgen.training.prepare import Prepared

__all__ = ["Ahead", "close", "read_ahead"]

_PIECE_BYTES = 16 << 20
_MOST = 64  # batches read at once; as many again wait
_POLL_SECONDS = 0.2


class Ahead:
    """Training data whose next batches are being made.

    Args:
        data: whose order does not depend on progress.
    """

    def __init__(self, data: EncodedData) -> None:
        self._data = data
        self._reader: _Reader | None = None
        self._missed = 0

    def __len__(self) -> int:
        return len(self._data)

    def sample(self, count: int) -> Batch:
        """See `EncodedData.sample`."""
        return self._data.sample(count)

    def step(self, samples_seen: int, batch_size: int, progress: float) -> Batch:
        """See `EncodedData.step`; a batch out of turn is read at once, and several of them begin a new turn."""
        reader = self._reader
        if reader is not None and (reader.due, reader.batch_size) == (samples_seen, batch_size):
            self._missed = 0
            return _plain(reader.take())
        self._missed += 1
        if reader is None or self._missed > 2:
            self.close()
            self._reader = _Reader(
                lambda seen, count: self._data.step(seen, count, progress), samples_seen + batch_size, batch_size
            )
        return _plain(self._data.step(samples_seen, batch_size, progress))

    def close(self) -> None:
        """End the thread."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None


def read_ahead(prepared: Prepared) -> Ahead | EncodedData | Rehearsed:
    """The training data, with its batches read ahead where they come from files in an order that is known."""
    data = prepared.data
    known = isinstance(data, EncodedData) and not data.kept and isinstance(data.order, Shuffled)
    return Ahead(data) if known and isinstance(data, EncodedData) else data


def close(data: Ahead | EncodedData | Rehearsed) -> None:
    """End what reads ahead."""
    if isinstance(data, Ahead):
        data.close()


class _Reader:
    """A thread that makes batch after batch from `due` on."""

    def __init__(self, make: Callable[[int, int], Batch], due: int, batch_size: int) -> None:
        self.due = due
        self.batch_size = batch_size
        self._make = make
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue()
        self._room = threading.Semaphore(1)  # batches that may still be made; more once their size is known
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(due,), daemon=True, name="synthgen-reading-ahead")
        self._thread.start()

    def take(self) -> Batch:
        """The next batch, as soon as it is there."""
        found = self._ready.get()
        self._room.release()
        self.due += self.batch_size
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self, due: int) -> None:
        count, sized = 1, False
        while self._has_room(count):
            try:
                piece = self._make(due, count * self.batch_size)
            except BaseException as error:
                self._ready.put(error)
                return
            for start in range(0, len(piece.x), self.batch_size):
                self._ready.put(_rows(piece, slice(start, start + self.batch_size)))
            due += count * self.batch_size
            if not sized:
                sized = True
                count = max(1, min(_MOST, _PIECE_BYTES // max(1, piece.x.nbytes)))
                for _ in range(2 * count - 1):
                    self._room.release()

    def _has_room(self, count: int) -> bool:
        """Wait until so many batches more may lie ready; False at the end."""
        for _ in range(count):
            while not self._room.acquire(timeout=_POLL_SECONDS):
                if self._ended.is_set():
                    return False
        return not self._ended.is_set()


def _rows(batch: Batch, rows: slice) -> Batch:
    observed = None if batch.observed is None else batch.observed[rows]
    return Batch(batch.x[rows], observed, {name: values[rows] for name, values in batch.conditions.items()})


def _plain(batch: Batch) -> Batch:
    """Without weights that are all 1: whether a batch has them may not depend on its neighbours."""
    if batch.observed is None or not bool((batch.observed == 1).all()):
        return batch
    return Batch(batch.x, None, batch.conditions)
