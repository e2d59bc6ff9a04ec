"""Where a run goes: as asked, an interrupted run of the same request, or the next free number below `runs/`."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen import registry
from synthgen.config import resolve
from synthgen.errors import RunError, UsageError
from synthgen.io.atomic import TEMPORARY
from synthgen.io.lock import OWNER
from synthgen.io.run import read_facts
from synthgen.training.state import PARTS

__all__ = ["clear", "place"]

_NOTES = (OWNER, "state", PARTS)


def place(request: Mapping[str, Any], out: Path | None, *, resume: bool, force: bool) -> Path:
    """The directory of a run.

    Args:
        request: what `run.json` keeps of it; `overrides` are the user's own choices.
        out: as the user asked, or None.
        resume: whether an interrupted run may be taken up.
        force: whether what stands at `out` may be replaced.

    Raises:
        UsageError: something else stands at `out`.
    """
    if out is not None:
        if not force and out.exists() and not _is_free(out):
            if not (out / "run.json").exists():
                raise UsageError(f"{out} exists and is not a run", hint="Choose another --out.")
            if not resume:
                raise UsageError(f"{out} exists", hint="Resume it (the default), or replace it with --force.")
        return out
    config = resolve([request["overrides"]])
    name = Path(config.data.path).stem if config.data.path else registry.modality(config.modality).demo
    stem = f"{config.modality}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name) or 'data'}"
    existing = {int(m[1]): p for p in Path("runs").glob(f"{stem}-*") if (m := re.fullmatch(rf"{stem}-(\d+)", p.name))}
    if existing and resume:
        newest = existing[max(existing)]
        with contextlib.suppress(RunError):
            facts = read_facts(newest)
            if facts["status"] != "finished" and facts.get("request") == json.loads(json.dumps(request)):
                return newest
    return Path("runs") / f"{stem}-{max(existing, default=0) + 1}"


def _is_free(out: Path) -> bool:
    """Whether it is a directory with nothing but notes of a training that has not begun, or was killed by then."""
    found = (path for path in out.rglob("*") if not path.name.startswith(TEMPORARY))
    return out.is_dir() and all(path.relative_to(out).as_posix() in _NOTES for path in found)


def clear(out: Path) -> None:
    """Empty a run's directory, which stays locked meanwhile.

    Raises:
        UsageError: it is not a run's.
    """
    contents = [path for path in out.iterdir() if path.name != OWNER]
    if any(not path.name.startswith(TEMPORARY) for path in contents) and not (out / "run.json").exists():
        raise UsageError(f"--force replaces runs only, and {out} is not one", hint="Remove it yourself if it may go.")
    for path in contents:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
