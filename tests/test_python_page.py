"""Every block of docs/python.md runs, in order, as a reader would paste it into a notebook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_page_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "torch.Size([25, 8, 8, 1]) torch.Size([25])" in printed
    assert "unknown label eleven" in printed
    assert (tmp_path / "synthetic" / "both" / "provenance.json").exists()


def test_every_public_name_is_on_the_page() -> None:
    import synthgen

    made_by_others = {"Dataset", "FreshSamples", "Report", "Sample", "fresh_samples", "sample"}
    commands = {"__version__", "distill", "verify"}
    for name in set(synthgen.__all__) - made_by_others - commands:
        assert re.search(rf"\b{name}\b", PAGE), name
