"""How a benchmark result is recorded: the numbers, and everything that is needed to obtain them again.

    with Recording("digits_one_class_out", seeds=[0, 1, 2]) as recording:
        recording.results = {...}

leaves `benchmarks/results/digits_one_class_out.json`. A result is never edited by hand; a bad one stays.

A benchmark that takes hours asks `recording.once(key, make)` for each of its parts: what is done is kept in
`results/.progress/`, and the same command continues there after an interruption.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["RESULTS", "Recording", "command", "git_state", "machine", "peak_mb", "versions"]

RESULTS = Path(__file__).parent / "results"
_DISTRIBUTIONS = ("synthgen", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pyts", "tsai")


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, instruction sets that matter for speed, memory and accelerators."""
    import torch

    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": facts.get("model name", platform.processor()),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "instructions": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile") if flag in flags],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "load": [round(value, 1) for value in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
    }


def peak_mb() -> float:
    """Most resident memory of this process so far, in MB.

    Of this program alone: `ru_maxrss` of a process that was just started includes what its parent held before the exec.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise SystemExit("the peak of memory is read from /proc/self/status, which Linux has")
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def versions() -> dict[str, str]:
    """Python and the distributions that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any]:
    """The commit that was measured, and whether files differed from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = [line for line in git("status", "--porcelain", "--untracked-files=no").splitlines() if line]
    return {"commit": git("rev-parse", "HEAD"), "changed_files": len(changed)}


def command() -> str:
    """The command line, to be repeated from the repository's root."""
    script = Path(sys.argv[0])
    root = RESULTS.parent.parent
    shown = script.resolve().relative_to(root) if script.resolve().is_relative_to(root) else script
    return shlex.join(["python", str(shown), *sys.argv[1:]])


class Recording:
    """Times a benchmark and writes its results, with what they depend on, when it ends without an error.

    Args:
        name: of the file.
        seeds: every seed that was used.
        directory: where results go.
    """

    def __init__(self, name: str, *, seeds: Sequence[int], directory: Path = RESULTS) -> None:
        self.path = directory / f"{name}.json"
        self.results: dict[str, Any] = {}
        self._seeds = list(seeds)
        self._progress = directory / ".progress" / f"{name}.jsonl"
        self._done: dict[str, dict[str, Any]] = {}

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """The part of a benchmark under `key`: made now, or by an earlier run of the same command that was cut off.

        Args:
            key: unique within the benchmark.
            make: what to call; its result has to survive JSON.
        """
        if key not in self._done:
            started = time.monotonic()
            value = make()
            done = {"key": key, "command": command(), "commit": git_state()["commit"], "value": value}
            self._done[key] = done | {"seconds": round(time.monotonic() - started, 1)}
            self._progress.parent.mkdir(parents=True, exist_ok=True)
            with self._progress.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._done[key], ensure_ascii=False) + "\n")
        return self._done[key]["value"]

    def _read_progress(self) -> None:
        if self._progress.exists():
            lines = [json.loads(line) for line in self._progress.read_text(encoding="utf-8").splitlines()]
            self._done = {line["key"]: line for line in lines if line["command"] == command()}

    def __enter__(self) -> Self:
        self._before = {"machine": machine(), "git": git_state()}
        self._started = time.monotonic()
        self._read_progress()
        self._earlier = {key: done["commit"] for key, done in self._done.items()}
        self._earlier_seconds = sum(done["seconds"] for done in self._done.values())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            return
        content = {
            "command": command(),
            "seeds": self._seeds,
            "wall_seconds": round(time.monotonic() - self._started + self._earlier_seconds, 1),
            "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "versions": versions(),
            **self._before,
            **({"continued": self._earlier} if self._earlier else {}),
            "results": self.results,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        self._progress.unlink(missing_ok=True)
