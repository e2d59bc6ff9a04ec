"""Intermediate results of an evaluation, kept by the content that they were computed from.

Features, judges' answers and denoising errors cost minutes and depend on nothing but records, settings and version.
Each is stored under a hash of these, so a second report takes seconds, and a report on a second data set computes the
real side no more. Files are safetensors: opening a stranger's cache executes nothing. A damaged file is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from synthgen import __version__
from synthgen.api import Records
from synthgen.errors import StorageError
from synthgen.io.atomic import atomic_file, remove_leftovers

__all__ = ["Cache", "content_hash"]

Arrays = Mapping[str, NDArray[Any]]

_MOST_BYTES = 1 << 30
_FORMAT = "1"


def content_hash(records: Records) -> str:
    """A hash of every column and label, names, types and shapes included."""
    found = hashlib.blake2b(digest_size=16)
    columns = dict(records.columns) | ({} if records.label is None else {"\0label": records.label})
    for name, column in sorted(columns.items()):
        found.update(f"{name}|{column.dtype.str}|{column.shape}|".encode())
        found.update(np.ascontiguousarray(column).tobytes() if column.dtype != object else repr(list(column)).encode())
    return found.hexdigest()


class Cache:
    """Arrays by the hash of what they follow from.

    Args:
        directory: where they stay; None: in memory only, for the length of one evaluation.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._memory: dict[str, dict[str, NDArray[Any]]] = {}
        self._live: dict[str, Any] = {}
        self._hashes: dict[int, tuple[Records, str]] = {}
        self.hits = 0
        self.misses = 0

    def hash_of(self, records: Records) -> str:
        """`content_hash`, once for each object."""
        known = self._hashes.get(id(records))
        if known is None or known[0] is not records:
            known = (records, content_hash(records))
            self._hashes[id(records)] = known
        return known[1]

    def arrays(self, purpose: str, *follows_from: object, make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
        """What `make` returns, from memory or disk where it is known.

        Args:
            purpose: what the arrays are.
            follows_from: everything that decides them, with a stable `repr`; Records count by their content.
            make: computes them.
        """
        key = self._key(purpose, follows_from)
        found = self._memory.get(key)
        if found is None:
            found = self._load(key)
        if found is None:
            self.misses += 1
            found = {name: np.ascontiguousarray(values) for name, values in make().items()}
            self._save(key, found)
        else:
            self.hits += 1
        self._memory[key] = found
        return found

    def live(self, purpose: str, *follows_from: object, make: Callable[[], Any]) -> Any:
        """An object that cannot be stored, such as a fitted network: made once for the length of an evaluation."""
        key = self._key(purpose, follows_from)
        if key not in self._live:
            self._live[key] = make()
        return self._live[key]

    def prune(self) -> None:
        """Remove the files that were used longest ago, beyond a gibibyte, and what a killed process had begun.

        Another process that loses an unfinished file to this keeps one result less.
        """
        if self._directory is None or not self._directory.is_dir():
            return
        remove_leftovers(self._directory)
        files = sorted(self._directory.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > _MOST_BYTES:
                path.unlink(missing_ok=True)

    def _key(self, purpose: str, follows_from: tuple[object, ...]) -> str:
        parts = [self.hash_of(part) if isinstance(part, Records) else repr(part) for part in follows_from]
        text = "\n".join((_FORMAT, __version__, purpose, *parts))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _load(self, key: str) -> dict[str, NDArray[Any]] | None:
        if self._directory is None:
            return None
        path = self._directory / f"{key}.safetensors"
        try:
            found: dict[str, NDArray[Any]] = load_file(path)
        except (OSError, SafetensorError, ValueError, KeyError):
            return None
        with contextlib.suppress(OSError):
            path.touch()
        return found

    def _save(self, key: str, arrays: Arrays) -> None:
        """A full or read-only disk makes reports slower, and stops none."""
        if self._directory is None:
            return
        with contextlib.suppress(StorageError, OSError), atomic_file(self._directory / f"{key}.safetensors") as path:
            save_file(dict(arrays), path)
