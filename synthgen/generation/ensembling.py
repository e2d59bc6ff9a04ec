"""Which runs make an ensemble: those whose denoisers mean the same by the same numbers.

An ensemble is the mean of answers in encoded units, so its members must read the same records, by the same names, as
the same numbers. Runs of the same data with other seeds learnt their scaling from other training records, so the scales
themselves differ a little; what counts is that a record comes out as nearly the same tensor. That is tried on records
made of noise, which shows any other scaling or range of the data, whatever the codec keeps of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from synthgen.api import Schema
from synthgen.errors import SynthgenError, UsageError
from synthgen.io.run import Run

__all__ = ["check_member"]

_TRIED = 64
_LIMIT = 0.1
"""Root mean square by which a channel may differ; the data's own deviation is 0.5."""


def check_member(run: Run, other: Run, *, role: str = "makes no ensemble with") -> None:
    """Refuse a run that was trained on other records, or on the same ones in other units.

    Args:
        run: the one that samples.
        other: whose denoiser answers too.
        role: what the other cannot be, for the message.

    Raises:
        UsageError: it was; the message names what differs.
    """
    mine, theirs = _meaning(run.schema), _meaning(other.schema)
    differing = [name for name in mine if mine[name] != theirs[name]]
    found = f"other {' and '.join(differing)}" if differing else _other_units(run, other)
    if found:
        raise UsageError(
            f"{other.path} {role} {run.path}: {found}",
            hint="Name runs of the same data with the same data.* settings.",
        )


def _meaning(schema: Schema) -> dict[str, Any]:
    """What the numbers of a record and of its conditions stand for, by what a message calls it."""
    return {
        "shape of the records": (schema.modality, schema.shape),
        "labels": schema.labels,
        "conditions": schema.conditions,
        "attributes": [(each.name, each.kind, each.values, each.encoder_sha256) for each in schema.attributes],
        "channels": [(channel.name, channel.kind, channel.values) for channel in schema.channels],
        "facts of the modality": _words(schema.extra),
    }


def _words(facts: Any) -> Any:
    """Facts without their numbers, which every split finds a little different."""
    if isinstance(facts, Mapping):
        return {name: _words(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [_words(value) for value in facts]
    return facts if isinstance(facts, str | bool) else None


def _other_units(run: Run, other: Run) -> str | None:
    """What the two codecs make of the same records differently, or None."""
    mine, theirs = run.codec(), other.codec()
    if mine.state()[0] != theirs.state()[0]:
        return f"its codec is set to {theirs.state()[0]}, not to {mine.state()[0]}"
    told = {name: rows[:_TRIED] for name, rows in run.condition_rows.items()}
    count = len(next(iter(told.values()))) if told else _TRIED
    noise = torch.randn(count, *run.schema.shape, generator=torch.Generator().manual_seed(0))
    records = mine.decode(noise * run.config.noise.sigma_data, told)
    try:
        ours, others = mine.encode(records), theirs.encode(records)
    except (SynthgenError, ValueError) as error:
        return f"its codec cannot read such records ({error})"
    apart = (ours.x - others.x).square().transpose(0, 1).flatten(1).mean(1).sqrt()  # (C,)
    worst = int(apart.argmax())
    if float(apart[worst]) > _LIMIT:
        return (
            f"other scaling: the same records differ by {float(apart[worst]):.2f} in channel {worst} as the model sees "
            f"them, where {_LIMIT:g} is the most"
        )
    for name, value in ours.conditions.items():
        if _distance(value, others.conditions[name]) > _LIMIT:
            return f"other units of the condition {name}"
    return None


def _distance(a: Tensor, b: Tensor) -> float:
    """Root mean square of what differs; NaN is a value of its own."""
    missing = a.isnan()
    if not torch.equal(missing, b.isnan()):
        return float("inf")
    apart = (a.double() - b.double())[~missing]
    return float(apart.square().mean().sqrt()) if len(apart) else 0.0
