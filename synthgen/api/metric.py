"""A metric of a plugin: what is computed, which way is better, who defined it and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from synthgen.api.records import Records
from synthgen.api.schema import Schema

__all__ = ["Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric for the report. Target of `synthgen_metrics`; its name and title are those of the `Spec`.

    Args:
        function: `(real, synthetic, context) -> number`, both sides being Records of the same number; `context` has
            `schema`, `modality` and `train`. It need not know of floor and interval: it is called again with training
            records in the place of the synthetic ones, and with resampled records.
        better: `higher`, `lower` or `floor` (the nearer to the floor the better).
        definition: what exactly is computed, one or two sentences.
        source: where it was defined.
        cost: `cheap` (below 10 ms; 200 resamples), `moderate` (20), or `costly` (20, and with `--full` only).
        resamples: fewer, where one call takes many seconds; the interval is then Student's.
        inapplicable: why it says nothing of data of a schema, or None where it does; the report lists the reason.
    """

    function: Callable[[Records, Records, Mapping[str, Any]], float]
    better: Literal["higher", "lower", "floor"]
    definition: str
    source: str = ""
    cost: Literal["cheap", "moderate", "costly"] = "cheap"
    resamples: int | None = None
    inapplicable: Callable[[Schema], str | None] | None = None

    def __call__(self, real: Records, synthetic: Records, context: Mapping[str, Any]) -> dict[str, Any]:
        """The row without floor and interval."""
        return {"value": float(self.function(real, synthetic, context)), "better": self.better}
