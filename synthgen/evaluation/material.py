"""What an evaluation works on: training, held-out and synthetic records, read, counted and, where needed, capped.

Synthetic records, whoever wrote them, are encoded and decoded once by the run's codec: what the real records went
through before the model saw them (resizing, 8 bits, legal values, rounding) is what the synthetic ones are measured in,
so that no probe tells them apart by their file format. Where the real images are JPEG files of the model's size,
synthetic ones are compressed as they are (`synthgen.io.jpeg`).

The run's own split decides what is training and what is held out. When the training data has moved, other real data
(`--real`) is cut in two: one half trains judges and embedder, the other is the held-out side; what needs the training
records themselves is then left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Records, Schema, Source
from synthgen.data.opening import open_source, relabel
from synthgen.data.source import ThroughFile
from synthgen.errors import DataError, RunError, SynthgenError, UsageError
from synthgen.seeding import generator

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["Material", "encoded_alike", "gather", "replaced"]

_MOST_RECORDS = 20_000
_MOST_HELD_OUT = 5_000
_MOST_BYTES = 1 << 29
_FEWEST = 10
_PIECE = 2048


@dataclass(frozen=True)
class Material:
    """The three sides of an evaluation.

    Args:
        train: real records that the model was trained on, or, with `stand_in`, other real ones.
        holdout: real records that it never saw.
        synthetic: the records in question.
        synthetic_name: where those come from.
        stand_in: whether `train` is not the run's training data.
        notes: sentences for the reader.
        provenance: facts about the synthetic set.
        real_notes: those of `notes` that are about the real sides.
        through_file: what the real records' file format does to records, where it does anything.
    """

    schema: Schema
    train: Records
    holdout: Records
    synthetic: Records
    synthetic_name: str
    stand_in: bool = False
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    real_notes: tuple[str, ...] = ()
    through_file: ThroughFile | None = None


def gather(
    run: Run,
    synthetic: Path | None,
    *,
    real: str | None,
    limit: int | None = None,
    seed: int = 0,
    beside: Material | None = None,
) -> Material:
    """Read everything.

    Args:
        run: whose split and schema count.
        synthetic: a data set's path; None: the newest made from the run, else records generated in memory.
        real: other real data to use as held-out side.
        limit: most records of a side; None: what memory and time allow.
        seed: of subsampling and of generation in memory.
        beside: of the same run, whose real sides are taken over.

    Raises:
        RunError: the training data has moved and `real` does not stand in for it.
        DataError: too few records on a side.
    """
    notes: list[str] = []
    affordable = _MOST_BYTES // (4 * int(np.prod(run.schema.shape)))
    most = max(500, min(limit or _MOST_RECORDS, affordable))
    held_out = min(most, max(_MOST_HELD_OUT, limit or 0))
    if beside is None:
        other = None if real is None else relabel(open_source(run.schema.modality, replaced(run, real)), run.schema)
        train, holdout, stand_in, through_file = _real_sides(run, other, most, held_out, seed, notes)
    else:
        train, holdout, stand_in, through_file = beside.train, beside.holdout, beside.stand_in, beside.through_file
        notes += beside.real_notes
    real_notes = tuple(notes)
    ours, name, provenance = _synthetic_side(run, synthetic, len(train), most, seed, notes, through_file)
    notes += _drawn(run, train, ours, provenance)
    if run.facts.get("held_out_on") == "holdout":
        notes.append(
            "too few records for a validation split: training chose its averaging width on the held-out records, "
            "so numbers may be a little too good"
        )
    if run.schema.labels and ours.label is None and train.label is not None:
        notes.append("the synthetic records carry no labels, so nothing that needs labels was measured")
    for side, records in (("held-out", holdout), ("training", train), ("synthetic", ours)):
        if len(records) < _FEWEST:
            raise DataError(f"{len(records)} {side} records are too few to evaluate; {_FEWEST} are needed")
    return Material(
        run.schema, train, holdout, ours, name, stand_in, tuple(notes), provenance, real_notes, through_file
    )


def replaced(run: Run, path: str) -> Any:
    """The run's reading options, pointed at another path."""
    return run.config.data.model_copy(update={"path": path})


