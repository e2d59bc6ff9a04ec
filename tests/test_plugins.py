"""A stranger's plugin, written with its own dist-info, is found, runs, and can harm nothing but itself."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synthgen import registry
from synthgen.api import Spec
from synthgen.errors import PluginError, UsageError
from synthgen.plugins import PluginStatus, plugin_host

HEADER = "from synthgen.api import Spec, hookimpl\n"

HEALTHY = (
    HEADER
    + """
seen = []

@hookimpl
def synthgen_samplers():
    return [Spec("still", "does nothing", "healthy_plugin:STILL")]

@hookimpl
def synthgen_train_event(event):
    seen.append(event["samples"])

STILL = "the object itself"
"""
)

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that lays a distribution into a directory on sys.path, as pip would."""
    for variable in ("SYNTHGEN_PLUGINS", "SYNTHGEN_DISABLE_PLUGINS", "SYNTHGEN_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_host.cache_clear()
    written: list[str] = []

    def lay(name: str, source: str, *, distribution: str = "", target: str = "") -> None:
        module = f"{name.replace('-', '_')}_plugin"
        distribution = distribution or f"synthgen-{name}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        facts = tmp_path / f"{distribution.replace('-', '_')}-2.5.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
        (facts / "entry_points.txt").write_text(f"[synthgen]\n{name} = {target or module}\n")
        written.append(module)
        plugin_host.cache_clear()

    yield lay
    plugin_host.cache_clear()
    for module in written:
        sys.modules.pop(module, None)


def status(name: str) -> PluginStatus:
    return next(item for item in plugin_host().statuses if item.name == name)


def assert_others_unharmed() -> None:
    assert status("synthgen").state == "active"
    assert status("healthy").state == "active"
    assert registry.load("samplers", "still") == "the object itself"
    assert {"dit", "unet"} <= set(registry.names("networks"))  # the core's own, beside what other plugins add


def test_a_strangers_plugin_is_discovered_and_its_object_is_loaded(install: Install) -> None:
    install("healthy", HEALTHY)
    assert status("healthy") == PluginStatus(
        "healthy", "synthgen-healthy", "2.5", "active", "", ("synthgen_samplers", "synthgen_train_event")
    )
    assert registry.find("samplers", "still").distribution == "synthgen-healthy"
    assert registry.load("samplers", "still") == "the object itself"


def test_the_target_is_not_imported_before_it_is_asked_for(install: Install) -> None:
    install("lazy", HEADER + '@hookimpl\ndef synthgen_networks():\n    return [Spec("late", "", "not_there:X")]\n')
    assert "late" in registry.names("networks")
    with pytest.raises(PluginError, match=r"lazy.*synthgen-lazy.*not_there:X.*No module named 'not_there'"):
        registry.load("networks", "late")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("raise ValueError('boom')", "import raised ValueError: boom", id="import"),
        pytest.param("import does_not_exist", "import raised ModuleNotFoundError", id="missing import"),
        pytest.param("import sys; sys.exit(7)", "import raised SystemExit: 7", id="exit at import"),
        pytest.param("class E(BaseException): pass\nraise E('odd')", "import raised E: odd", id="base exception"),
        pytest.param("def f(:", "import raised SyntaxError", id="syntax"),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(unknown): return []",
            "registration raised PluginValidationError",
            id="register",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_reader(): return []",
            "synthgen_reader is not a hook of synthgen; did you mean synthgen_readers?",
            id="unknown hook",
        ),
        pytest.param("def synthgen_readers(): return []", "it implements no hook", id="forgotten mark"),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): raise OSError('no disk')",
            "synthgen_readers raised OSError: no disk",
            id="hook",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_writers():\n    yield Spec('ok', '', 'a:b')\n    raise SystemExit('bye')",
            "synthgen_writers raised SystemExit: bye",
            id="exit in a generator hook",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): pass",
            "synthgen_readers returned NoneType, expected an iterable of synthgen.api.Spec",
            id="forgotten return",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): return 'csv'", "synthgen_readers returned str", id="a string"
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): return [('a', 'b')]",
            "synthgen_readers returned an item of type tuple",
            id="not records",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): return [Spec('Two Words', '', 'a:b')]",
            "the name 'Two Words', expected lower case",
            id="bad name",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): return [Spec('csv', '', 'module.attribute')]",
            "target 'module.attribute', expected 'package.module:attribute'",
            id="bad target",
        ),
        pytest.param(
            HEADER + "@hookimpl\ndef synthgen_readers(): return [Spec('csv', '', 'a:b'), Spec('csv', '', 'a:c')]",
            "returned the name 'csv' twice",
            id="one name twice",
        ),
        pytest.param(
            HEADER + "@hookimpl(wrapper=True)\ndef synthgen_readers():\n    return (yield)",
            "synthgen_readers is a hook wrapper",
            id="wrapper",
        ),
    ],
)
def test_a_plugin_that_fails_is_reported_with_its_distribution_and_harms_nothing_else(
    install: Install, source: str, reason: str
) -> None:
    install("broken", source)
    install("healthy", HEALTHY)
    broken = status("broken")
    assert (broken.state, broken.distribution, broken.version) == ("failed", "synthgen-broken", "2.5")
    assert reason in broken.reason
    assert_others_unharmed()


