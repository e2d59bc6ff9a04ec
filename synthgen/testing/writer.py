"""`check_writer`: files as listed, the same bytes again, further columns and unlabelled data, and reading back."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.api import Modality, Records, Schema, Source, Writer, WrittenFile
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.testing.conformance import demand, guarded, same
from synthgen.testing.subject import subject, unlabelled

__all__ = ["check_format", "check_writer"]


def check_writer(
    name: str,
    *,
    modality: str,
    writer: Callable[[], Writer] | None = None,
    source: Source | None = None,
    records: int = 64,
) -> None:
    """Run every check on a registered writer with records of its modality's demo set.

    Args:
        name: of the writer, as registered.
        modality: the modality that it writes for.
        writer: check what this makes instead of the registered one.
        source: write this data instead of the demo set's.
        records: how many records are written.

    Raises:
        ConformanceError: at the first broken promise.
    """
    it = subject(modality, source=source, records=records)
    make = writer or partial(registry.create, "writers", name, modality)
    check_format(make, f"writer {name}", modality=it.modality, schema=it.schema, records=it.records)


def check_format(make: Callable[[], Writer], who: str, *, modality: Modality, schema: Schema, records: Records) -> None:
    """Every check of one writer.

    Args:
        make: a fresh writer.
        who: the writer, for the sentences.
        modality: reads the files back.
        schema, records: what is written.

    Raises:
        ConformanceError: at the first broken promise.
    """

    def everything() -> None:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            before = Records({name: column.copy() for name, column in records.columns.items()}, records.label)
            files = _write(make(), Path(first), records, schema)
            same(before, records, "write must not change the records that it is given")
            again = _write(make(), Path(second), records, schema)
            digests = [{file.path: file.sha256 for file in each} for each in (files, again)]
            changed = sorted(path for path in digests[0] if digests[0][path] != digests[1].get(path))
            demand(not changed, f"the same records give other bytes in {changed}; write no time, name or random number")
            _read_back(Path(first), modality, records, schema)
        with tempfile.TemporaryDirectory() as folder:
            plain = Records(records.columns)
            _write(make(), Path(folder), plain, unlabelled(schema))
            _read_back(Path(folder), modality, plain, unlabelled(schema))

    guarded(who, everything)


def _write(writer: Writer, folder: Path, records: Records, schema: Schema) -> list[WrittenFile]:
    """Two shards with every further column, finished twice; the files that are left."""
    files: list[WrittenFile] = []
    for shard, rows in enumerate(np.array_split(np.arange(len(records)), 2)):
        columns: dict[str, NDArray[Any]] = {
            "sample_id": rows.astype(np.int64),
            "seed": rows.astype(np.int64),
            "guidance": np.ones(len(rows), dtype=np.float32),
            "origin": np.full(len(rows), "synthetic"),
        }
        part = records.take(slice(int(rows[0]), int(rows[-1]) + 1))  # views, so that a change would be seen
        shown = writer.write(folder, shard, 2, part, columns, schema, {"synthgen": "conformance"})
        counted = sum(file.records for file in shown)
        demand(counted >= len(rows), f"the files of shard {shard} claim {counted} records, {len(rows)} were written")
        files += shown
    finished: list[WrittenFile] = []
    for repeat in ("once", "twice"):
        finished = writer.finish(folder, schema, 2)
        for file in [*files, *finished]:
            _check_file(file, folder, f"finished {repeat}")
    listed = {file.path for file in [*files, *finished]}
    present = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    kept_for_finish = {path for path in present if path.parts[0].startswith(".") and len(path.parts) > 1}
    visible = {path.as_posix() for path in present - kept_for_finish}
    listed -= {path.as_posix() for path in kept_for_finish}
    demand(visible == listed, f"it left files that it does not list, or the reverse: {sorted(visible ^ listed)}")
    demand(isinstance(writer.card(schema), dict), "card() must return a dict")
    return [*files, *finished]


def _check_file(file: WrittenFile, folder: Path, when: str) -> None:
    path = folder / file.path
    inside = path.resolve().is_relative_to(folder.resolve())
    demand(inside, f"{file.path} lies outside the data set; build paths from `directory`")
    demand(path.is_file(), f"{when}, it lists {file.path}, which is not there")
    data = path.read_bytes()
    right = (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    demand(right, f"size or sha256 of {file.path} is not that of the file; take it after the last write")


def _read_back(folder: Path, modality: Modality, records: Records, schema: Schema) -> None:
    n = len(records)
    opened = open_source(modality.name, DataConfig(path=str(folder)))
    demand(len(opened) == n, f"{n} records written, {len(opened)} read back by the modality's readers")
    back = opened.read(np.arange(n))
    lost = {each.name for each in schema.attributes if not each.derived} - {
        each.name for each in opened.schema.attributes
    }
    demand(not lost, f"the attributes {sorted(lost)} do not come back; write them with attribute_cells and read them")
    wanted, found = _names(records, schema), _names(back, opened.schema)
    demand(sorted(wanted) == sorted(found), "the labels change when written and read back")
    before, after = modality.flatten(records, schema), modality.flatten(back, schema)
    demand(before.shape == after.shape, f"flatten gave {before.shape} before and {after.shape} after reading back")
    tolerance = 1e-3 * (float(before.std()) or 1.0)
    for row, name in zip(before, wanted, strict=True):
        errors = np.abs(after - row).max(axis=1)
        errors[np.array(found) != name] = np.inf
        near = float(errors.min()) <= tolerance
        demand(near, f"a record of {name or 'the set'} does not come back as it was; write all of it, unrounded")


def _names(records: Records, schema: Schema) -> list[str]:
    if records.label is None:
        return [""] * len(records)
    return [schema.labels[index] for index in records.label]
