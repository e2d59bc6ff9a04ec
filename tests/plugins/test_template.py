"""The example plugin works as `pip install` would leave it, and its own tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "examples" / "plugin-template"


def test_the_template_is_discovered_and_its_own_tests_pass(tmp_path: Path) -> None:
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    facts = tmp_path / "synthgen_midpoint-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {target}" for name, target in project["entry-points"]["synthgen"].items())
    (facts / "entry_points.txt").write_text(f"[synthgen]\n{points}\n")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(TEMPLATE), str(TEMPLATE)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(TEMPLATE)]),
            "SYNTHGEN_PLUGINS": "midpoint",
            "SYNTHGEN_STRICT_PLUGINS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
