"""What people read beside the files: the run's card, and the versions that made something."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import PurePath
from typing import Any

from synthgen.api import Attribute, Schema
from synthgen.config import RunConfig

__all__ = ["attribute_line", "run_card", "versions"]

_NAMES = 12
_NAMED = ("synthgen", "torch", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn")


def versions() -> dict[str, str]:
    """Python and the distributions whose version can change a result."""
    known = {name: _version(name) for name in _NAMED}
    return {"python": platform.python_version(), **{name: version for name, version in known.items() if version}}


@cache  # every shard names them, and reading a distribution's metadata takes milliseconds
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def run_card(facts: Mapping[str, Any], config: RunConfig, schema: Schema) -> str:
    """The run's `card.md`."""
    parts = ", ".join(f"{size:,} {name}" for name, size in facts["split"].items())
    losses = ", ".join(f"{loss:.4f} (EMA width {width})" for width, loss in facts["held_out"].items())
    early = facts["ema_width"] is None and "held_out_kept" in facts
    kept = f"; {facts['held_out_kept']:.4f} of the weights on the way that were kept" if early else ""
    tuned = facts.get("distilled_from")
    lines = [
        f"# A {schema.modality} diffusion model",
        "",
        f"Trained by synthgen {facts['versions'].get('synthgen', '')} on `{config.data.path}`.",
        "",
        "| | |",
        "|---|---|",
        f"| records | {facts['records']:,}: {parts} |",
        f"| record | {' x '.join(map(str, schema.shape))}, channels {', '.join(c.name for c in schema.channels)} |",
        f"| labels | {', '.join(schema.labels) if schema.labels else 'none'} |",
        f"| can be asked for | {'; '.join(map(attribute_line, schema.attributes))} |" if schema.attributes else None,
        f"| network | {config.network.name}, {facts['parameters']:,} parameters |",
        f"| training | {facts['samples']:,} samples in {facts['seconds']:.0f} s; {facts['ended']} |",
        *([f"| started from | the weights of {facts['init']['run']} |"] if "init" in facts else []),
        f"| precision | {facts['precision']} |",
        f"| held-out loss | {losses}{kept}, measured on the {facts['held_out_on']} part |" if losses else None,
        _guidance(facts.get("guidance_tried")),
        f"| tuned from | the model {tuned[:12]}, for one or two network evaluations a record |" if tuned else None,
        f"| seed | {config.train.seed} |",
        "",
        _privacy(facts.get("privacy")),
    ]
    if facts["quality"]:
        lines += ["", "## What was found in the data", "", *[f"- {finding}" for finding in facts["quality"]]]
    if facts["remarks"]:
        lines += ["", "## What was noticed in training", "", *[f"- {remark}" for remark in facts["remarks"]]]
    if facts["notes"]:
        lines += ["", "## What was noted about the data", "", *[f"- {note}" for note in facts["notes"]]]
    return "\n".join(line for line in lines if line is not None) + "\n"


def attribute_line(attribute: Attribute) -> str:
    """An attribute in words: `age: number, 18 to 90 years`."""
    if attribute.kind == "text":
        return f"{attribute.name}: free text, by the encoder {PurePath(attribute.encoder).name}"
    if attribute.kind != "number":
        kind = "one" if attribute.kind == "category" else "any"
        more = ", ..." if len(attribute.values) > _NAMES else ""
        return f"{attribute.name}: {kind} of {', '.join(attribute.values[:_NAMES])}{more}"
    unit = f" {attribute.unit}" if attribute.unit else ""
    span = "" if attribute.low is None else f", {attribute.low:g} to {attribute.high:g}{unit}"
    return f"{attribute.name}: {'whole number' if attribute.integer else 'number'}{span}"


def _privacy(guarantee: Mapping[str, Any] | None) -> str:
    if guarantee is not None:
        return str(guarantee["statement"])
    return (
        "Membership in the training set can be inferred from a generative model; this one carries no formal guarantee\n"
        "of privacy. `synthgen evaluate` measures what can be measured."
    )


def _guidance(tried: Mapping[str, float] | None) -> str | None:
    """Which weight of guidance was chosen, and from what."""
    if not tried:
        return None
    best = min(tried, key=lambda weight: tried[weight])
    distances = ", ".join(f"{weight}: {distance:.4f}" for weight, distance in tried.items())
    return f"| guidance | {best}, the nearest to unseen records (kernel distance by weight {distances}) |"