def _real_sides(
    run: Run, other: Source | None, most: int, held_out: int, seed: int, notes: list[str]
) -> tuple[Records, Records, bool, ThroughFile | None]:
    """Training and held-out records, whether the former stand in, and what the latter's file format does to records."""
    try:
        source = run.source()
        train = _read(source, run.split.train, most, seed, "training", notes)
        holdout = source if other is None else other
        positions = run.split.holdout if other is None else np.arange(len(other))
        if other is not None:
            notes.append(f"held-out side: {len(other)} other real records given with --real")
        held = _read(holdout, positions, held_out, seed, "held-out", notes)
        return train, held, False, getattr(holdout, "through_file", None)
    except (SynthgenError, OSError) as error:
        if isinstance(error, UsageError) or (other is None and isinstance(error, RunError)):
            raise
        if other is None:
            raise RunError(
                f"the data that {run.path} was trained on cannot be read again ({error})",
                hint="Put it back where it was, or name other real data of the same kind with --real PATH.",
            ) from error
        notes.append(
            f"the training data cannot be read again ({error}): one half of the data given with --real trains judges "
            "and features, the other half is the held-out side; copies of training records cannot be looked for"
        )
        order = generator(seed, "real-halves").permutation(len(other))
        half = len(order) // 2
        return (
            _read(other, order[:half], most, seed, "training", notes),
            _read(other, order[half:], held_out, seed, "held-out", notes),
            True,
            getattr(other, "through_file", None),
        )


def _drawn(run: Run, train: Records, ours: Records, provenance: Mapping[str, Any]) -> list[str]:
    """What shares were asked of the records, and what real records show and none of these does."""
    modality = registry.modality(run.schema.modality)
    shares = modality.shares(run.schema) if hasattr(modality, "shares") else None
    if shares is None or not len(ours):
        return []
    notes = []
    if (found := provenance.get("require")) is not None:
        from synthgen.generation.requiring import reach_sentence

        notes.append(reach_sentence(found, provenance["n"]))
    real, made = (np.nan_to_num(shares.measured(records)).max(axis=0) > 0 for records in (train, ours))
    never = [name for name, there, seen in zip(shares.names, real, made, strict=True) if there and not seen]
    if never:
        notes.append(f"no synthetic record shows {', '.join(never)}")
    return notes


def _read(source: Source, positions: NDArray[np.int64], most: int, seed: int, side: str, notes: list[str]) -> Records:
    chosen = np.sort(positions)
    if len(chosen) > most:
        notes.append(f"{side} side: {most} of {len(chosen)} records, drawn at random")
        chosen = np.sort(generator(seed, f"evaluate-{side}").permutation(chosen)[:most])
    return source.read(chosen.astype(np.int64))


def _synthetic_side(
    run: Run,
    path: Path | None,
    n: int,
    most: int,
    seed: int,
    notes: list[str],
    through_file: ThroughFile | None,
) -> tuple[Records, str, Mapping[str, Any]]:
    from synthgen.generation.dataset import Dataset

    if path is None:
        found = Dataset.newest(run)
        if found is None:
            from synthgen.generation import generate_records

            notes.append(
                f"no data set of this run was found: {n} records were generated in memory with the run's defaults"
            )
            records = generate_records(run, n=n, seed=seed)
            records = _stored_alike(records, through_file, None, seed, notes)
            return records, f"{n} records generated in memory, seed {seed}", {"n": n, "seed": seed}
        path = found.path
    if (path / "provenance.json").exists():
        ours = Dataset(path)
        source, provenance = ours.open(run), dict(ours.provenance)
        if provenance.get("model", run.fingerprint) != run.fingerprint:
            notes.append(
                "the synthetic records were made by another run than the one whose data they are compared with"
            )
    else:
        source, provenance = relabel(open_source(run.schema.modality, replaced(run, str(path))), run.schema), {}
    records = encoded_alike(run, _read(source, np.arange(len(source)), most, seed, "synthetic", notes))
    records = _stored_alike(records, through_file, getattr(source, "through_file", None), seed, notes)
    if records.label is not None and run.schema.labels and np.any(records.label < 0):
        records = replace(records, label=None)
    return records, str(path), provenance


def _stored_alike(
    records: Records, through_file: ThroughFile | None, own: ThroughFile | None, seed: int, notes: list[str]
) -> Records:
    """Synthetic records as the real ones' file format gives them back, unless their own did as much to them."""
    if through_file is None:
        return records
    stored, said = through_file(records, seed=seed)
    if said and own is not None and own(records.take(slice(0, 1)))[1]:
        notes.append("real and synthetic images are JPEG files: the synthetic ones were not compressed again")
        return records
    notes += [said] if said else []
    return stored


def encoded_alike(run: Run, records: Records) -> Records:
    """Synthetic records as the run's codec gives them back; gaps that they had are kept.

    Records that the run itself generated come out as they went in.
    """
    codec = run.codec()
    parts = []
    for start in range(0, len(records), _PIECE):
        part = records.take(slice(start, start + _PIECE))
        batch = codec.encode(part)
        decoded = codec.decode(batch.x, batch.conditions)
        for name, column in decoded.columns.items():
            original = part.columns.get(name)
            if column.dtype == bool and original is not None and original.shape == column.shape:
                decoded.columns[name] = column & original
        parts.append(Records(decoded.columns, part.label))
    return Records.concatenate(parts) if parts else records