def test_damaged_metadata_of_one_distribution_does_not_hide_the_others(install: Install, tmp_path: Path) -> None:
    install("healthy", HEALTHY)
    (tmp_path / "empty-1.0.dist-info").mkdir()
    damaged = tmp_path / "damaged-1.0.dist-info"
    damaged.mkdir()
    (damaged / "METADATA").write_bytes(b"\xff\xfe\x00")
    (damaged / "entry_points.txt").write_bytes(b"[synthgen]\n\xff = \xff")
    plugin_host.cache_clear()
    assert_others_unharmed()


def test_what_a_failed_plugin_had_offered_before_it_failed_is_withdrawn(install: Install) -> None:
    install(
        "half",
        HEADER
        + """
@hookimpl
def synthgen_readers():
    return [Spec("good-reader", "", "a:b")]

@hookimpl
def synthgen_networks():
    raise RuntimeError("late")
""",
    )
    assert "good-reader" not in registry.names("readers")
    with pytest.raises(PluginError, match=r"reader good-reader is provided by plugin half .*failed: .*late"):
        registry.find("readers", "good-reader")


@pytest.mark.parametrize("failure", ["raise ValueError('boom')", "raise SystemExit(3)", "event.clear()"])
def test_an_observer_that_raises_is_reported_once_and_the_others_still_hear(install: Install, failure: str) -> None:
    install("aching", HEADER + f"@hookimpl\ndef synthgen_train_event(event):\n    {failure}\n")
    install("healthy", HEALTHY)
    for samples in (1, 2, 3):
        plugin_host().notify("synthgen_train_event", event={"kind": "step", "samples": samples})
    assert sys.modules["healthy_plugin"].seen == [1, 2, 3]
    if failure.startswith("raise"):
        aching = status("aching")
        assert aching.state == "failed"
        assert aching.reason.count("synthgen_train_event raised") == 1
    assert_others_unharmed()


