"""What `synthgen train --explain` prints: the data, each choice that is not a default with its reason, and the time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from synthgen.cli.progress import duration
from synthgen.cli.table import table

if TYPE_CHECKING:
    from synthgen.training.explaining import Choice, Explanation

__all__ = ["explained", "explained_document"]


def explained(explanation: Explanation) -> str:
    """For people."""
    facts, config = explanation.facts, explanation.config
    split = ", ".join(f"{name} {size:,}" for name, size in facts["split"].items() if size)
    labels = ", ".join(facts["labels"][:20]) or "none"
    lines = [
        f"{config.data.path}: {facts['records']:,} records of shape {' x '.join(map(str, facts['shape']))}",
        f"  split    {split}",
        f"  labels   {labels}",
        *(f"  note     {note}" for note in facts["notes"]),
        "",
        table(
            ("key", "value", "chosen by", "because"),
            [
                (choice.key, _shown(choice), choice.origin, choice.reason)
                for choice in explanation.choices
                if choice.origin != "default"
            ],
        ),
        "",
        f"Everything else has its default: synthgen config show --modality {config.modality}",
        "",
        f"network    {config.network.name}, {facts['parameters']:,} parameters",
        f"precision  {facts['precision']} on {facts['device']}",
        f"speed      {facts['samples_a_second']:,.0f} samples/s ({1000 * facts['seconds_a_step']:.1f} ms a step)",
        f"time       {_time(explanation)}",
    ]
    return "\n".join(lines)


def explained_document(explanation: Explanation) -> dict[str, Any]:
    """For programs."""
    choices = [dataclasses.asdict(choice) for choice in explanation.choices]
    return {"data": explanation.config.data.path, "choices": choices, **explanation.facts}


def _shown(choice: Choice) -> str:
    value = list(choice.value) if isinstance(choice.value, tuple) else choice.value
    default = list(choice.default) if isinstance(choice.default, tuple) else choice.default
    said = f" (default {default})" if default is not None and default != value and default != "" else ""
    return f"{value}{said}"


def _time(explanation: Explanation) -> str:
    config, seconds = explanation.config, explanation.facts["estimated_seconds"]
    if config.train.minutes is not None:
        return f"{config.train.minutes:g} min, as asked"
    asked = f"about {duration(seconds)} for {config.train.samples:,} samples"
    chosen = next(choice for choice in explanation.choices if choice.key == "train.samples")
    shortened = chosen.origin != "user" and seconds > 900
    return asked + ("; without --samples or --minutes it would be cut to a quarter of an hour" if shortened else "")
