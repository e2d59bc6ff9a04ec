"""Finding, loading and isolating plugins: whatever one of them does, the others and the core go on.

Each entry point of the group `synthgen` goes through import, registration with pluggy, a check for unknown hooks, and
one call of each hook that returns records. A plugin that raises on the way (`SystemExit` included) is taken out again
and keeps a `PluginStatus` with its distribution and the reason. Only `KeyboardInterrupt` passes.

Environment:
    SYNTHGEN_PLUGINS           comma-separated names of the only plugins to load; empty: none
    SYNTHGEN_DISABLE_PLUGINS   comma-separated names of plugins not to load
    SYNTHGEN_STRICT_PLUGINS    1: the first failure raises `PluginError`
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import logging
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, TypeVar

import pluggy

import synthgen
from synthgen import builtin, hookspecs
from synthgen.answers import BrokenAnswer, check_version, checked_specs, deprecations
from synthgen.api import Spec
from synthgen.discovery import GROUP, Candidate, describe_error, installed_candidates
from synthgen.errors import PluginError

__all__ = ["KINDS", "PluginHost", "PluginStatus", "Registered", "describe_conflict", "plugin_host"]

KINDS: Mapping[str, str] = {
    name.removeprefix("synthgen_"): name
    for name in hookspecs.__all__
    if name not in ("synthgen_train_event", "synthgen_shard_written")
}
"""Kind of record -> hook that provides it: `"readers"` -> `"synthgen_readers"`."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What became of one plugin. An active plugin has a reason only when it shares a name with another."""

    name: str
    distribution: str
    version: str
    state: Literal["active", "disabled", "failed"]
    reason: str = ""
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """A record together with who provides it."""

    spec: Spec
    plugin: str
    distribution: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} (distribution {self.distribution})"


