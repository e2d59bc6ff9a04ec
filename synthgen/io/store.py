"""Object stores (`s3://`, `gs://`, `memory://` and whatever fsspec has a package for), as far as data sets need them.

A store has no rename and needs none: an object appears whole when its upload ends. What must not happen twice at once
is claimed by an object that may be created only once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from synthgen.errors import DataError, StorageError, UsageError
from synthgen.io.atomic import atomic_file

__all__ = ["Store", "is_url", "local_copy"]


def is_url(place: object) -> bool:
    """Whether this names a place in an object store."""
    return isinstance(place, str) and "://" in place


class Store:
    """A directory in an object store.

    Args:
        url: such as `s3://bucket/faces`.

    Raises:
        UsageError: no such kind of store, or its package is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise UsageError(f"{url} needs a package that is not installed", hint=str(error)) from error
        except ValueError as error:
            raise UsageError(f"{url}: {error}") from error
        self._fs.invalidate_cache()

    def read(self, name: str) -> bytes | None:
        """An object, or None where there is none."""
        try:
            content: bytes = self._fs.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _failed(f"{self.url}/{name} cannot be read", error) from error
        return content

    def put(self, name: str, content: bytes) -> None:
        """Write an object whole."""
        try:
            self._fs.pipe_file(self._path(name), content)
        except Exception as error:
            raise _failed(f"{self.url}/{name} cannot be written", error) from error

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one; whether it was written.

        Stores without conditional writes overwrite: what is claimed must do no harm when it is done twice.
        """
        if self.read(name) is not None:
            return False
        try:
            self._fs.pipe_file(self._path(name), content, mode="create")
        except FileExistsError:
            return False
        except TypeError:  # no such mode
            self.put(name, content)
        except Exception as error:
            raise _failed(f"{self.url}/{name} cannot be written", error) from error
        return True

    def upload(self, path: Path, name: str) -> None:
        """Write a file as an object."""
        try:
            self._fs.put_file(str(path), self._path(name))
        except Exception as error:
            raise _failed(f"{self.url}/{name} cannot be written", error) from error

    def download(self, name: str, path: Path) -> None:
        """Write an object as a file, atomically."""
        with atomic_file(path) as temporary:
            try:
                self._fs.get_file(self._path(name), str(temporary))
            except Exception as error:
                raise _failed(f"{self.url}/{name} cannot be read", error) from error

    def sizes(self, below: str = "") -> dict[str, int]:
        """Every object below a name, with its bytes."""
        try:
            self._fs.invalidate_cache()
            found: dict[str, Any] = self._fs.find(self._path(below), detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise _failed(f"{self.url} cannot be listed", error) from error
        start = len(self._root.rstrip("/")) + 1
        return {str(facts["name"])[start:]: int(facts["size"] or 0) for facts in found.values()}

    def remove(self, *names: str) -> None:
        """Delete objects; one that is missing is as good as deleted."""
        for name in names:
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                continue
            except Exception as error:
                raise _failed(f"{self.url}/{name} cannot be deleted", error) from error

    def claim(self, name: str, *, seconds: float) -> bool:
        """Take something for this process for so long; whether nobody else has it.

        A claim that has run out is taken over. Where clocks disagree or jump, two processes may both go ahead.
        """
        note = json.dumps({"process": os.getpid(), "until": time.time() + seconds}).encode()
        if self.create(name, note):
            return True
        try:
            until = float(json.loads(self.read(name) or b"{}").get("until", 0.0))
        except (ValueError, TypeError, AttributeError):
            until = 0.0
        now = time.time()
        if now < until <= now + 2 * seconds:  # further ahead: its clock was wrong
            return False
        self.remove(name)
        return self.create(name, note)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root


def local_copy(url: str) -> Path:
    """A directory or file of a store, copied to the cache of this machine; what is there with the same size stays.

    The cache is `$SYNTHGEN_CACHE`, else `~/.cache/synthgen`.

    Raises:
        DataError: there is nothing at the address.
    """
    store = Store(url)
    cache = Path(os.environ.get("SYNTHGEN_CACHE", "~/.cache/synthgen")).expanduser()
    target = cache / hashlib.sha256(store.url.encode()).hexdigest()[:16] / store.url.rpartition("/")[2]
    found = {name: size for name, size in store.sizes().items() if _inside(name)}
    if not found and store.read("") is not None:
        store.download("", target)
        return target
    if not found:
        raise DataError(f"there is nothing at {url}")
    for name, size in found.items():
        path = target / name
        if not path.is_file() or path.stat().st_size != size or name.endswith(".json"):
            store.download(name, path)
    for path in _files(target):
        if path.relative_to(target).as_posix() not in found:
            path.unlink()
    return target


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in list(directory.rglob("*")) if path.is_file())


def _inside(name: str) -> bool:
    return bool(name) and ".." not in name.split("/") and not name.startswith("/")


def _failed(what: str, error: Exception) -> StorageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StorageError(f"{what}: {reason}", hint="Check the address, the network and your credentials.")
