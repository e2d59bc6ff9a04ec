"""The last check of a modality: a tiny model trained on its demo set, records and a data set generated from it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.generation.generating import generate, generate_records
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import make_records
from synthgen.testing.conformance import demand, same
from synthgen.testing.subject import Subject
from synthgen.training import train

__all__ = ["check_train_and_generate"]

_TINY: dict[str, Any] = {
    "network": {"width": 8, "blocks": 1},
    "optim": {"batch_size": 16},
    "train": {"samples": 96, "precision": "fp32", "held_out_every": 1},
    "sampling": {"steps": 3},
}
_RECORDS = 6


def check_train_and_generate(it: Subject) -> None:
    """Train for a moment, generate twice, in other batches and onto disk. Skipped for what is not registered.

    Raises:
        ConformanceError: the same seed gave other records, or a record depends on its batch, or labels are not those
            asked for, or the data set does not open again.
    """
    if not it.registered:
        return
    with tempfile.TemporaryDirectory() as folder:
        run = train({"modality": it.name, **_TINY}, out=Path(folder) / "run")
        labels = () if run.schema.labels else None
        records = generate_records(run, n=_RECORDS, labels=labels, seed=1)
        again = generate_records(run, n=_RECORDS, labels=labels, seed=1)
        same(records, again, "generating twice with one seed gave different records; draw nothing at random in decode")
        plan = make_plan(run, n=_RECORDS, labels=labels, seed=1)
        vectors = it.modality.flatten(records, run.schema)
        few = it.modality.flatten(make_records(run, plan, [4, 1]), run.schema)
        near = np.abs(few - vectors[[4, 1]]) <= 0.02 * (float(vectors.std()) or 1.0)
        demand(
            float(near.mean()) >= 0.98,
            "a generated record depends on the others in its batch; decode (and the network) must treat each alone",
        )
        if labels is not None:
            asked = plan.label_ids(run.schema.labels, range(_RECORDS))
            right = records.label is not None and asked is not None and records.label.tolist() == asked.tolist()
            demand(right, "generated records do not bear the labels that were asked for")
        dataset = generate(run, n=_RECORDS, labels=labels, seed=1, out=Path(folder) / "set")
        opened = dataset.open(run)
        demand(
            len(opened) == _RECORDS and opened.schema.shape == run.schema.shape,
            f"the data set opens with {len(opened)} records of shape {opened.schema.shape}, {_RECORDS} of shape "
            f"{run.schema.shape} were written; write into the data set what the reader needs to know",
        )