class PluginHost:
    """The loaded plugins and what they provide.

    Args:
        candidates: the entry points to load, in this order; `plugin_host()` finds the installed ones.
        environment: where the `SYNTHGEN_*` variables are read.

    Raises:
        PluginError: in strict mode, at the first failure.
    """

    def __init__(self, candidates: Iterable[Candidate], environment: Mapping[str, str]) -> None:
        self._allowed = _names(environment["SYNTHGEN_PLUGINS"]) if "SYNTHGEN_PLUGINS" in environment else None
        self._disabled = _names(environment.get("SYNTHGEN_DISABLE_PLUGINS", ""))
        self._strict = environment.get("SYNTHGEN_STRICT_PLUGINS", "") not in ("", "0")
        self._statuses: dict[str, PluginStatus] = {}
        self._records: dict[str, list[Registered]] = {kind: [] for kind in KINDS}
        self._lost: dict[str, list[Registered]] = {kind: [] for kind in KINDS}
        self._silenced: set[tuple[str, str]] = set()
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._add(Candidate("synthgen", "synthgen", synthgen.__version__, None))
        for candidate in candidates:
            self._add(candidate)
        for name in sorted((self._allowed or frozenset()) - set(self._statuses)):
            self._fail(
                Candidate(name, "", "", None), "named in SYNTHGEN_PLUGINS, but no installed distribution provides it"
            )

    @property
    def statuses(self) -> list[PluginStatus]:
        """Every plugin found, the core's own first, the others by name."""
        conflicts: defaultdict[str, list[str]] = defaultdict(list)
        for kind in KINDS:
            for providers in self.conflicts(kind).values():
                for provider in providers:
                    conflicts[provider.plugin].append(describe_conflict(kind, providers))
        return [
            dataclasses.replace(status, reason="; ".join(filter(None, [status.reason, *conflicts[status.name]])))
            for status in self._statuses.values()
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """The statuses as `{name, distribution, version, state, reason, hooks}`."""
        return [{**dataclasses.asdict(status), "hooks": list(status.hooks)} for status in self.statuses]

    def records(self, kind: str) -> list[Registered]:
        """What the active plugins provide of one kind, in order of registration."""
        return list(self._records[kind])

    def lost(self, kind: str) -> list[Registered]:
        """What plugins that failed afterwards had offered of one kind."""
        return list(self._lost[kind])

    def conflicts(self, kind: str) -> dict[tuple[str, str], list[Registered]]:
        """(modality, name) -> its providers, for every name of this kind that has more than one."""
        providers: defaultdict[tuple[str, str], list[Registered]] = defaultdict(list)
        for record in self._records[kind]:
            providers[record.spec.modality, record.spec.name].append(record)
        return {key: records for key, records in providers.items() if len(records) > 1}

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell the observers. One that raises is reported and not called again; each gets its own copies.

        Raises:
            PluginError: in strict mode, when an observer raises.
        """
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            if (name, hook) in self._silenced:
                continue
            self._silenced.add((name, hook))  # until it has returned
            with self.isolated(name, hook):
                chosen = {argument: copy.deepcopy(arguments[argument]) for argument in implementation.argnames}
                implementation.function(**chosen)
                self._silenced.discard((name, hook))

    @contextmanager
    def isolated(self, plugin: str, stage: str, *, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
        """Run the body, which calls into a plugin; what it raises goes into the plugin's status and no further.

        Args:
            plugin: name of the plugin.
            stage: what is called, for the reason: `"observer synthgen_train_event"`.
            passing: exceptions that are the caller's business; they are raised as they are.

        Raises:
            PluginError: in strict mode.
        """
        try:
            yield
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, *passing)):
                raise
            self._report(plugin, f"{stage} {describe_error(error)}", error)

    def _add(self, candidate: Candidate) -> None:
        name = candidate.name
        if name in self._statuses:
            first = self._statuses[name]
            reason = f"the plugin name {name} is also provided by distribution {first.distribution}, which comes first"
            self._fail(candidate, reason)
        elif candidate.problem:
            self._fail(candidate, candidate.problem)
        elif name != "synthgen" and self._allowed is not None and name not in self._allowed:
            self._set(candidate, "disabled", "not named in SYNTHGEN_PLUGINS")
        elif name in self._disabled and name != "synthgen":
            self._set(candidate, "disabled", "named in SYNTHGEN_DISABLE_PLUGINS")
        else:
            self._load(candidate)

    def _load(self, candidate: Candidate) -> None:
        failures: list[str] = []
        causes: list[BaseException] = []
        offered: dict[str, list[Registered]] = {}
        hooks: tuple[str, ...] = ()

        retired: list[str] = []

        def attempt(stage: str, action: Callable[[], _T]) -> _T | None:
            try:
                # What a plugin prints while it loads must not end up in the output of `--json`.
                with redirect_stdout(sys.stderr), deprecations(retired):
                    return action()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failures.append(str(error) if isinstance(error, BrokenAnswer) else f"{stage} {describe_error(error)}")
                causes.append(error)
                return None

        entry_point = candidate.entry_point
        plugin = builtin if entry_point is None else attempt("import", entry_point.load)
        if not failures:
            attempt("version", lambda: check_version(plugin))
        if not failures:
            attempt("registration", lambda: self._manager.register(plugin, candidate.name))
        if not failures:
            hooks = attempt("registration", lambda: self._hooks_of(candidate.name)) or ()
            for kind, hook in KINDS.items():
                offered[kind] = attempt(hook, partial(self._ask, hook, candidate)) or []
        for kind, records in offered.items():
            (self._lost if failures else self._records)[kind].extend(records)
        if failures:
            if self._manager.has_plugin(candidate.name):
                self._manager.unregister(name=candidate.name)
            self._fail(candidate, "; ".join(failures), causes[0])
        else:
            self._set(candidate, "active", "; ".join(retired), hooks)
            for sentence in retired:
                _log.warning("plugin %s (distribution %s): %s", candidate.name, candidate.distribution, sentence)

    def _hooks_of(self, name: str) -> tuple[str, ...]:
        callers = vars(self._manager.hook)
        hooks = [
            hook
            for hook, caller in callers.items()
            if not hook.startswith("_") and any(found.plugin_name == name for found in caller.get_hookimpls())
        ]
        for hook in hooks:
            implementation = next(found for found in callers[hook].get_hookimpls() if found.plugin_name == name)
            if not callers[hook].has_spec() and not implementation.optionalhook:
                close = difflib.get_close_matches(hook, hookspecs.__all__, n=1)
                raise BrokenAnswer(
                    f"{hook} is not a hook of synthgen" + (f"; did you mean {close[0]}?" if close else "")
                )
            if implementation.wrapper or implementation.hookwrapper:
                raise BrokenAnswer(f"{hook} is a hook wrapper; plugins may not wrap each other's hooks")
        if not hooks:
            raise BrokenAnswer("it implements no hook; mark its functions with @synthgen.api.hookimpl")
        return tuple(sorted(hook for hook in hooks if callers[hook].has_spec()))

    def _ask(self, hook: str, candidate: Candidate) -> list[Registered]:
        records: list[Registered] = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name == candidate.name:
                for spec in checked_specs(implementation.function(), hook):
                    records.append(Registered(spec, candidate.name, candidate.distribution))
        seen: set[tuple[str, str]] = set()
        for record in records:
            key = record.spec.modality, record.spec.name
            if key in seen:
                raise BrokenAnswer(f"{hook} returned the name {record.spec.name!r} twice")
            seen.add(key)
        return records

    def _fail(self, candidate: Candidate, reason: str, cause: BaseException | None = None) -> None:
        self._set(candidate, "failed", reason)
        self._complain(candidate.name, candidate.distribution, reason, cause)

    def _report(self, name: str, reason: str, cause: BaseException) -> None:
        status = self._statuses[name]
        if reason in status.reason:
            return
        reasons = "; ".join(filter(None, (status.reason, reason)))
        self._statuses[name] = dataclasses.replace(status, state="failed", reason=reasons)
        self._complain(name, status.distribution, reason, cause)

    def _complain(self, name: str, distribution: str, reason: str, cause: BaseException | None) -> None:
        message = f"plugin {name}{f' (distribution {distribution})' if distribution else ''} failed: {reason}"
        if self._strict:
            raise PluginError(message, hint="SYNTHGEN_STRICT_PLUGINS is set; without it the rest goes on.") from cause
        _log.warning("%s", message)

    def _set(
        self,
        candidate: Candidate,
        state: Literal["active", "disabled", "failed"],
        reason: str,
        hooks: tuple[str, ...] = (),
    ) -> None:
        taken = candidate.name in self._statuses
        key = f"{candidate.name} ({candidate.distribution})" if taken else candidate.name
        self._statuses[key] = PluginStatus(
            candidate.name, candidate.distribution, candidate.version, state, reason, hooks
        )


@lru_cache(maxsize=1)
def plugin_host() -> PluginHost:
    """The host of this process, with every installed plugin. `plugin_host.cache_clear()` forgets it.

    Raises:
        PluginError: with `SYNTHGEN_STRICT_PLUGINS=1`, when any plugin fails.
    """
    return PluginHost(installed_candidates(), os.environ)


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def describe_conflict(kind: str, providers: list[Registered]) -> str:
    """One name, several providers, in a sentence."""
    spec = providers[0].spec
    whose = f" of {spec.modality}" if spec.modality else ""
    return f"{kind}{whose}: the name {spec.name} is provided by " + " and by ".join(str(item) for item in providers)
