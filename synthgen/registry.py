"""Name -> record -> object: the one way to ask for something that a plugin provides.

A kind is `"modalities"`, `"datasets"`, `"readers"`, `"writers"`, `"networks"`, `"samplers"`, `"metrics"`,
`"commands"` or `"loggers"`. Names are unique for each (kind, modality): two providers of one name are an error that
names both.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from synthgen.errors import PluginError, SynthgenError, UsageError
from synthgen.plugins import KINDS, PluginHost, Registered, describe_conflict, plugin_host

if TYPE_CHECKING:
    from pathlib import Path

    from synthgen.api import Modality, Reader

__all__ = ["Registered", "accepting", "create", "create_all", "find", "load", "modality", "names", "specs"]

_SINGULAR = {"modalities": "modality", "datasets": "demo set"}


def specs(kind: str, modality: str = "") -> list[Registered]:
    """What is provided of a kind, sorted by name; with a modality, what serves that one (or all).

    A name with two providers is listed twice; `find`, `load` and `create` of it are the error that names both.
    """
    _known_kind(kind)
    return _matching(plugin_host(), kind, modality)


def names(kind: str, modality: str = "") -> list[str]:
    """The names of a kind, sorted, each once."""
    _known_kind(kind)
    return sorted({record.spec.name for record in _matching(plugin_host(), kind, modality)})


def find(kind: str, name: str, modality: str = "") -> Registered:
    """The record of this name; one made for the modality goes before one for all.

    Raises:
        UsageError: unknown name (with the known ones), or one that several modalities have when none is given.
        PluginError: the plugin that provides it failed or is disabled, or two plugins provide it.
    """
    _known_kind(kind)
    host = plugin_host()
    found = [record for record in _matching(host, kind, modality) if record.spec.name == name]
    if not found:
        raise _unknown(host, kind, name, modality)
    exact = [record for record in found if record.spec.modality == modality] or found
    providers = host.conflicts(kind).get((exact[0].spec.modality, name))
    if providers:
        last = providers[-1]
        raise PluginError(
            describe_conflict(kind, providers),
            hint=f"Switch one off: SYNTHGEN_DISABLE_PLUGINS={last.plugin}, or uninstall {last.distribution}.",
        )
    if len(exact) > 1:
        whose = ", ".join(record.spec.modality for record in exact)
        raise UsageError(
            f"{_singular(kind)} {name} exists for several modalities: {whose}", hint="Say which one is meant."
        )
    return exact[0]


def load(kind: str, name: str, modality: str = "") -> Any:
    """The object that the record's target names, as it is.

    Raises:
        UsageError, PluginError: as `find`.
        PluginError: the target cannot be imported, or a distribution that it requires is missing.
    """
    return _resolve(find(kind, name, modality), kind)


def create(kind: str, name: str, modality: str = "") -> Any:
    """`load` and call without arguments.

    Raises:
        UsageError, PluginError: as `load`; also when the call fails with anything that is not a `SynthgenError`.
    """
    record = find(kind, name, modality)
    target = _resolve(record, kind)
    try:
        return target()
    except (KeyboardInterrupt, SynthgenError):
        raise
    except BaseException as error:
        raise PluginError(
            f"{_singular(kind)} {name} of {record}: calling {record.spec.target} failed with {_cause(error)}"
        ) from error


def create_all(kind: str, modality: str = "") -> list[tuple[Registered, Any]]:
    """Every object of a kind that can be made; what cannot is reported in its plugin's status and left out.

    For choosing among all, such as the reader that accepts a file: one bad plugin does not stop the others.
    """
    made: list[tuple[Registered, Any]] = []
    for record in specs(kind, modality):
        with plugin_host().isolated(record.plugin, f"{_singular(kind)} {record.spec.name}"):
            made.append((record, create(kind, record.spec.name, record.spec.modality)))
    return made


def accepting(path: Path, modality: str = "") -> list[tuple[Registered, Reader]]:
    """The readers that take a path, by name. One that raises where it should answer is reported and left out.

    Raises:
        OSError: the path cannot be read.
    """
    chosen: list[tuple[Registered, Reader]] = []
    for record, reader in create_all("readers", modality):
        stage = f"reader {record.spec.name}: accepts"
        with plugin_host().isolated(record.plugin, stage, passing=(OSError,)):
            if reader.accepts(path):
                chosen.append((record, reader))
    return chosen


def modality(name: str) -> Modality:
    """The modality of this name, made once for each process.

    Raises:
        UsageError, PluginError: as `create`.
    """
    return _modality(plugin_host(), name)


@lru_cache(maxsize=64)
def _modality(host: PluginHost, name: str) -> Modality:
    return cast("Modality", create("modalities", name))


def _matching(host: PluginHost, kind: str, modality: str) -> list[Registered]:
    found = [record for record in host.records(kind) if not modality or record.spec.modality in ("", modality)]
    return sorted(found, key=lambda record: (record.spec.name, record.spec.modality))


def _resolve(record: Registered, kind: str) -> Any:
    spec = record.spec
    missing = [requirement for requirement in spec.requires if not _installed(requirement)]
    if missing:
        raise PluginError(
            f"{_singular(kind)} {spec.name} of {record} needs {', '.join(missing)}, which is not installed",
            hint="pip install " + " ".join(f"'{item}'" if re.search(r"[<>\[]", item) else item for item in missing),
        )
    module, _, path = spec.target.partition(":")
    try:
        target: Any = importlib.import_module(module)
        for attribute in path.split("."):
            target = getattr(target, attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(
            f"{_singular(kind)} {spec.name} of {record}: {spec.target} cannot be imported: {_cause(error)}",
            hint="This is a fault of the plugin or its installation; `synthgen plugins` lists what is installed.",
        ) from error
    return target


def _installed(requirement: str) -> bool:
    distribution = re.split(r"[\s<>=!~\[;]", requirement, maxsplit=1)[0]
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _unknown(host: PluginHost, kind: str, name: str, modality: str) -> SynthgenError:
    what = f"{_singular(kind)} {name}"
    out_of_use = {status.name: status for status in host.statuses if status.state != "active"}
    offered = [record.plugin for record in host.lost(kind) if record.spec.name == name]
    # A plugin that failed at import could not say what it provides; by custom it bears its modality's name.
    for plugin in [*offered, name, modality]:
        if plugin in out_of_use:
            status = out_of_use[plugin]
            return PluginError(
                f"{what} is provided by plugin {status.name} (distribution {status.distribution}), "
                f"which is {status.state}: {status.reason}",
                hint="`synthgen plugins` shows every plugin and its state.",
            )
    known = names(kind, modality)
    close = difflib.get_close_matches(name, known, n=1)
    hints = [f"Did you mean {close[0]}?"] if close else []
    hints.append(f"Known: {', '.join(known)}." if known else f"No plugin provides any {_singular(kind)}.")
    if out_of_use:
        hints.append(f"Not in use: {', '.join(f'{item.name} ({item.state})' for item in out_of_use.values())}.")
    return UsageError(f"unknown {what}{f' for {modality}' if modality else ''}", hint=" ".join(hints))


def _known_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")


def _singular(kind: str) -> str:
    return _SINGULAR.get(kind, kind.removesuffix("s"))


def _cause(error: BaseException) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
