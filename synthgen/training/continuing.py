"""Learning new data or new classes with a trained run, without forgetting what it knew.

The new run begins with the old one's weights, codec and noise levels; class names are the old ones, then the new ones.
A share of each batch is rehearsal: old training records from a small buffer with every class in it. Rehearsal is plain
and hard to beat in diffusion models (arXiv:2303.15342). What was forgotten is measured: the held-out loss on the old
run's held-out records before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen.api import Batch, Codec, Schema, Source
from synthgen.data.opening import relabel
from synthgen.diffusion.denoiser import Denoiser
from synthgen.errors import DataError, RunError, UsageError
from synthgen.io.run import Run
from synthgen.seeding import generator
from synthgen.training.encoded import EncodedData, joined
from synthgen.training.monitor import HeldOut, HeldOutLoss

__all__ = ["Forgetting", "Old", "Rehearsed", "extended", "open_old"]

_WATCHED = 256


def extended(schema: Schema, old: Schema) -> Schema:
    """The schema of the new data with the old class names first.

    Raises:
        UsageError, DataError: records of another kind, or classes on one side only.
    """
    if schema.modality != old.modality:
        raise UsageError(f"the data is of modality {schema.modality}, the run of {old.modality}")
    if schema.shape != old.shape:
        shapes = " and ".join(" x ".join(map(str, shape)) for shape in (schema.shape, old.shape))
        raise DataError(
            f"records of the new and the old data have different shapes: {shapes}",
            hint="data.image_size, data.image_mode and data.window choose how records are read.",
        )
    if bool(schema.labels) != bool(old.labels):
        has, lacks = ("new", "old") if schema.labels else ("old", "new")
        raise DataError(f"the {has} data has classes, the {lacks} has none")
    names = [{item.name for item in side.attributes if not item.derived} for side in (schema, old)]
    if names[0] != names[1]:
        raise DataError(
            f"the new data has the attributes {', '.join(sorted(names[0])) or 'none'}, "
            f"the old {', '.join(sorted(names[1])) or 'none'}",
            hint="data.attributes names the columns that are attributes.",
        )
    labels = (*old.labels, *(name for name in schema.labels if name not in old.labels))
    kept = {attribute.name: attribute for attribute in old.attributes}
    attributes = tuple(kept.get(attribute.name, attribute) for attribute in schema.attributes)
    told = {attribute.name: attribute.condition for attribute in attributes}
    conditions = tuple(
        replace(condition, size=len(labels)) if condition.name == "label" else told.get(condition.name, condition)
        for condition in schema.conditions
    )
    return replace(schema, labels=labels, conditions=conditions, attributes=attributes)


@dataclass(frozen=True)
class Old:
    """What is left of the old run's data.

    Args:
        run: the old run.
        buffer: records to rehearse; None: none were asked for.
        watched: records that the old run never trained on; None: its data is gone.
    """

    run: Run
    buffer: EncodedData | None
    watched: EncodedData | None


def open_old(run: Run, schema: Schema, codec: Codec, *, records: int, seed: int) -> Old:
    """Open the old run's data again.

    Args:
        run: the old run.
        schema: of the new run, see `extended`.
        codec: of the new run.
        records: size of the buffer; 0: no rehearsal, and then the old data may be gone.
        seed: of the choice.

    Raises:
        RunError: the old data is gone, and rehearsal needs it.
    """
    try:
        source = relabel(run.source(), schema)
    except RunError as error:
        if records:
            raise RunError(
                f"rehearsal needs the old run's data: {error.message}",
                hint="Put it back, or go without rehearsal: --set train.rehearsal=0.",
            ) from error
        return Old(run, None, None)
    chosen = _buffer(source, run.split.train, records, seed)
    buffer = EncodedData(source, chosen, codec, seed=seed) if len(chosen) else None
    return Old(run, buffer, EncodedData(source, run.split.watched, codec, seed=seed))


def _buffer(source: Source, positions: NDArray[np.int64], records: int, seed: int) -> NDArray[np.int64]:
    """At most so many positions, classes as equal as they can be."""
    order = generator(seed, "rehearsal").permutation(positions)
    if source.labels is None:
        return np.sort(order[:records])
    labels = source.labels[order]
    rank = np.zeros(len(order), dtype=np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(int((labels == label).sum()))
    return np.sort(order[np.argsort(rank, kind="stable")[:records]])


class Rehearsed:
    """New training data with a share of old records in each batch.

    Args:
        new: the new records.
        old: the buffer.
        share: of old records in a batch.
    """

    def __init__(self, new: EncodedData, old: EncodedData, *, share: float) -> None:
        self._new = new
        self._old = old
        self._share = share

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def step(self, samples_seen: int, batch_size: int, progress: float) -> Batch:
        """The batch of a training step after `samples_seen` records, all of equal batches."""
        rehearsed = min(batch_size - 1, round(self._share * batch_size))
        index = samples_seen // batch_size
        new = self._new.step(index * (batch_size - rehearsed), batch_size - rehearsed, progress)
        return joined([new, self._old.step(index * rehearsed, rehearsed, progress)]) if rehearsed else new

    def sample(self, count: int) -> Batch:
        """A fixed selection of at most `count` records of both kinds, by their numbers."""
        of_old = round(count * len(self._old) / len(self)) if count < len(self) else len(self._old)
        return joined([self._new.sample(count - of_old), self._old.sample(max(1, of_old))])


class Forgetting:
    """Measures what was forgotten, on the old run's held-out records with fixed noise.

    Args:
        old: see `open_old`; its data is there.
        labels: class names of the new run; the old ones come first.
        device: where networks run.
    """

    def __init__(self, old: Old, labels: tuple[str, ...], device: torch.device) -> None:
        assert old.watched is not None
        batch = old.watched.sample(_WATCHED)
        config = old.run.config
        repeats = -(-_WATCHED // len(batch.x))
        self._held_out = HeldOut(batch, config.noise, seed=config.train.seed, repeats=repeats, labels=labels)
        self._device = device
        self._before = self._held_out.measure(old.run.denoiser().to(device), device)

    def facts(self, denoiser: Denoiser) -> dict[str, Any]:
        """Held-out losses on the old data before and after, and the sentence about them."""
        after = self._held_out.measure(denoiser, self._device)
        return {
            "before": _document(self._before),
            "after": _document(after),
            "sentence": _sentence(self._before, after),
        }


def _document(loss: HeldOutLoss) -> dict[str, Any]:
    return {"total": loss.total, "classes": dict(loss.classes)}


def _sentence(before: HeldOutLoss, after: HeldOutLoss) -> str:
    change = after.total / before.total - 1
    if change <= 0.02:
        verdict = "nothing was forgotten"
    else:
        verdict = "a little was forgotten" if change <= 0.1 else "much was forgotten; a larger train.rehearsal helps"
    text = (
        f"on the old run's held-out records the loss went from {before.total:.4f} to {after.total:.4f} "
        f"({change:+.1%}): {verdict}"
    )
    by_class: Mapping[str, float] = {
        name: after.classes[name] / loss - 1 for name, loss in before.classes.items() if loss > 0
    }
    worst = max(by_class, key=lambda name: by_class[name], default=None)
    if worst is not None and by_class[worst] > 0.1:
        text += f"; most of all {worst} ({by_class[worst]:+.0%})"
    return text
