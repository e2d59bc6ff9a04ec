"""The contract ages well: a plugin for 1.0 works, one for another contract is refused, what will go is announced."""

from __future__ import annotations

import types
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from synthgen import hookspecs
from synthgen.api import API_VERSION, hookimpl
from synthgen.discovery import Candidate
from synthgen.plugins import KINDS, PluginHost

OLD = '''
"""Every hook as it was in 1.0, written for it and never touched since."""

from synthgen.api import Spec, hookimpl

SYNTHGEN_API = "1.0"
HEARD = []


@hookimpl
def synthgen_modalities():
    return [Spec("old-kind", "a modality", "old_plugin:Kind")]


@hookimpl
def synthgen_datasets():
    return [Spec("old-set", "a demo set", "old_plugin:open_set", modality="old-kind")]


@hookimpl
def synthgen_readers():
    return [Spec("old-reader", "a reader", "old_plugin:Reader", "old-kind")]


@hookimpl
def synthgen_writers():
    return [Spec("old-writer", "a writer", "old_plugin:Writer", "old-kind", ("pluggy",))]


@hookimpl
def synthgen_networks():
    return [Spec("old-network", "a network", "old_plugin:Network")]


@hookimpl
def synthgen_samplers():
    return [Spec(name="old-sampler", summary="a sampler", target="old_plugin:SAMPLER", modality="", requires=())]


@hookimpl
def synthgen_metrics():
    return [Spec("old-metric", "a metric", "old_plugin:metric")]


@hookimpl
def synthgen_commands():
    return [Spec("old-command", "a command", "old_plugin:app")]


@hookimpl
def synthgen_loggers():
    return [Spec("old-logger", "a logger", "old_plugin:logger")]


@hookimpl
def synthgen_train_event(event):
    HEARD.append(event["kind"])


@hookimpl
def synthgen_shard_written():
    HEARD.append("shard")
'''


def host(name: str) -> PluginHost:
    entry = EntryPoint(name=name, value=name, group="synthgen")
    return PluginHost([Candidate(name, name, "1", entry)], {})


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_plugin_written_for_1_0_gives_every_record_and_hears_every_event(on_path: Path) -> None:
    (on_path / "old_plugin.py").write_text(OLD)
    plugins = host("old_plugin")
    status = plugins.statuses[-1]
    assert (status.state, status.reason) == ("active", "")
    assert len(status.hooks) == 11
    for kind in KINDS:
        assert [record.plugin for record in plugins.records(kind)].count("old_plugin") == 1, kind
    plugins.notify("synthgen_train_event", event={"kind": "start", "samples": 0, "something": "new"})
    plugins.notify(
        "synthgen_shard_written", shard={"directory": "d", "shard": 0, "shards": 1, "records": 1, "files": []}
    )
    import old_plugin  # type: ignore[import-not-found]

    assert old_plugin.HEARD == ["start", "shard"]


HOOK = """
from synthgen.api import Spec, hookimpl
SYNTHGEN_API = {version!r}


@hookimpl
def synthgen_samplers():
    return [Spec("mine", "a sampler", "mine:SAMPLER")]
"""
MAJOR, MINOR = (int(part) for part in API_VERSION.split("."))


@pytest.mark.parametrize(
    ("version", "state", "sentence"),
    [
        (API_VERSION, "active", ""),
        (f"{MAJOR}.0", "active", ""),
        (f"{MAJOR}.{MINOR + 1}", "failed", "update synthgen"),
        (f"{MAJOR + 1}.0", "failed", "update synthgen"),
        (f"{MAJOR - 1}.9", "failed", "update the plugin"),
        (1, "failed", "expected 'major.minor'"),
        ("new", "failed", "expected 'major.minor'"),
    ],
)
def test_a_plugin_for_another_contract_is_refused_with_what_to_update(
    version: Any, state: str, sentence: str, on_path: Path
) -> None:
    name = f"versioned_{str(version).replace('.', '_')}"
    (on_path / f"{name}.py").write_text(HOOK.format(version=version))
    status = host(name).statuses[-1]
    assert status.state == state
    assert sentence in status.reason


def test_using_what_will_go_is_a_warning_that_names_the_plugin_and_stops_nothing(
    on_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = "synthgen_samplers goes with synthgen API 2.0; write synthgen_solvers"
    marks = hookspecs.synthgen_samplers.synthgen_spec
    monkeypatch.setitem(marks, "warn_on_impl", DeprecationWarning(sentence))
    (on_path / "behind.py").write_text(HOOK.format(version="1.0"))
    plugins = host("behind")
    status = plugins.statuses[-1]
    assert (status.state, status.reason) == ("active", sentence)
    assert [record.spec.name for record in plugins.records("samplers") if record.plugin == "behind"] == ["mine"]
    assert f"plugin behind (distribution behind): {sentence}" in caplog.text


def test_a_warning_of_somebody_else_is_not_taken_for_a_deprecation_of_ours(on_path: Path) -> None:
    (on_path / "noisy.py").write_text(
        "import warnings\nwarnings.warn('numpy.bool is old', DeprecationWarning)\n" + HOOK.format(version="1.0")
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        status = host("noisy").statuses[-1]
    assert (status.state, status.reason) == ("active", "")
    assert [str(warning.message) for warning in caught] == ["numpy.bool is old"]


def test_an_optional_hook_of_a_later_version_is_passed_over() -> None:
    module = types.ModuleType("later")

    @hookimpl(optionalhook=True)
    def synthgen_dreams() -> list[Any]:
        return []

    @hookimpl
    def synthgen_samplers() -> list[Any]:
        return []

    module.synthgen_dreams, module.synthgen_samplers = synthgen_dreams, synthgen_samplers  # type: ignore[attr-defined]
    entry = types.SimpleNamespace(load=lambda: module)
    status = PluginHost([Candidate("later", "later", "1", entry)], {}).statuses[-1]  # type: ignore[arg-type]
    assert (status.state, status.hooks) == ("active", ("synthgen_samplers",))
