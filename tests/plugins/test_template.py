"""The example plugin works as `pip install` would leave it, and its own tests pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parents[2] / "examples" / "plugin-template"


def test_the_template_is_discovered_and_its_own_tests_pass(tmp_path: Path, stranger: Any) -> None:
    stranger.install(TEMPLATE, tmp_path)
    env = stranger.environment(tmp_path, TEMPLATE) | {"SYNTHGEN_PLUGINS": "midpoint"}
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(TEMPLATE), str(TEMPLATE)]
    result = stranger.python(*arguments, cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 passed" in result.stdout
