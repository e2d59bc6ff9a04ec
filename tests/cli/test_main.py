"""Exit codes, error sentences and streams: what a script that calls synthgen relies on."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synthgen
from synthgen.cli import app
from synthgen.cli.failures import explain
from synthgen.errors import DataError, GateError, PluginError, UsageError

HEAVY = ("torch", "numpy", "pandas", "pyarrow", "sklearn", "matplotlib", "scipy", "tsai")


def imported_by(*arguments: str) -> set[str]:
    """The modules in memory after a command ran in a process of its own."""
    script = (
        "import sys\nfrom synthgen.cli import main\n"
        f"code = main({list(arguments)!r})\n"
        "sys.stderr.write('MODULES ' + ' '.join(sys.modules))\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("generate", "--help"), ("train", "--help"), ("config", "--help"), ("plugins", "--json"), ("list",)],
    ids=" ".join,
)
def test_looking_around_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments) & set(HEAVY)


def test_every_command_has_help_and_the_shared_output_options(run_cli: Callable[..., Any]) -> None:
    names = [command.name for command in app.registered_commands]
    assert len(names) >= 10
    grouped = [["config", "show"], ["config", "init"], ["config", "validate"], ["plugins"], ["plugins", "new"]]
    for words in [*([name] for name in names), *grouped]:
        ran = run_cli(*words, "--help")
        assert ran.code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout)
        for option in ("--json", "--verbose", "--quiet", "--debug"):
            assert option in plain, (words, option)


def test_version_is_one_line_on_stdout(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("--version")
    assert (ran.code, ran.stdout, ran.stderr) == (0, f"synthgen {synthgen.__version__}\n", "")


def test_no_command_at_all_shows_the_help(run_cli: Callable[..., Any]) -> None:
    ran = run_cli()
    assert ran.code == 0
    assert "demo" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (["generate", "--labl"], "no such option: --labl", "--label"),
        (["generate", "--n", "0"], "--n 0: nothing to generate", "at least one"),
        (["generate", "--n", "-3"], "--n -3: nothing to generate", "at least one"),
        (["generate", "--n", "three"], "for '--n' / '-n'", "synthgen generate --help"),
        (["generate"], "how many records", "--n 1000"),
        (["generate", "--n", "5", "stray"], "unexpected extra argument", "--help"),
        (["generate", "--n", "5", "--label", "a", "--label"], "once without a value", "every class equally"),
        (["generate", "--count", "cat=some"], "--count cat=some: expected a whole number", ""),
        (["generate", "--count", "cat"], "--count cat: expected NAME=VALUE", "--count cat=100"),
        (["generate", "--n", "3", "--count", "cat=2"], "--count adds up to 2, --n says 3", "Leave --n away"),
        (["generate", "--n", "3", "--executor", "slurm"], "--executor slurm", ""),
        (["generate", "--n", "3", "--layout", "tall"], "--layout tall: expected wide or long", ""),
        (["train"], "no modality is named", "timeseries"),
        (["train", "--modality", "timeserie"], "unknown modality timeserie", "Did you mean timeseries?"),
        (["train", "-m", "image", "--minutes", "1", "--samples", "5"], "two budgets", "one of them"),
        (["train", "-m", "image", "--set", "optim.lrr=1"], "unknown configuration key optim.lrr", "optim.lr?"),
        (["train", "-m", "image", "--set", "optim.lr=-1"], "optim.lr: input should be greater than 0", ""),
        (["train", "-m", "image", "--samples", "0"], "train.samples: input should be greater than", ""),
        (["train", "-m", "image", "--set", "optim.lr"], "expected section.key=value", "--set optim.lr=5e-4"),
        (["train", "-m", "image", "--config", "none.toml"], "no configuration file at none.toml", ""),
        (["train", "--continue", "run"], "--continue learns new data, and none is named", "--data PATH"),
        (["tune", "-m", "image", "--objective", "loss"], "unknown objective loss", "held-out or tstr"),
        (["score", "--data", "x", "--q", "1.5"], "--q 1.5: expected a share", ""),
        (["augment", "--data", "x", "--ratio", "0"], "--ratio 0: expected more than 0", ""),
        (["augment", "--data", "x", "--ratio", "2", "--balance"], "two answers", "one of them"),
        (["evaluate", "--fail-under", "tstr=high"], "'high' is not a number", ""),
        (["list", "sampler"], "nothing of the kind sampler", "samplers"),
        (["trian"], "no such command: trian", "Did you mean train?"),
        (["frobnicate"], "no such command: frobnicate", "synthgen --help"),
        (["config", "validate", "none.toml"], "no configuration file at none.toml", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    run_cli: Callable[..., Any], arguments: list[str], sentence: str, hint: str
) -> None:
    ran = run_cli(*arguments)
    assert ran.code == 2
    assert ran.stdout == ""
    assert sentence.lower() in ran.stderr.lower()
    assert hint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not os.listdir()


def test_an_error_is_one_json_document_too(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("generate", "--n", "0", "--json")
    assert ran.code == 2
    assert ran.document["error"]["exit_code"] == 2
    assert ran.document["error"]["kind"] == "UsageError"
    assert ran.document["error"]["message"].startswith("--n 0")


def test_debug_shows_the_traceback(run_cli: Callable[..., Any]) -> None:
    assert "Traceback" in run_cli("generate", "--n", "0", "--debug").stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a"), 2),
        (DataError("a"), 1),
        (GateError("a"), 3),
        (PluginError("a"), 4),
        (ZeroDivisionError("a"), 1),
        (MemoryError(), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert explain(error).exit_code == code


def test_an_unforeseen_error_is_called_a_bug() -> None:
    failure = explain(KeyError("sigma"))
    assert failure.message == "KeyError: 'sigma'"
    assert failure.hint == "This is a bug; --debug shows the traceback."


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_running_out_of_memory_says_what_to_make_smaller(error: Exception) -> None:
    failure = explain(error)
    assert failure.message.startswith("out of memory")
    assert "optim.batch_size" in failure.hint


def test_a_real_allocation_failure_of_torch_is_recognised() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 46)
    assert explain(caught.value).message.startswith("out of memory")


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "the disk is full at a/b"), (errno.EACCES, "no permission at a/b")]
)
def test_the_disk_and_its_permissions_are_named(number: int, sentence: str) -> None:
    assert explain(OSError(number, os.strerror(number), "a/b")).message == sentence


def test_a_missing_optional_package_is_named_with_the_remedy() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        import not_there_at_all.inside  # noqa: F401
    failure = explain(caught.value)
    assert "not_there_at_all is not installed" in failure.message
    assert failure.hint == "Try: python -m pip install not_there_at_all"


def test_a_polite_kill_exits_with_130_and_no_traceback(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from synthgen import cli\n"
        "from synthgen.cli.console import reporting\n"
        "def nap(console):\n"
        "    '''Sleep.'''\n"
        "    print('asleep', flush=True)\n"
        "    time.sleep(60)\n"
        "cli.app.command('nap')(reporting(nap))\n"
        "sys.exit(cli.main(['nap']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Interrupted" in stderr


def test_python_dash_m_and_its_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "synthgen", "generate", "--n", "0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
