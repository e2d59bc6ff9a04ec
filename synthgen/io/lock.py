"""One writer at a time: a directory that a command is filling is locked, and says by whom.

The lock is the kernel's (`flock` on the directory itself), so it goes with the process however that ends, and leaves no
file behind to be cleaned up by hand. The owner's name is a courtesy beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from synthgen.errors import StorageError
from synthgen.io.atomic import make_directory

__all__ = ["OWNER", "locked"]

OWNER = ".owner.json"


@contextlib.contextmanager
def locked(directory: Path, doing: str) -> Iterator[None]:
    """Hold `directory` for this process alone; created where it is missing, and removed if it is left empty.

    Args:
        directory: what is about to be written.
        doing: what for, such as `training`; the other process's message shows it.

    Raises:
        StorageError: another process holds it, naming that process; or it cannot be created.
    """
    fresh = [place for place in (directory, *directory.parents) if not place.exists()]
    make_directory(directory)
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{directory} is in use by {_owner(directory)}", hint="Wait for it or stop it, or choose another --out."
            ) from error
        except OSError:  # a file system without locks: go on unprotected, as every other tool does there
            pass
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "doing": doing,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with contextlib.suppress(OSError):  # a full disk is reported where it matters
            (directory / OWNER).write_text(json.dumps(note), encoding="utf-8")
        try:
            yield
        finally:
            (directory / OWNER).unlink(missing_ok=True)
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):  # what was created for nothing goes again; what is not empty stays
            for place in fresh:
                place.rmdir()


def _owner(directory: Path) -> str:
    try:
        note = json.loads((directory / OWNER).read_text(encoding="utf-8"))
        return f"process {note['pid']} on {note['host']}, {note['doing']} since {note['since']}"
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return "another process"
