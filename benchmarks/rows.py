"""Rows of a long benchmark, kept as they come, so that the same command goes on where it was stopped.

    rows = Rows("ablation_ladder", budget={"samples": 24_000})
    for seed in seeds:
        row = rows.get({"seed": seed}, lambda: measure(seed))

keeps each row in `benchmarks/results/ablation_ladder.rows.jsonl`. A row that is there, for the same key and the same
budget, is not measured again; the file can be deleted to start over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from record import RESULTS, git_state, machine

__all__ = ["Rows"]


class Rows:
    """The rows of one benchmark.

    Args:
        name: of the file.
        budget: what all rows share and what makes them comparable; rows of another budget are left alone.
        directory: where the file is.
    """

    def __init__(self, name: str, *, budget: Mapping[str, Any], directory: Path = RESULTS) -> None:
        self.path = directory / f"{name}.rows.jsonl"
        self._budget = json.loads(json.dumps(budget))
        self._context = {"commit": git_state()["commit"], "processor": machine()["processor"]}

    def all(self) -> list[dict[str, Any]]:
        """Every row of this budget, in the order of measuring."""
        if not self.path.exists():
            return []
        rows = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [row for row in rows if row["budget"] == self._budget]

    def get(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The row of this key: from the file, or measured now and added to it."""
        for row in self.all():
            if row["key"] == dict(key):
                return row
        row = {"key": dict(key), "budget": self._budget, **measure(), **self._context}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return row
