"""How long `synthgen --help` takes with ten plugins installed: the promise is 0.3 seconds.

Ten distributions are written into a folder as pip would leave them, each with a modality, a sampler, a metric, a writer
and a command, whose targets import torch, pandas and scikit-learn, as plugins do. Wall time says something on a quiet
machine only, so the processor time of the command stands beside it.

    python benchmarks/help_startup.py
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import Recording

HOOKS = """
from synthgen.api import Spec, hookimpl

TARGET = "startup_plugin_{k}_parts:"

@hookimpl
def synthgen_modalities():
    return [Spec("startup{k}", "a modality", TARGET + "Modality")]

@hookimpl
def synthgen_samplers():
    return [Spec("startup{k}", "a sampler", TARGET + "sampler")]

@hookimpl
def synthgen_metrics():
    return [Spec("startup{k}", "a metric", TARGET + "METRIC")]

@hookimpl
def synthgen_writers():
    return [Spec("startup{k}", "a writer", TARGET + "Writer", modality="startup{k}")]

@hookimpl
def synthgen_commands():
    return [Spec("startup{k}", "a command", TARGET + "app")]
"""
PARTS = "import pandas\nimport sklearn.ensemble\nimport torch\nModality = sampler = METRIC = Writer = app = None\n"


def install(folder: Path, plugins: int) -> None:
    """Distributions `startup-plugin-0`, ... as pip leaves them."""
    for k in range(plugins):
        (folder / f"startup_plugin_{k}.py").write_text(HOOKS.format(k=k))
        (folder / f"startup_plugin_{k}_parts.py").write_text(PARTS)
        facts = folder / f"startup_plugin_{k}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: startup-plugin-{k}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[synthgen]\nstartup{k} = startup_plugin_{k}\n")


def measure(arguments: list[str], folder: Path, runs: int) -> dict[str, float]:
    """Median wall and processor seconds of a command, and the smallest of each."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    walls, processor = [], []
    for _ in range(runs + 1):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "synthgen", *arguments], env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - started)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    walls, processor = walls[1:], processor[1:]  # the first run compiles
    return {
        "wall_median": round(statistics.median(walls), 3),
        "wall_least": round(min(walls), 3),
        "processor_median": round(statistics.median(processor), 3),
        "processor_least": round(min(processor), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugins", type=int, default=10)
    parser.add_argument("--runs", type=int, default=15)
    chosen = parser.parse_args()
    with Recording("help_startup", seeds=[]) as recording:
        for plugins in (0, chosen.plugins):
            with tempfile.TemporaryDirectory() as place:
                install(Path(place), plugins)
                for arguments in (["--help"], ["train", "--help"], ["plugins", "--json"]):
                    name = f"synthgen {' '.join(arguments)}, {plugins} more plugins"
                    recording.results[name] = measure(arguments, Path(place), chosen.runs)
                    print(name, recording.results[name], flush=True)


if __name__ == "__main__":
    main()
