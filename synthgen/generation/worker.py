"""Making records: noise -> sampler -> codec, and one shard of a plan written to disk."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen import registry, seeding
from synthgen.api import Codec, Records, Schema, Writer, WrittenFile
from synthgen.data.channel_groups import channel_groups
from synthgen.diffusion.samplers import Sampler
from synthgen.errors import is_out_of_memory
from synthgen.generation.cascade import LowResolution
from synthgen.generation.given import Start
from synthgen.generation.plan import Plan
from synthgen.generation.regions import kept
from synthgen.generation.requiring import Requiring, nearness_of
from synthgen.generation.sampling import noise_levels, sampling_denoiser, settings_of
from synthgen.generation.vetting import Judging, Tally, select
from synthgen.io.atomic import read_text, write_text
from synthgen.io.card import versions
from synthgen.io.run import Run
from synthgen.plugins import plugin_host
from synthgen.training.precision import autocast, choose_device

__all__ = [
    "CERTAINTY",
    "file_metadata",
    "finished_files",
    "make_records",
    "remove_markers",
    "row_columns",
    "shard_records",
    "tally_of",
    "write_shard",
]

_LOG = logging.getLogger(__name__)
_MARKERS = ".shards"
CERTAINTY = "mean_margin"
"""Column of a row: how sure the model is of its mask, in 0..1."""


def make_records(
    run: Run,
    plan: Plan,
    sample_ids: Sequence[int],
    tell: Callable[[int], None] | None = None,
    *,
    certainty: bool = False,
) -> Records:
    """The records with these ids, in that order.

    Args:
        run: the run that the plan names.
        plan: see `Plan`.
        sample_ids: positions in the data set; beyond its end, further candidates for a place.
        tell: called with the number of records of each finished batch.
        certainty: add `CERTAINTY` to the columns, where the codec says how sure the model is of a record.
    """
    labels = plan.label_ids(run.schema.labels, plan.places(sample_ids))
    return _made(run, plan, sample_ids, labels, tell=tell, certainty=certainty)


def _made(
    run: Run,
    plan: Plan,
    sample_ids: Sequence[int],
    every_label: NDArray[np.int64] | None,
    told: Mapping[str, torch.Tensor] | None = None,
    tell: Callable[[int], None] | None = None,
    certainty: bool = False,
) -> Records:
    """The records with these ids, labels (index into the run's) and conditions (None: as the plan has them)."""
    device = choose_device()
    denoiser = sampling_denoiser(run, plan.sampling, device)
    sampler: Sampler = registry.load("samplers", plan.sampling.sampler)
    sigmas = noise_levels(run.config.noise, plan.sampling, sampler, run.facts.get("noise_profile"))
    codec = run.codec()
    small = LowResolution(run, plan, _made) if LowResolution.needed(run, plan) else None

    def made(rows: slice) -> Records:
        ids = sample_ids[rows]
        places = plan.places(ids)
        labels = None if every_label is None else every_label[rows]
        noise = _noise(plan.seed, "noise", ids, run.schema, device)
        given, anew = None, None
        if plan.given is None:
            if told is None:
                near = nearness_of(run, plan.require)  # a further candidate then takes another training record's
                drawn_by = places if near is None else ids
                conditions = run.conditions(
                    labels, seed=plan.seed, sample_ids=drawn_by, asked=plan.conditions, nearness=near
                )
            else:
                conditions = {name: values[rows] for name, values in told.items()}
            conditions |= {} if small is None else small(ids, labels, conditions)
            start = Start(noise * float(sigmas[0]), sigmas, conditions)
        else:
            given = plan.given.recast(run, places, labels)
            batch = codec.encode(given)
            batch.conditions.update(run.told(plan.conditions, seed=plan.seed, sample_ids=places))
            anew = plan.given.anew(run.schema.shape[1:], plan.seed, places)
            start = plan.given.start(batch, sigmas, noise, anew, groups=channel_groups(run.config, run.schema))
        with torch.inference_mode(), autocast(device, plan.precision):
            x = sampler.solve(
                start.informed(denoiser),
                start.x,
                start.sigmas,
                conditions={name: values.to(device) for name, values in start.conditions.items()},
                noise=partial(_noise, plan.seed, "sde", ids, run.schema, device),
                settings=settings_of(plan.sampling),
            )
        records = codec.decode(x.float().cpu(), start.conditions)
        if given is not None and anew is not None:
            records = kept(records, given, anew)
        if given is not None and plan.given is not None and plan.given.part:
            records = plan.given.restored(records, given)
        records = _marked(records, x, plan, codec, certainty)
        if tell is not None:
            tell(len(ids))
        return dataclasses.replace(records, label=labels)

    return Records.concatenate(list(_in_batches(len(sample_ids), plan.sampling.batch_size, made)))


def _marked(records: Records, x: torch.Tensor, plan: Plan, codec: Codec, certainty: bool) -> Records:
    """The records, with what the model is unsure of as ignored where that is asked for, and with `CERTAINTY`."""
    part = "" if plan.given is None else plan.given.part
    if part not in ("", "image"):  # what may be unsure is given
        return records
    labelling = plan.given is not None and part == "image"
    if hasattr(codec, "doubtful") and (labelling or plan.ignore_below):
        below = plan.given.ignore_below if plan.given is not None and labelling else plan.ignore_below
        records = codec.doubtful(records, x, below=below)
    if certainty and hasattr(codec, "certainty"):
        records = dataclasses.replace(records, columns={**records.columns, CERTAINTY: codec.certainty(x)})
    return records


def row_columns(plan: Plan, sample_ids: Sequence[int]) -> dict[str, NDArray[Any]]:
    """The columns that say where each record comes from."""
    size = len(sample_ids)
    given: dict[str, NDArray[Any]] = {}
    if plan.given is not None:
        given["source_id"] = plan.given.positions(plan.places(sample_ids))
        names = plan.given.names(plan.modality, plan.places(sample_ids))
        given |= {} if names is None else {"source_file": names}
    return {
        "sample_id": np.asarray(sample_ids, dtype=np.int64),
        "seed": np.full(size, plan.seed, dtype=np.int64),
        "guidance": np.full(size, plan.sampling.guidance, dtype=np.float32),
        **given,
    }


def shard_records(
    run: Run, plan: Plan, directory: Path, shard: int, tell: Callable[[int], None] | None = None
) -> tuple[Records, dict[str, NDArray[Any]], Tally | None]:
    """The records of one shard with their further columns, and how many candidates were dropped where any may be."""
    ids = plan.ids(shard)
    judging: Judging | None = None
    if plan.vetting is not None:
        from synthgen.generation.vetter import vetter_in

        judging = vetter_in(run, plan.vetting, directory)
    if plan.require:
        judging = Requiring(run, plan.require, judging)
    if judging is None:
        records, sure = _parted(make_records(run, plan, ids, tell, certainty=True))
        return records, {**row_columns(plan, ids), **sure}, None
    chosen = select(partial(make_records, run, plan, certainty=True), ids, plan.n, judging, tell)
    records, sure = _parted(chosen.records)
    return records, {**row_columns(plan, chosen.ids.tolist()), **sure, **chosen.columns}, chosen.tally


def _parted(records: Records) -> tuple[Records, dict[str, NDArray[Any]]]:
    """The records, and beside them how sure the model is of each."""
    columns = dict(records.columns)
    sure = {CERTAINTY: columns.pop(CERTAINTY)} if CERTAINTY in columns else {}
    return dataclasses.replace(records, columns=columns), sure


def tally_of(plan: Plan, directory: Path) -> Tally:
    """What was dropped in all shards of a data set that is being made."""
    tallies = [_tally_path(directory, shard).read_text(encoding="utf-8") for shard in range(plan.shards)]
    return sum(map(Tally.from_json, tallies), Tally())


def _tally_path(directory: Path, shard: int) -> Path:
    return directory / _MARKERS / f"{shard:05d}.tally.json"


def file_metadata(plan: Plan) -> dict[str, str]:
    """Strings for the metadata of each file."""
    return {"synthgen": versions().get("synthgen", ""), "model_sha256": plan.model, "plan": plan.to_json()}


def write_shard(
    run: Run, plan: Plan, directory: Path, shard: int, tell: Callable[[int], None] | None = None
) -> list[WrittenFile]:
    """Make and write one shard, and record that it is complete."""
    ids = plan.ids(shard)
    writer: Writer = registry.create("writers", plan.format, plan.modality)
    records, columns, tally = shard_records(run, plan, directory, shard, tell)
    files = writer.write(directory, shard, plan.shards, records, columns, run.schema, file_metadata(plan))
    if tally is not None:
        write_text(_tally_path(directory, shard), tally.to_json())
    mark(directory, shard, files)
    event = {
        "directory": str(directory),
        "shard": shard,
        "shards": plan.shards,
        "records": len(ids),
        "files": [file.path for file in files],
    }
    plugin_host().notify("synthgen_shard_written", shard=event)
    return files


def mark(directory: Path, shard: int, files: Sequence[WrittenFile]) -> None:
    """Record that a shard is complete on disk."""
    rows = [dataclasses.asdict(file) for file in files]
    write_text(directory / _MARKERS / f"{shard:05d}.json", json.dumps(rows))


def remove_markers(directory: Path) -> None:
    """Delete what nobody needs once the data set has its manifest."""
    shutil.rmtree(directory / _MARKERS, ignore_errors=True)


def finished_files(directory: Path, shard: int) -> list[WrittenFile] | None:
    """The files of a shard that is complete on disk, or None."""
    try:
        rows: list[Mapping[str, Any]] = json.loads(read_text(directory / _MARKERS / f"{shard:05d}.json"))
        files = [WrittenFile(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return None
    whole = all((directory / f.path).is_file() and (directory / f.path).stat().st_size == f.bytes for f in files)
    return files if whole else None


def _in_batches(count: int, size: int, make: Callable[[slice], Records]) -> Iterator[Records]:
    """Batch after batch; half as large from where memory does not suffice on."""
    start = 0
    while start < count:
        try:
            records = make(slice(start, min(count, start + size)))
        except (MemoryError, RuntimeError) as error:
            size = min(size, count) // 2
            if not is_out_of_memory(error) or size < 1:
                raise
            _LOG.warning("out of memory: batches of %s records from here on; last bits may differ", f"{size:,}")
            torch.cuda.empty_cache()
            continue
        yield records
        start += size


def _noise(
    seed: int, purpose: str, ids: Sequence[int], schema: Schema, device: torch.device, step: int = 0
) -> torch.Tensor:
    return torch.from_numpy(seeding.standard_normal(seed, purpose, ids, schema.shape, step=step)).to(device)
