"""Import torch and torchvision in their own process, so that a broken pair harms nobody, and time bf16 against fp32."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from synthgen.cli.torch_pair import Problem, diagnose

__all__ = ["probe_torch", "problems_of_probe"]

_SCRIPT = """
import json, statistics, time
import torch
facts = {"threads": torch.get_num_threads(), "gpu": None}
if torch.cuda.is_available():
    facts["gpu"] = torch.cuda.get_device_name(0)
device = "cuda" if facts["gpu"] else "cpu"
block = torch.nn.Sequential(
    torch.nn.Conv2d(48, 96, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(96, 48, 3, padding=1)
).to(device)
x = torch.randn(32, 48, 16, 16, device=device)
def milliseconds(dtype):
    times = []
    for _ in range(8):
        started = time.perf_counter()
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = block(x).float().square().mean()
        loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return [1000 * seconds for seconds in times[2:]]
each = {"fp32": milliseconds(torch.float32), "bf16": milliseconds(torch.bfloat16)}
fp32, bf16 = statistics.median(each["fp32"]), statistics.median(each["bf16"])
facts["precision"] = {"fp32_ms": fp32, "bf16_ms": bf16, "faster": "bf16" if bf16 < fp32 else "fp32"}
if device == "cpu" and facts["threads"] > 1:
    torch.set_num_threads(1)
    alone = milliseconds(torch.bfloat16 if bf16 < fp32 else torch.float32)
    facts["one_thread_gains"] = statistics.mean(each[facts["precision"]["faster"]]) / statistics.mean(alone)
print(json.dumps(facts), flush=True)
import torchvision
"""
_SECONDS = 120


def probe_torch() -> dict[str, Any]:
    """`{"threads", "gpu", "precision", "one_thread_gains", "error"}`.

    `one_thread_gains` is how much quicker one thread alone is than all; `error` what the imports printed when they
    failed, else None.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"importing torch did not end: {error}"}
    lines = done.stdout.splitlines()
    facts: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {**facts, "error": done.stderr.strip() or "it died without a word" if done.returncode else None}


def problems_of_probe(probe: Mapping[str, Any], versions: Mapping[str, str]) -> list[Problem]:
    """What the probe found wrong: the pair of torch and torchvision, or another import error."""
    text = probe.get("error")
    if not text:
        return []
    pair = diagnose(text, versions)
    last = text.splitlines()[-1]
    return [pair or Problem(f"torch or torchvision cannot be imported: {last}", "Install them again, in one command.")]
