"""`synthgen plugins new`: a runnable, typed, tested package for a plugin, from the templates beside this file.

A template is a text file in which `{{name}}`, `{{package}}` and a few more stand for what the user named; a directory
called `package` becomes the Python package.
"""

from __future__ import annotations

import re
from pathlib import Path

from synthgen.errors import UsageError

__all__ = ["KINDS", "scaffold"]

KINDS = ("modality", "metric", "writer", "sampler", "network")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUFFIX = ".template"
_TRY = {
    "modality": "synthgen train --modality {name} && synthgen generate --n 100 --label && synthgen evaluate",
    "metric": "synthgen evaluate                # the report has a row {name}",
    "writer": "synthgen generate --n 100 --format {name}   # from a run of modality {modality}",
    "sampler": "synthgen generate --n 100 --sampler {name}",
    "network": "synthgen train --modality image --set network.name={name}",
}


def scaffold(name: str, *, kind: str, modality: str, out: Path) -> list[Path]:
    """Write the package and return its files.

    Args:
        name: of what the plugin provides: lower case, digits and dashes.
        kind: one of `KINDS`.
        modality: for a writer, the modality that it writes for.
        out: directory that the package goes into.

    Raises:
        UsageError: an impossible name, or something is there already.
    """
    bare = name.removeprefix("synthgen-")
    if not _NAME.fullmatch(bare):
        raise UsageError(f"{name} cannot be a plugin's name", hint="Use lower case, digits and dashes: my-spectra.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is not empty", hint="Choose another --out.")
    words = _words(bare, kind=kind, modality=modality)
    files = []
    for folder in ("common", kind):
        for path, text in _templates(folder):
            target = out / path.replace("package/", f"{words['package']}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_filled(text, words), encoding="utf-8")
            files.append(target)
    return sorted(files)


def _words(name: str, *, kind: str, modality: str) -> dict[str, str]:
    from synthgen import __version__

    major, minor = (int(part) for part in __version__.split(".")[:2])
    return {
        "name": name,
        "kind": kind,
        "modality": modality,
        "distribution": f"synthgen-{name}",
        "package": f"synthgen_{name.replace('-', '_')}",
        "Class": "".join(part.capitalize() for part in name.split("-")),
        "minor": f"{major}.{minor}",
        "next_minor": f"{major}.{minor + 1}",
        "try": _TRY[kind].format(name=name, modality=modality),
    }


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: words[match[1]], text)


def _templates(folder: str) -> list[tuple[str, str]]:
    """(path without the suffix, text) of every template below a folder."""
    root = Path(__file__).parent / "templates" / folder
    found = sorted(root.rglob(f"*{_SUFFIX}"))
    return [
        (path.relative_to(root).as_posix().removesuffix(_SUFFIX), path.read_text(encoding="utf-8")) for path in found
    ]
