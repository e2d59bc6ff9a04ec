"""Which plugins are installed: the entry points of the group `synthgen`, distribution by distribution.

`importlib.metadata.entry_points` reads all distributions in one go, so one with damaged metadata hides all others. Here
each is read on its own.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

__all__ = ["GROUP", "Candidate", "describe_error", "installed_candidates"]

GROUP = "synthgen"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry point to load, or the problem that its distribution has. None: the core's own."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint | None
    problem: str = ""


def installed_candidates() -> list[Candidate]:
    """The entry points of every installed distribution, by name; ours before a stranger's of the same name."""
    found: list[Candidate] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            name = _distribution_name(distribution)
            if name not in seen:  # the first on sys.path is the one that gets imported
                seen.add(name)
                found += _candidates(distribution, name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            place = str(getattr(distribution, "_path", "unknown"))
            found.append(Candidate(Path(place).stem, place, "", None, f"its metadata {describe_error(error)}"))
    return sorted(found, key=lambda item: (item.name, item.distribution != "synthgen", item.distribution))


def _distribution_name(distribution: Distribution) -> str:
    """The normalised name, from the directory's where there is one: parsing all metadata took 0.1 s of each start."""
    path = getattr(distribution, "_path", None)
    folder = "" if path is None else Path(str(path)).name
    if folder.endswith((".dist-info", ".egg-info")):
        name = folder.rpartition(".")[0].partition("-")[0]
    else:
        name = str(distribution.metadata["Name"])
    return re.sub(r"[-_.]+", "-", name).lower()


def _candidates(distribution: Distribution, name: str) -> Iterator[Candidate]:
    for entry_point in distribution.entry_points:
        if entry_point.group == GROUP:
            yield Candidate(entry_point.name, name, str(distribution.version), entry_point)


def describe_error(error: BaseException) -> str:
    """What was raised, on one line, with the file and line where it came from."""
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"raised {type(error).__name__}{': ' if message else ''}{message}{place}"
