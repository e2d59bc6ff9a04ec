"""Is a run or a data set what it was when it was written? And, for a data set: make good what is not.

Every file's size and SHA-256 is compared with the manifest. A shard is a function of its plan alone, so a lost one can
be made again, byte for byte, by the run that made it; it is put in place only when its hash is the one on record.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthgen import registry
from synthgen.api import Writer, WrittenFile
from synthgen.errors import DataError, DatasetError, RunError
from synthgen.generation.describing import DESCRIPTIONS, write_descriptions
from synthgen.generation.plan import Plan
from synthgen.generation.worker import file_metadata, shard_records
from synthgen.io.atomic import read_text, sha256_of
from synthgen.io.folder import safe_join
from synthgen.io.lock import locked
from synthgen.io.run import Run, read_facts

__all__ = ["Fault", "Verification", "verify"]

_WORKSHOP = ".repair"
_BASIS = ("provenance.json", "manifest.json", "plan.json")


@dataclass(frozen=True)
class Fault:
    """A file that is not what was written.

    Args:
        path: relative to the directory.
        problem: `missing`, `changed`, or its size where that differs.
        shard: the shard it belongs to; None for files of the whole.
    """

    path: str
    problem: str
    shard: int | None = None


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Args:
        path: the directory.
        kind: `run` or `data set`.
        files: how many were compared.
        faults: those that differ, by path.
        repaired: paths that were made again.
    """

    path: Path
    kind: str
    files: int
    faults: tuple[Fault, ...]
    repaired: tuple[str, ...] = ()


def verify(
    path: Path | str,
    *,
    repair: bool = False,
    run: Run | Path | str | None = None,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> Verification:
    """Compare a run or data set with its manifest.

    Args:
        path: the directory.
        repair: make the faulty files of a data set again.
        run: the run that made it, if it is no longer where the data set says.
        progress: called with `{"kind": "step", "records": int, "total": int}` while shards are made again.

    Raises:
        RunError: neither a run nor a data set; a run cannot be repaired.
        DatasetError: the data set is unfinished, or the repair lacks what it goes by or gives other bytes.
    """
    directory = Path(path)
    if (directory / "run.json").exists():
        found = _verify_run(directory)
        if repair and found.faults:
            raise RunError(
                f"the run {directory} is damaged ({_names(found.faults)}) and weights cannot be made again",
                hint="Restore the files from a copy, or train again.",
            )
        return found
    if (directory / "plan.json").exists() and not (directory / "provenance.json").exists():
        raise DatasetError(
            f"{directory} is not a complete data set: there is no provenance.json",
            hint="Run the same `synthgen generate` command again: it completes what is missing.",
        )
    if not (directory / "provenance.json").exists():
        raise RunError(f"{directory} is neither a run nor a data set of synthgen")
    found = _verify_dataset(directory)
    if not repair or not found.faults:
        return found
    with locked(directory, "repairing"):
        return _repair(directory, found, run, progress)


def _verify_run(directory: Path) -> Verification:
    facts = read_facts(directory)
    if facts["status"] != "finished":
        raise RunError(
            f"training of {directory} has not finished ({facts['status']})",
            hint="Run the same `synthgen train` command again: it resumes.",
        )
    faults = [
        Fault(name, problem)
        for name, digest in sorted(facts["files"].items())
        if (problem := _problem(directory / name, digest, None))
    ]
    return Verification(directory, "run", len(facts["files"]), tuple(faults))


def _verify_dataset(directory: Path) -> Verification:
    provenance = _document(directory / "provenance.json")
    manifest = directory / "manifest.json"
    if problem := _problem(manifest, str(provenance.get("manifest", "")), None):
        return Verification(directory, "data set", 1, (Fault("manifest.json", problem),))
    rows = _document(manifest)["files"]
    faults = [
        Fault(row["path"], problem, row.get("shard"))
        for row in rows
        if (problem := _problem(_inside(directory, row["path"]), row["sha256"], row["bytes"]))
    ]
    return Verification(directory, "data set", len(rows) + 1, tuple(faults))


def _problem(path: Path, digest: str, size: int | None) -> str:
    """What is wrong with a file, or nothing."""
    if not path.is_file():
        return "missing"
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} of {size:,} bytes"
    return "" if sha256_of(path) == digest else "changed"


