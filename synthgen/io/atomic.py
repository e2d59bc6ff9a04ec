"""Files appear whole or not at all: written beside their place, flushed to disk, then renamed.

A crash leaves at most a file whose name starts with `.tmp-`, which `remove_leftovers` deletes at the next start.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from synthgen.api import WrittenFile
from synthgen.errors import StorageError

__all__ = [
    "TEMPORARY",
    "atomic_file",
    "make_directory",
    "read_text",
    "remove",
    "remove_leftovers",
    "sha256_of",
    "write_bytes",
    "write_text",
    "written",
]

TEMPORARY = ".tmp-"
"""How the names of unfinished files begin."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`, on any error removed.

    Raises:
        StorageError: the disk is full, the directory cannot be written, the name is too long.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _storage_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise _storage_error(path, error) from error
    except SafetensorError as error:  # which hides the disk's own error in its text
        raise _storage_error(path, OSError(str(error).removeprefix("Error while serializing: "))) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_directory(path: Path) -> Path:
    """Create a directory with its parents.

    Raises:
        StorageError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error(path, error) from error
    return path


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def read_text(path: Path) -> str:
    """A whole UTF-8 text file.

    Raises:
        OSError: missing, unreadable, or no ordinary file: a pipe would be waited for.
        UnicodeDecodeError: not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no ordinary file", str(path))
    return path.read_text(encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file atomically."""
    write_bytes(path, text.encode("utf-8"))


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written(directory: Path, path: Path, records: int) -> WrittenFile:
    """Describe a finished file of a data set, its path relative to `directory`."""
    return WrittenFile(path.relative_to(directory).as_posix(), sha256_of(path), path.stat().st_size, records)


def remove(path: Path) -> None:
    """Delete a file, if it is there, for good: a crash afterwards does not bring it back.

    Raises:
        StorageError: it cannot be deleted.
    """
    try:
        path.unlink()
        _sync_directory(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _storage_error(path, error) from error


def remove_leftovers(directory: Path, *, below: bool = True) -> int:
    """Delete what interrupted writers left in `directory` and `below` it; returns how many files."""
    leftovers = list(directory.rglob(f"{TEMPORARY}*") if below else directory.glob(f"{TEMPORARY}*"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


def _storage_error(path: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(
        f"cannot write {path}: {reason}", hint="Check free space and permissions, or choose another --out."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
