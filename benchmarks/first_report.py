"""From nothing to a first report, as a new user: a fresh clone, a fresh environment, the README's line as it stands.

The promise is five minutes, installation included. What is cloned is the commit that is checked out, into a folder of
its own; pip starts with an empty cache, so everything is downloaded. The clock stops when the first `report.html` of
`synthgen demo` exists; with `--whole`, when the line has ended and all three modalities have theirs.

    python benchmarks/first_report.py                  # about 7 GB of disk; wants a quiet machine
    python benchmarks/first_report.py --dry            # what would be run, and nothing else
    python benchmarks/first_report.py --reuse FOLDER   # a folder that an earlier --keep left: the demo alone
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from record import Recording

ROOT = Path(__file__).parents[1]
DEMO = "synthgen demo"


def install_line(readme: str) -> list[str]:
    """The commands of the README's first line, which ends with the demo.

    Raises:
        SystemExit: there is no such line.
    """
    for line in readme.splitlines():
        commands = [command.strip() for command in line.split("&&")]
        if commands[-1].endswith(DEMO) and len(commands) > 1:
            return commands
    raise SystemExit(f"README.md has no line that ends with `{DEMO}`")


def run(command: str, folder: Path, environment: dict[str, str]) -> float:
    """Wall seconds of a command that has to succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def until_report(command: str, folder: Path, environment: dict[str, str], *, whole: bool) -> dict[str, Any]:
    """Seconds until each report of the demo exists; without `whole` the demo is stopped after the first."""
    started, found = time.perf_counter(), dict[str, float]()
    with (folder / "demo.log").open("w") as log:
        process = subprocess.Popen(
            shlex.split(command), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        while True:
            ended = process.poll()
            for report in (folder / "demo").glob("*/report/report.html"):
                found.setdefault(report.parent.parent.name, round(time.perf_counter() - started, 1))
            if ended is not None or (found and not whole):
                break
            time.sleep(0.1)
        if ended is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    if not found or ended:
        raise SystemExit(f"{command} ended with {ended}:\n{(folder / 'demo.log').read_text()[-3000:]}")
    return {"reports": found, "seconds": min(found.values()), **({"whole": max(found.values())} if whole else {})}


def measure(folder: Path, commands: Sequence[str], *, whole: bool, reuse: bool) -> dict[str, Any]:
    """Wall seconds of each part, and of all up to the first report."""
    hidden = ("PYTHON", "PIP_CACHE_DIR", "VIRTUAL_ENV", "SYNTHGEN_", "OMP_", "MKL_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    environment["PIP_CACHE_DIR"] = str(folder / "pip-cache")
    own = os.path.dirname(sys.executable)  # of the environment that this runs in, which a new user does not have
    environment["PATH"] = os.pathsep.join(place for place in os.environ["PATH"].split(os.pathsep) if place != own)
    clone, parts = folder / "synthgen", dict[str, float]()
    if not reuse:
        parts["git clone"] = run(
            f"git clone --quiet --no-hardlinks {shlex.quote(str(ROOT))} synthgen", folder, environment
        )
        for command in commands[:-1]:
            parts[command] = run(command, clone, environment)
    else:
        shutil.rmtree(clone / "demo", ignore_errors=True)
    demo = until_report(commands[-1], clone, environment, whole=whole)
    total = sum(parts.values()) + demo["seconds"]
    return {
        "parts": {name: round(seconds, 1) for name, seconds in parts.items()},
        "demo": demo,
        "first_report_seconds": round(total, 1),
        "installed": not reuse,
    }


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="print the commands")
    parser.add_argument("--whole", action="store_true", help="go on until all three modalities have a report")
    parser.add_argument("--reuse", type=Path, metavar="FOLDER", help="with a clone and its environment; not recorded")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to work; it is left there")
    chosen = parser.parse_args()
    commands = install_line((ROOT / "README.md").read_text(encoding="utf-8"))
    if chosen.dry:
        print("\n".join(["git clone . synthgen", *commands]))
        return
    if chosen.reuse is not None:
        print(measure(chosen.reuse, commands, whole=chosen.whole, reuse=True))
        return
    with tempfile.TemporaryDirectory() as made, Recording("first_report", seeds=[0]) as recording:
        folder = Path(made) if chosen.keep is None else chosen.keep
        folder.mkdir(parents=True, exist_ok=True)
        recording.results = measure(folder, commands, whole=chosen.whole, reuse=False)
        print(recording.results)


if __name__ == "__main__":
    main()
