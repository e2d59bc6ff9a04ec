"""`synthgen doctor`: is this machine fit, and what to paste into a bug report.

`--json`: `{"ok", "problems": [{"message", "remedy"}], "python", "platform", "versions", "cpu", "gpu", "threads",
"memory_gb", "disk_free_gb", "writable", "precision", "plugins"}`. The exit code is 1 when there is a problem.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.torch_pair import Problem
from synthgen.cli.torch_probe import probe_torch, problems_of_probe

__all__ = ["doctor", "examine"]

_DISTRIBUTIONS = (
    "synthgen",
    "torch",
    "torchvision",
    "tsai",
    "numpy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "pillow",
    "matplotlib",
    "safetensors",
    "pydantic",
    "pluggy",
    "typer",
)
_NEEDED_DISK_GB = 1.0
_NEEDED_MEMORY_GB = 2.0
_CROWDED = 1.5  # how much quicker one thread alone must be than all: less can be chance
_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


@reporting
def doctor(console: Console) -> None:
    """Check Python, torch, memory, disk and plugins, and print a block for bug reports."""
    console.note("Looking at the machine (importing torch takes a few seconds) ...")
    findings = examine()
    console.result(_text(findings), findings)
    if not findings["ok"]:
        raise typer.Exit(1)


def examine(directory: Path | None = None) -> dict[str, Any]:
    """What `synthgen doctor --json` prints.

    Args:
        directory: where runs and data sets would be written; the current one when absent.
    """
    import platform  # takes 15 ms, which every `--help` would pay

    place = directory or Path.cwd()
    versions = _versions()
    probe = probe_torch()
    plugins = _plugins()
    disk = round(shutil.disk_usage(place).free / 1e9, 1)
    memory = _memory_gb()
    writable = _is_writable(place)
    problems = [
        *problems_of_probe(probe, versions),
        *_room_problems(disk_gb=disk, memory_gb=memory, writable=writable, place=place),
        *(
            Problem(f"plugin {plugin['name']} failed: {plugin['reason']}", "Update or uninstall its distribution.")
            for plugin in plugins
            if plugin["state"] == "failed"
        ),
    ]
    return {
        "ok": not problems,
        "problems": [dataclasses.asdict(problem) for problem in problems],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "cpu": _cpu(),
        "gpu": probe.get("gpu"),
        "threads": {
            "torch": probe.get("threads"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
            "one_thread_gains": probe.get("one_thread_gains"),
        },
        "memory_gb": memory,
        "disk_free_gb": disk,
        "writable": writable,
        "precision": probe.get("precision"),
        "plugins": plugins,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _plugins() -> list[dict[str, Any]]:
    from synthgen.plugins import plugin_host

    return plugin_host().as_json()


def _cpu() -> dict[str, Any]:
    import platform

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts: dict[str, Any] = {"model": platform.processor() or platform.machine(), "cores": available, "features": []}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return facts
    entries = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = set(entries.get("flags", entries.get("Features", "")).split())
    facts["model"] = entries.get("model name", facts["model"])
    facts["features"] = [feature for feature in _FEATURES if feature in flags]
    return facts


def _memory_gb() -> dict[str, float | None]:
    """Total and available memory in GB, the control group's limit taken in."""
    try:
        rows = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        kilobytes = {row[0].rstrip(":"): int(row[1]) for row in rows}
        total, available = kilobytes["MemTotal"] * 1024, kilobytes["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return {"total": None, "available": None}
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        total, available = min(total, limit), min(available, limit - used)
    except (OSError, ValueError):  # no limit ("max"), or no control groups here
        pass
    return {"total": round(total / 1e9, 1), "available": round(available / 1e9, 1)}


def _is_writable(place: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _room_problems(
    *, disk_gb: float, memory_gb: Mapping[str, float | None], writable: bool, place: Path
) -> list[Problem]:
    problems = []
    if disk_gb < _NEEDED_DISK_GB:
        problems.append(Problem(f"only {disk_gb:g} GB free on the disk of {place}", "Free some space, or use --out."))
    available = memory_gb["available"]
    if available is not None and available < _NEEDED_MEMORY_GB:
        problems.append(Problem(f"only {available:g} GB of memory available", "Close other programs."))
    if not writable:
        problems.append(Problem(f"no permission to write in {place}", "Change to another directory, or use --out."))
    return problems


def _text(findings: Mapping[str, Any]) -> str:
    cpu, memory, precision = findings["cpu"], findings["memory_gb"], findings["precision"]
    speed = (
        f"{precision['faster']} (a step: fp32 {precision['fp32_ms']:.1f} ms, bf16 {precision['bf16_ms']:.1f} ms)"
        if precision
        else "unknown"
    )
    states = ", ".join(f"{plugin['name']} {plugin['state']}" for plugin in findings["plugins"])
    threads, places = findings["threads"], "writable" if findings["writable"] else "NOT writable"
    gain = threads["one_thread_gains"] or 0.0
    crowd = (
        f"; one alone is {gain:.1f} times as quick now, as other programs use the cores: set OMP_NUM_THREADS=1"
        if gain > _CROWDED
        else ""
    )
    lines = [
        f"python     {findings['python']} on {findings['platform']}",
        f"cpu        {cpu['model']}, {cpu['cores']} cores, {' '.join(cpu['features']) or 'no special features'}",
        f"gpu        {findings['gpu'] or 'none'}",
        f"threads    torch {threads['torch']}, OMP_NUM_THREADS {threads['OMP_NUM_THREADS'] or 'unset'}{crowd}",
        f"memory     {memory['available']} of {memory['total']} GB available",
        f"disk       {findings['disk_free_gb']} GB free, {places}",
        f"precision  {speed}",
        f"plugins    {states or 'none'}",
        "versions   " + ", ".join(f"{name} {number}" for name, number in findings["versions"].items()),
    ]
    verdict = ["", "Everything is in place."] if findings["ok"] else []
    for problem in findings["problems"]:
        verdict += ["", f"Problem: {problem['message']}", f"  {problem['remedy']}"]
    return "\n".join([*lines, *verdict])
