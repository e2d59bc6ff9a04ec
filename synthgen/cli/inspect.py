"""`synthgen inspect FILE`: what was understood of a file or folder, before anything is trained on it.

`--json`: `{"path", "readings": [...], "refused": [{"modality", "reason"}]}`, a reading for each modality that can
make something of it: `{"modality", "reader", "records", "shape", "channels": [{"name", "kind", "unit", "low", "high"}],
"label_column", "labels": {name: count}, "conditions", "attributes": [{"name", "kind", "values", "low", "high", ...}],
"groups", "official_split", "notes", "megabytes", "quality"}`.
`quality` is what `quality.json` of a run holds: see `synthgen.data.quality`.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    GroupColumnOption,
    IdColumnOption,
    ImageSizeOption,
    LabelColumnOption,
    ModalityOption,
    SetOption,
    StrideOption,
    TimeColumnOption,
    ValueColumnOption,
    WindowOption,
)
from synthgen.errors import DataError, SynthgenError

if TYPE_CHECKING:
    from synthgen.api import Records, Source
    from synthgen.config import DataConfig

__all__ = ["inspect"]

_SAMPLE = 256
_NOTHING_FOUND = "no duplicates, constant channels, rare classes, outliers or leakage between splits found"


@reporting
def inspect(
    console: Console,
    *,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File, folder or name of a demo set.", show_default=False)
    ],
    modality: ModalityOption = None,
    label_column: LabelColumnOption = None,
    assignments: SetOption = None,
    group_column: GroupColumnOption = None,
    id_column: IdColumnOption = None,
    time_column: TimeColumnOption = None,
    value_column: ValueColumnOption = None,
    window: WindowOption = None,
    stride: StrideOption = None,
    image_size: ImageSizeOption = None,
) -> None:
    """Show what synthgen understands of your data: records, shape, channels, labels, what it converts or leaves out."""
    from synthgen.cli.user_layers import user_layers

    asked = {
        "data.label_column": label_column,
        "data.group_column": group_column,
        "data.id_column": id_column,
        "data.time_column": time_column,
        "data.value_columns": value_column or None,
        "data.window": window,
        "data.stride": stride,
        "data.image_size": image_size,
    }
    layers = user_layers(None, assignments, {"data.path": file, **asked})
    from synthgen.config import resolve

    options = resolve([{"modality": modality or "unknown"}, layers]).data
    readings: list[dict[str, Any]] = []
    refusals: dict[str, SynthgenError] = {}
    for name, reader in _candidates(file, modality, refusals):
        try:
            readings.append({"modality": name, "reader": reader, **_describe(_open(name, options), name, options)})
        except SynthgenError as error:
            refusals[name] = error
    if not readings:
        raise _refused(file, refusals)
    refused = [{"modality": name, "reason": refusal.message} for name, refusal in refusals.items()]
    document = {"path": file, "readings": readings, "refused": refused}
    console.result("\n\n".join(_text(file, reading) for reading in readings), document)
    for each in refused:
        console.detail(f"not as {each['modality']}: {each['reason']}")
    given = shlex.join(_flags(asked, assignments))
    for reading in readings:
        console.note(
            f"Next: synthgen train --modality {reading['modality']} --data {shlex.quote(file)} {given}".rstrip()
        )


def _flags(asked: Mapping[str, Any], assignments: Sequence[str] | None) -> list[str]:
    """How the same reading is asked for again."""
    flags = []
    for key, value in asked.items():
        name = "--" + key.removeprefix("data.").replace("value_columns", "value_column").replace("_", "-")
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            flags += [name, str(each)]
    for assignment in assignments or ():
        flags += ["--set", assignment]
    return flags


def _candidates(file: str, modality: str | None, refusals: dict[str, SynthgenError]) -> list[tuple[str, str]]:
    """Each modality that may read it, with the first reader that accepts it; readers that fail go to `refusals`."""
    from synthgen import registry

    demo_sets = [each.spec for each in registry.specs("datasets", modality or "") if each.spec.name == file]
    path = Path(file).expanduser()
    if demo_sets and not path.exists():
        return [(spec.modality, "demo set") for spec in demo_sets]
    if modality is not None:
        registry.find("modalities", modality)
    found: dict[str, str] = {}
    for each in registry.specs("readers", modality or "") if path.exists() else ():
        owner = each.spec.modality
        try:
            if owner not in found and registry.create("readers", each.spec.name, owner).accepts(path):
                found[owner] = each.spec.name
        except (SynthgenError, OSError) as error:
            refusals[owner] = error if isinstance(error, SynthgenError) else DataError(str(error))
    if modality is not None:
        return [(modality, found.get(modality, ""))]
    return list(found.items())


def _refused(file: str, refusals: dict[str, SynthgenError]) -> SynthgenError:
    """Why nothing could be made of it: the one reason, or all of them in one sentence."""
    from synthgen import registry

    if not Path(file).expanduser().exists() and not refusals:
        known = sorted({each.spec.name for each in registry.specs("datasets")})
        return DataError(f"{file} is no file, no folder and no demo set", hint=f"Demo sets: {', '.join(known)}.")
    if len(refusals) == 1:
        return next(iter(refusals.values()))
    if refusals:
        by_reason: dict[str, list[str]] = {}
        for name, error in refusals.items():
            by_reason.setdefault(error.message, []).append(name)
        reasons = "; ".join(f"as {' or '.join(names)}: {reason}" for reason, names in by_reason.items())
        return DataError(f"{file} cannot be read: {reasons}")
    return DataError(f"no reader recognises {file}", hint="`synthgen list readers` says what can be read.")


def _open(modality: str, options: DataConfig) -> Source:
    from synthgen.data.opening import open_source

    return open_source(modality, options)


def _describe(source: Source, modality: str, options: DataConfig) -> dict[str, Any]:
    import numpy as np

    from synthgen.io.card import attribute_line

    schema = source.schema
    count = len(source)
    chosen = np.unique(np.linspace(0, max(count - 1, 0), min(count, _SAMPLE)).astype(np.int64))
    sample = source.read(chosen)
    labels: dict[str, int] = {}
    if source.labels is not None:
        tally = np.bincount(source.labels[source.labels >= 0], minlength=len(schema.labels))
        labels = {name: int(number) for name, number in zip(schema.labels, tally, strict=False)}
    return {
        "records": count,
        "shape": list(schema.shape),
        "channels": _channels(source, sample),
        "label_column": schema.label_column if labels else None,
        "labels": labels,
        "conditions": [condition.name for condition in schema.conditions],
        "attributes": [{**asdict(attribute), "shown": attribute_line(attribute)} for attribute in schema.attributes],
        "groups": None if source.groups is None else len(np.unique(source.groups)),
        "official_split": None if source.official_split is None else _tally(source.official_split),
        "notes": list(source.notes),
        "megabytes": round(count * math.prod(schema.shape) * 4 / 1e6, 1),
        "quality": _quality(source, modality, options),
    }


def _quality(source: Source, modality: str, options: DataConfig) -> dict[str, Any]:
    """What deserves attention, with the split that training would make where one can be made."""
    from synthgen import registry
    from synthgen.data.quality import check_quality
    from synthgen.data.split import make_split

    try:
        split = make_split(source, options, 0)
    except DataError:
        split = None
    return check_quality(source, registry.modality(modality), split).document()


def _channels(source: Source, sample: Records) -> list[dict[str, Any]]:
    """Name, kind and range; where the schema knows no range, the range of the sample."""
    channels = []
    for position, channel in enumerate(source.schema.channels):
        low, high = channel.low, channel.high
        if low is None or high is None:
            low, high = _range(sample, position)
        names = {"values": list(channel.values)} if channel.values else {}
        range_ = {"low": low, "high": high}
        channels.append({"name": channel.name, "kind": channel.kind, "unit": channel.unit, **range_, **names})
    return channels


def _range(sample: Records, position: int) -> tuple[float | None, float | None]:
    import numpy as np

    if "values" in sample.columns:
        values = np.asarray(sample["values"][:, position], dtype=np.float64)
        values = values[np.isfinite(values)]
    elif "image" in sample.columns and sample["image"].ndim == 4 and position < sample["image"].shape[-1]:
        values = np.asarray(sample["image"][..., position], dtype=np.float64)
    else:
        return None, None
    return (float(values.min()), float(values.max())) if values.size else (None, None)


def _tally(values: Any) -> dict[str, int]:
    import numpy as np

    names, counts = np.unique(values, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _text(path: str, document: dict[str, Any]) -> str:
    shape = " x ".join(str(size) for size in document["shape"])
    lines = [
        f"{path}: {document['modality']}" + (f", read as {document['reader']}" if document["reader"] else ""),
        f"  records   {document['records']:,}, each {shape} (channels first), {document['megabytes']:g} MB in memory",
    ]
    for channel in document["channels"]:
        known = channel["low"] is not None and channel["high"] is not None
        digits = ".0f" if channel["kind"] == "integer" else ".4g"
        span = f"{channel['low']:{digits}} to {channel['high']:{digits}}" if known else "unknown range"
        names = channel.get("values", ())
        if names:
            span = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        unit = f" {channel['unit']}" if channel["unit"] else ""
        lines.append(f"  channel   {channel['name']}: {channel['kind']}, {span}{unit}")
    if document["labels"]:
        counts = ", ".join(f"{name} {count:,}" for name, count in list(document["labels"].items())[:20])
        more = "" if len(document["labels"]) <= 20 else f", and {len(document['labels']) - 20} more"
        lines.append(f"  labels    {len(document['labels'])} in {document['label_column']!r}: {counts}{more}")
    else:
        lines.append("  labels    none")
    lines.extend(f"  attribute {attribute['shown']}" for attribute in document["attributes"])
    if document["groups"] is not None:
        lines.append(f"  groups    {document['groups']:,}, kept together at splitting")
    if document["official_split"]:
        lines.append(
            "  split     " + ", ".join(f"{name} {count:,}" for name, count in document["official_split"].items())
        )
    lines.extend(f"  note      {note}" for note in document["notes"])
    lines.extend(f"  quality   {finding}" for finding in document["quality"]["findings"] or [_NOTHING_FOUND])
    return "\n".join(lines)
