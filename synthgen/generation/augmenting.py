"""Real records and synthetic ones in one training set, each row marked by its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Records, Source, Writer, WrittenFile
from synthgen.data.opening import open_alike, relabel
from synthgen.errors import UsageError
from synthgen.generation.dataset import Dataset
from synthgen.generation.describing import describe
from synthgen.generation.generating import Progress, as_run, place
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.worker import file_metadata, make_records, row_columns
from synthgen.io.atomic import write_text
from synthgen.io.run import Run

__all__ = ["augment"]


def augment(
    run: Run | Path | str | None = None,
    data: Path | str | None = None,
    *,
    ratio: float | None = None,
    balance: bool = False,
    guidance: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    format: str | None = None,
    out: Path | str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Write real + synthetic records as one training set with a column `origin`: `real` or `synthetic`.

    Args:
        run: a run or its directory; None: the newest.
        data: the real training set. When it is what the run was trained on, only the training split is taken, so that
            the hold-out stays clean for evaluation. None: the run's own data.
        ratio: synthetic records for each real one, 1 by default, in the training frequencies of the classes.
        balance: instead, fill every class up to the size of the largest.
        guidance, steps, seed, format, out, force, progress: see `synthgen.generate`.

    Raises:
        UsageError: nothing to add, or no labels to balance by.
    """
    run = as_run(run)
    real, indices, notes = _real(run, data)
    plan = _plan(run, real, indices, ratio, balance, guidance, steps, seed, format)
    with place(run, plan, None if out is None else Path(out), force=force, doing="augmenting") as directory:
        if not (directory / "provenance.json").exists():
            write_text(directory / "plan.json", plan.to_json())
            _write(run, plan, directory, real, indices, notes, progress)
        return Dataset(directory)


def _write(
    run: Run,
    plan: Plan,
    directory: Path,
    real: Source,
    indices: NDArray[np.int64],
    notes: Sequence[str],
    progress: Progress | None,
) -> None:
    """All shards, the real ones first, and what stands beside them."""
    real_shards = -(-len(indices) // plan.shard_size)
    shards = real_shards + plan.shards
    writer: Writer = registry.create("writers", plan.format, plan.modality)
    files: list[list[WrittenFile]] = []
    labels: Counter[str] = Counter()
    total = len(indices) + plan.n
    for shard, (records, columns) in enumerate(_parts(run, plan, real, indices)):
        files.append(writer.write(directory, shard, shards, records, columns, run.schema, file_metadata(plan)))
        if records.label is not None:
            labels.update(run.schema.labels[label] for label in records.label)
        if progress is not None:
            done = int(columns["sample_id"][-1]) + 1
            progress({"kind": "step", "records": done, "samples": done, "total": total, "progress": done / total})
    facts: Mapping[str, Any] = {
        "n": total,
        "labels": {name: labels[name] for name in run.schema.labels if labels[name]},
        "origin": {"real": len(indices), "synthetic": plan.n},
        "notes": list(notes),
    }
    describe(run, plan, directory, writer, files, kind="augment", more=facts)


def _real(run: Run, data: Path | str | None) -> tuple[Source, NDArray[np.int64], list[str]]:
    own = run.config.data.path
    if data is None or str(data) == own or (Path(data).exists() and str(Path(data).absolute()) == own):
        source, used = run.source(), run.split.train
        note = (
            f"only the run's training split, {len(used):,} of {len(source):,} records, was taken from its own data; "
            "hold-out and calibration stay unseen"
        )
        return source, used, [note]
    alike, _ = open_alike(run.schema, run.config.data.model_copy(update={"path": str(data)}))
    source = relabel(alike, run.schema)
    return source, np.arange(len(source)), list(source.notes)


def _plan(
    run: Run,
    real: Source,
    indices: NDArray[np.int64],
    ratio: float | None,
    balance: bool,
    guidance: float | None,
    steps: int | None,
    seed: int,
    format: str | None,
) -> Plan:
    if not balance:
        n = round((1.0 if ratio is None else ratio) * len(indices))
        return make_plan(run, n=n, guidance=guidance, steps=steps, seed=seed, format=format)
    if real.labels is None or not run.schema.labels:
        raise UsageError("--balance needs labels, and this data has none", hint="Use --ratio.")
    have = np.bincount(real.labels[indices], minlength=len(run.schema.labels))
    lacking = {
        name: int(have.max() - count) for name, count in zip(run.schema.labels, have, strict=True) if count < have.max()
    }
    if not lacking:
        raise UsageError("every class has as many records as the largest already", hint="Use --ratio to add to all.")
    return make_plan(run, n=None, counts=lacking, guidance=guidance, steps=steps, seed=seed, format=format)


def _parts(
    run: Run, plan: Plan, real: Source, indices: NDArray[np.int64]
) -> Iterator[tuple[Records, dict[str, NDArray[Any]]]]:
    for start in range(0, len(indices), plan.shard_size):
        chosen = indices[start : start + plan.shard_size]
        yield real.read(chosen), _origin(row_columns(plan, range(start, start + len(chosen))), "real")
    for shard in range(plan.shards):
        ids = plan.ids(shard)
        columns = row_columns(plan, ids)
        columns["sample_id"] += len(indices)
        yield make_records(run, plan, ids), _origin(columns, "synthetic")


def _origin(columns: dict[str, NDArray[Any]], origin: str) -> dict[str, NDArray[Any]]:
    columns["origin"] = np.full(len(columns["sample_id"]), origin)
    if origin == "real":
        columns["seed"][:] = -1
        columns["guidance"][:] = np.nan
    return columns