def _inside(directory: Path, name: str) -> Path:
    """A path of the manifest, which may come from a stranger."""
    try:
        return safe_join(directory, name)
    except DataError as error:
        raise DatasetError(f"the manifest of {directory} names {name}, which lies outside: {error.message}") from error


def _repair(
    directory: Path,
    found: Verification,
    run: Run | Path | str | None,
    progress: Callable[[Mapping[str, Any]], None] | None,
) -> Verification:
    lost = {fault.path for fault in found.faults}
    if basis := sorted(lost & set(_BASIS)):
        raise DatasetError(
            f"{directory} cannot be repaired: {basis[0]} is damaged, and the repair goes by it",
            hint="Restore that file from a copy, or generate the data set again.",
        )
    provenance = _document(directory / "provenance.json")
    plan = Plan.read(directory)
    if provenance["kind"] != "generate" and lost - set(DESCRIPTIONS):
        raise DatasetError(
            f"{directory} holds real records too, which no model can make again", hint="Run `synthgen augment` again."
        )
    maker = _maker(provenance, run)
    rows = {row["path"]: row for row in _document(directory / "manifest.json")["files"]}
    writer: Writer = registry.create("writers", plan.format, plan.modality)
    threads = torch.get_num_threads()
    torch.set_num_threads(int(provenance.get("threads", threads)))
    try:
        _remake_shards(directory, plan, maker, writer, found.faults, rows, progress)
    finally:
        torch.set_num_threads(threads)
    if {fault.path for fault in found.faults if fault.shard is None} - set(DESCRIPTIONS):
        writer.finish(directory, maker.schema, plan.shards)
    if lost & set(DESCRIPTIONS):
        files = [
            WrittenFile(row["path"], row["sha256"], row["bytes"], row["records"])
            for row in rows.values()
            if row["path"] not in (*DESCRIPTIONS, "plan.json")
        ]
        write_descriptions(maker, plan, directory, writer, provenance, files)
    after = _verify_dataset(directory)
    left = {fault.path for fault in after.faults}
    return Verification(directory, "data set", after.files, after.faults, tuple(sorted(lost - left)))


def _maker(provenance: Mapping[str, Any], run: Run | Path | str | None) -> Run:
    chosen = run if isinstance(run, Run) else Run.open(provenance["run"] if run is None else run)
    if chosen.fingerprint != provenance["model"]:
        raise DatasetError(
            f"the run {chosen.path} has another model than the one that made this data set",
            hint="Name the run that made it with --run.",
        )
    return chosen


def _remake_shards(
    directory: Path,
    plan: Plan,
    run: Run,
    writer: Writer,
    faults: Sequence[Fault],
    rows: Mapping[str, Mapping[str, Any]],
    progress: Callable[[Mapping[str, Any]], None] | None,
) -> None:
    """Make the shards with faults again, aside, and move in the faulty files alone."""
    shards = sorted({fault.shard for fault in faults if fault.shard is not None})
    workshop = directory / _WORKSHOP
    shutil.rmtree(workshop, ignore_errors=True)
    try:
        for done, shard in enumerate(shards):
            records, columns, _ = shard_records(run, plan, directory, shard)
            writer.write(workshop, shard, plan.shards, records, columns, run.schema, file_metadata(plan))
            for fault in (fault for fault in faults if fault.shard == shard):
                remade = workshop / fault.path
                if _problem(remade, rows[fault.path]["sha256"], None):
                    raise DatasetError(
                        f"{fault.path} was made again, but not with the bytes on record: the data set comes from "
                        "another machine or other versions",
                        hint="provenance.json names the versions; or generate the data set again here.",
                    )
                target = directory / fault.path
                target.parent.mkdir(parents=True, exist_ok=True)
                remade.replace(target)
            if progress is not None:
                progress({"kind": "step", "records": done + 1, "samples": done + 1, "total": len(shards)})
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is unreadable: {error}") from error
    if not isinstance(document, dict):
        raise DatasetError(f"{path} is not what synthgen writes there")
    return document


def _names(faults: Sequence[Fault]) -> str:
    return ", ".join(f"{fault.path} {fault.problem}" for fault in faults[:3]) + (", ..." if len(faults) > 3 else "")
