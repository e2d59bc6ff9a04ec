"""The doctor: what it finds, and that it knows the commonest broken installation by its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.cli.doctor import _room_problems
from synthgen.cli.failures import explain
from synthgen.cli.torch_pair import diagnose
from synthgen.cli.torch_probe import problems_of_probe

MIXED_PAIR = """\
Traceback (most recent call last):
  File "<string>", line 28, in <module>
  File "site-packages/torchvision/__init__.py", line 9, in <module>
    from torchvision import _meta_registrations, datasets, io, models, ops, transforms, utils
  File "site-packages/torchvision/_meta_registrations.py", line 163, in <module>
    @torch.library.register_fake("torchvision::nms")
RuntimeError: operator torchvision::nms does not exist
"""
"""Captured with torch 2.13.0+cpu beside the ordinary torchvision 0.28.0."""

MIXED = {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}


def test_a_cpu_torch_beside_an_ordinary_torchvision_is_recognised_and_cured() -> None:
    problem = diagnose(MIXED_PAIR, MIXED)
    assert problem is not None
    assert "torch 2.13.0+cpu and torchvision 0.28.0 are different builds (cpu and ordinary)" in problem.message
    assert 'pip install --force-reinstall "torch>=2.14" "torchvision>=0.29.1"' in problem.remedy


def test_a_pair_of_the_same_build_is_not_called_a_mixture() -> None:
    problem = diagnose(MIXED_PAIR, {"torch": "2.14.0", "torchvision": "0.28.0"})
    assert problem is not None
    assert "torch 2.14.0 and torchvision 0.28.0 do not belong together" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "ModuleNotFoundError: No module named 'torchvision'",
        "OSError: libcudart.so.13: cannot open shared object file",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied",
        "",
    ],
)
def test_other_errors_are_not_mistaken_for_it(text: str) -> None:
    assert diagnose(text, MIXED) is None


def test_the_probe_reports_the_pair_or_else_the_last_line() -> None:
    assert problems_of_probe({"error": None}, MIXED) == []
    [pair] = problems_of_probe({"error": MIXED_PAIR}, MIXED)
    assert "different builds" in pair.message
    [other] = problems_of_probe({"error": "Traceback\nModuleNotFoundError: No module named 'torch'"}, {})
    assert other.message.endswith("ModuleNotFoundError: No module named 'torch'")


def test_the_same_error_in_any_command_gets_the_same_advice() -> None:
    failure = explain(RuntimeError("operator torchvision::nms does not exist"))
    assert "torchvision" in failure.message
    assert "--force-reinstall" in failure.hint


def test_little_room_and_no_permission_are_problems(tmp_path: Path) -> None:
    fine = _room_problems(disk_gb=50, memory_gb={"available": 8.0}, writable=True, place=tmp_path)
    unknown = _room_problems(disk_gb=50, memory_gb={"available": None}, writable=True, place=tmp_path)
    poor = _room_problems(disk_gb=0.2, memory_gb={"available": 0.5}, writable=False, place=tmp_path)
    assert fine == unknown == []
    assert [problem.message.split()[0] for problem in poor] == ["only", "only", "no"]


def test_doctor_prints_everything_that_a_bug_report_needs(run_cli: Callable[..., Any]) -> None:
    ran = run_cli("doctor", "--json")
    findings = ran.document
    assert set(findings) == {
        "ok", "problems", "python", "platform", "versions", "cpu", "gpu", "threads", "memory_gb", "disk_free_gb",
        "writable", "precision", "plugins",
    }  # fmt: skip
    assert ran.code == (0 if findings["ok"] else 1)
    assert findings["ok"] == (not findings["problems"])
    assert findings["precision"]["faster"] in ("fp32", "bf16")
    assert findings["versions"]["torch"].startswith("2.")
    assert findings["writable"] is True
    assert {plugin["name"] for plugin in findings["plugins"]} >= {"image", "timeseries", "mask", "vectors"}