def test_what_a_plugin_prints_while_loading_stays_out_of_standard_output(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("chatty", "print('hello from the import')\n" + HEALTHY)
    assert status("chatty").state == "active"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello from the import" in captured.err


def test_two_providers_of_one_name_are_an_error_that_names_both(install: Install) -> None:
    install("healthy", HEALTHY)
    install("rival", HEALTHY)
    with pytest.raises(PluginError, match=r"still.*synthgen-healthy.*synthgen-rival") as raised:
        registry.load("samplers", "still")
    assert "SYNTHGEN_DISABLE_PLUGINS=rival" in raised.value.hint
    assert [record.distribution for record in registry.specs("samplers") if record.spec.name == "still"] == [
        "synthgen-healthy",
        "synthgen-rival",
    ]
    for name in ("healthy", "rival"):
        assert "the name still is provided by plugin healthy" in status(name).reason
        assert "and by plugin rival" in status(name).reason
    assert registry.find("networks", "unet").plugin == "synthgen"
    assert registry.find("samplers", "ddim").plugin == "synthgen"


def test_a_stranger_cannot_take_the_place_of_a_plugin_of_ours(install: Install) -> None:
    install("image", HEALTHY, distribution="aaa-image")
    ours, theirs = (item for item in plugin_host().statuses if item.name == "image")
    assert (ours.distribution, theirs.distribution) == ("synthgen", "aaa-image")
    assert theirs.state == "failed"
    assert "already" not in ours.reason
    assert "also provided by distribution synthgen" in theirs.reason


def test_one_name_may_serve_several_modalities(install: Install) -> None:
    install(
        "several",
        HEADER
        + """
@hookimpl
def synthgen_readers():
    return [Spec("one-name", "", "several_plugin:A", "alpha"), Spec("one-name", "", "several_plugin:B", "beta")]
A, B = "for alpha", "for beta"
""",
    )
    assert registry.load("readers", "one-name", "beta") == "for beta"
    with pytest.raises(UsageError, match="several modalities: alpha, beta"):
        registry.load("readers", "one-name")


def test_the_allow_list_loads_only_what_it_names(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("healthy", HEALTHY)
    install("other", "raise AssertionError('imported although not allowed')")
    monkeypatch.setenv("SYNTHGEN_PLUGINS", "healthy, missing")
    plugin_host.cache_clear()
    assert_others_unharmed()
    assert (status("other").state, status("other").reason) == ("disabled", "not named in SYNTHGEN_PLUGINS")
    assert status("missing").state == "failed"
    assert "no installed distribution provides it" in status("missing").reason


def test_an_empty_allow_list_loads_none(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("healthy", HEALTHY)
    monkeypatch.setenv("SYNTHGEN_PLUGINS", "")
    plugin_host.cache_clear()
    assert {item.state for item in plugin_host().statuses if item.name != "synthgen"} == {"disabled"}


def test_a_disabled_plugin_is_not_imported_and_its_names_say_why(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("spectra", "raise AssertionError('imported although disabled')")
    monkeypatch.setenv("SYNTHGEN_DISABLE_PLUGINS", "spectra")
    plugin_host.cache_clear()
    assert (status("spectra").state, status("spectra").hooks) == ("disabled", ())
    with pytest.raises(PluginError, match=r"spectra .*disabled: named in SYNTHGEN_DISABLE_PLUGINS"):
        registry.modality("spectra")


def test_a_modality_whose_plugin_failed_says_which_and_why(install: Install) -> None:
    install("spectra", "raise ValueError('boom')")
    with pytest.raises(PluginError, match=r"plugin spectra \(distribution synthgen-spectra\).*failed.*boom") as raised:
        registry.modality("spectra")
    assert raised.value.exit_code == 4


def test_strict_mode_raises_at_the_first_failure(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("broken", "raise ValueError('boom')")
    monkeypatch.setenv("SYNTHGEN_STRICT_PLUGINS", "1")
    monkeypatch.setenv("SYNTHGEN_PLUGINS", "broken")
    plugin_host.cache_clear()
    with pytest.raises(PluginError, match=r"plugin broken \(distribution synthgen-broken\) failed: .*boom"):
        plugin_host()


def test_strict_mode_raises_when_an_observer_does(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("aching", HEADER + "@hookimpl\ndef synthgen_shard_written(shard):\n    raise ValueError('boom')\n")
    monkeypatch.setenv("SYNTHGEN_STRICT_PLUGINS", "1")
    monkeypatch.setenv("SYNTHGEN_PLUGINS", "aching")
    plugin_host.cache_clear()
    with pytest.raises(PluginError, match="synthgen_shard_written raised ValueError"):
        plugin_host().notify("synthgen_shard_written", shard={"shard": 0})


def test_a_missing_requirement_is_named_with_the_command_that_installs_it(install: Install) -> None:
    install(
        "needy",
        HEADER
        + """
@hookimpl
def synthgen_loggers():
    return [Spec("board", "", "needy_plugin:board", requires=("numpy", "surely-not-installed>=2"))]
""",
    )
    with pytest.raises(PluginError, match=r"board of plugin needy .* needs surely-not-installed>=2") as raised:
        registry.load("loggers", "board")
    assert raised.value.hint == "pip install 'surely-not-installed>=2'"


def test_choosing_among_all_leaves_out_what_cannot_be_made_and_reports_it(install: Install) -> None:
    install(
        "faulty",
        HEADER
        + """
@hookimpl
def synthgen_readers():
    return [
        Spec("a-broken-reader", "", "nowhere:Reader", "made-up"),
        Spec("b-exits", "", "faulty_plugin:exit_now", "made-up"),
        Spec("c-good", "", "faulty_plugin:Good", "made-up"),
    ]

class Good:
    pass

def exit_now():
    raise SystemExit(1)
""",
    )
    made = registry.create_all("readers", "made-up")
    assert [record.spec.name for record, _ in made] == ["c-good"]
    assert type(made[0][1]).__name__ == "Good"
    assert status("faulty").state == "failed"
    for name in ("a-broken-reader", "b-exits"):
        assert f"reader {name} raised PluginError" in status("faulty").reason


def test_a_reader_that_raises_instead_of_answering_does_not_stop_the_others(install: Install, tmp_path: Path) -> None:
    install(
        "faulty",
        HEADER
        + """
@hookimpl
def synthgen_readers():
    return [Spec("a-raises", "", "faulty_plugin:Bad", "made-up"), Spec("b-takes", "", "faulty_plugin:Good", "made-up")]

class Bad:
    def accepts(self, path):
        raise IndexError("empty name")

class Good:
    def accepts(self, path):
        return True
""",
    )
    assert [record.spec.name for record, _ in registry.accepting(tmp_path, "made-up")] == ["b-takes"]
    assert "reader a-raises: accepts raised IndexError: empty name" in status("faulty").reason


def test_what_is_the_callers_business_passes_through_the_isolation(install: Install) -> None:
    install("healthy", HEALTHY)
    with pytest.raises(PermissionError), plugin_host().isolated("healthy", "call", passing=(OSError,)):
        raise PermissionError("no")
    with plugin_host().isolated("healthy", "reader x"):
        raise OSError("full")
    assert status("healthy").reason.startswith("reader x raised OSError: full")


def test_a_target_that_fails_when_called_is_named(install: Install) -> None:
    install(
        "faulty",
        HEADER
        + """
@hookimpl
def synthgen_modalities():
    return [Spec("faulty-modality", "", "faulty_plugin:Faulty")]

class Faulty:
    def __init__(self):
        raise SystemExit("no")
""",
    )
    with pytest.raises(PluginError, match=r"plugin faulty .*faulty_plugin:Faulty failed with SystemExit: no"):
        registry.modality("faulty-modality")


def test_an_unknown_name_suggests_the_nearest_and_lists_the_known() -> None:
    with pytest.raises(UsageError, match="unknown sampler hune") as raised:
        registry.load("samplers", "hune")
    assert "Did you mean heun?" in raised.value.hint
    for name in ("ancestral", "ddim", "heun", "multistep"):
        assert name in raised.value.hint


def test_interrupting_a_plugin_that_hangs_stops_the_program(install: Install) -> None:
    install("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        plugin_host()


def test_the_json_form_is_a_list_of_six_named_facts(install: Install) -> None:
    install("broken", "raise ValueError('boom')")
    install("healthy", HEALTHY)
    listed = json.loads(json.dumps(plugin_host().as_json()))
    assert all(
        list(item) == ["name", "distribution", "version", "state", "reason", "hooks"]
        and item["state"] in ("active", "disabled", "failed")
        for item in listed
    )
    names = [item["name"] for item in listed]
    assert names[0] == "synthgen"
    assert names[1:] == sorted(names[1:])
    assert {"image", "timeseries", "mask", "broken", "healthy"} <= set(names)


def test_a_fresh_process_finds_the_plugin_through_its_entry_point(install: Install, tmp_path: Path) -> None:
    install("healthy", HEALTHY)
    install("broken", "import os, sys\nsys.exit('gone')")
    program = "import json; from synthgen.plugins import plugin_host; print(json.dumps(plugin_host().as_json()))"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    states = {item["name"]: item["state"] for item in json.loads(result.stdout)}
    assert states["healthy"] == "active"
    assert states["broken"] == "failed"
    assert "plugin broken (distribution synthgen-broken) failed" in result.stderr


def test_the_cores_own_records_resolve() -> None:
    for kind in ("networks", "samplers"):
        for record in registry.specs(kind):
            if record.plugin == "synthgen":
                assert isinstance(record.spec, Spec)
                assert registry.load(kind, record.spec.name) is not None
