"""The files beside a data set's records: card, provenance, Croissant, manifest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthgen.api import Writer, WrittenFile
from synthgen.generation.asking import words
from synthgen.generation.plan import Plan
from synthgen.generation.requiring import reach_sentence
from synthgen.generation.vetting import PERCENTILE, Tally
from synthgen.generation.worker import remove_markers
from synthgen.io.atomic import sha256_of, write_text, written
from synthgen.io.card import versions
from synthgen.io.run import Run

__all__ = ["DESCRIPTIONS", "describe", "write_descriptions"]

DESCRIPTIONS = ("README.md", "croissant.json")

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_KINDS = {"generate": "synthetic", "augment": "real and synthetic"}
_CONTEXT = {
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "prov": "http://www.w3.org/ns/prov#",
}


def describe(
    run: Run,
    plan: Plan,
    directory: Path,
    writer: Writer,
    shards: Sequence[Sequence[WrittenFile]],
    *,
    kind: str,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write everything beside the records, the provenance last, so that its presence means complete.

    Args:
        run, plan: where the records come from.
        directory: the data set.
        writer: of the records.
        shards: the files of each shard.
        kind: `generate` or `augment`.
        more: further provenance (records by origin, notes).
    """
    whole = writer.finish(directory, run.schema, len(shards))
    shard_of = {file.path: number for number, files in enumerate(shards) for file in files}
    n = int(more["n"])
    provenance = {
        "kind": kind,
        "n": n,
        "format": plan.format,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "run": str(run.path),
        "model": plan.model,
        "config": sha256_of(run.path / "config.toml"),
        "trained_on": run.config.data.path,
        "seed": plan.seed,
        "guidance": plan.sampling.guidance,
        "sampler": plan.sampling.sampler,
        "steps": plan.sampling.steps,
        "versions": versions(),
        **({"upsample_from": run.facts["upsample_from"]} if "upsample_from" in run.facts else {}),
        **more,
    }
    records = [*(file for files in shards for file in files), *whole]
    write_descriptions(run, plan, directory, writer, provenance, records)
    beside = [written(directory, directory / name, 0) for name in (*DESCRIPTIONS, "plan.json")]
    rows = [
        {**dataclasses.asdict(file), "shard": shard_of.get(file.path)}
        for file in sorted([*records, *beside], key=lambda file: file.path)
    ]
    write_text(directory / "manifest.json", json.dumps({"algorithm": "sha256", "files": rows}, indent=1))
    provenance["manifest"] = sha256_of(directory / "manifest.json")
    write_text(directory / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False))
    remove_markers(directory)
    return provenance


def write_descriptions(
    run: Run,
    plan: Plan,
    directory: Path,
    writer: Writer,
    provenance: Mapping[str, Any],
    files: Sequence[WrittenFile],
) -> None:
    """Write the card and the Croissant file, which follow from the provenance and the records' files alone."""
    write_text(directory / "README.md", _card(run, plan, writer, provenance))
    ordered = sorted(files, key=lambda file: file.path)
    write_text(directory / "croissant.json", json.dumps(_croissant(run, provenance, ordered), indent=2))


def _card(run: Run, plan: Plan, writer: Writer, provenance: Mapping[str, Any]) -> str:
    n, counts = provenance["n"], provenance.get("labels", {})
    size = next((name for limit, name in _SIZES if n < limit), "n>1M")
    front = {"tags": ["synthetic", "synthgen"], "size_categories": [size], **writer.card(run.schema)}
    lines = [
        "---",
        *[f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()],  # JSON is YAML
        "---",
        "",
        f"# {n:,} {_KINDS[provenance['kind']]} {run.schema.modality} records",
        "",
        f"Made by synthgen {provenance['versions'].get('synthgen', '')} with a diffusion model trained on "
        f"`{Path(run.config.data.path).name}` (model {plan.model[:12]}, seed {plan.seed}, "
        f"guidance {plan.sampling.guidance:g}, {plan.sampling.steps} network evaluations a record).",
        "",
        *([] if plan.given is None else [plan.given.sentence()]),
        *_vetting(provenance.get("vetting")),
        *_required(provenance),
        "Synthetic records are not measurements. They repeat the biases of the data that the model learnt from.",
        _privacy(run, plan, provenance["kind"]),
        "`synthgen evaluate` measures fidelity, usefulness and leakage.",
    ]
    if plan.conditions:
        lines += ["", f"Asked for: {', '.join(words(plan.conditions, run.schema))}."]
    if counts:
        lines += [
            "",
            "| label | records |",
            "|---|---|",
            *[f"| {name} | {count:,} |" for name, count in counts.items()],
        ]
    return "\n".join(lines) + "\n"


def _vetting(vetted: Mapping[str, Any] | None) -> list[str]:
    """What the judge was asked, and what it did."""
    if vetted is None:
        return []
    tally = Tally(vetted["judged"], vetted["inconsistent"], vetted["not_best"])
    standard = vetted["standard"]
    rules = [
        f"Each record was judged by a {standard['judge']} trained on real training records; the column `consistency` "
        "says how well its label fits it, `nearest_id` and `nearest_distance` which training record is nearest "
        "(its position in the training data)."
    ]
    if vetted["drop_inconsistent"]:
        rules.append(
            f"Candidates whose label fits worse than that of {100 - PERCENTILE} % of {standard['real']:,} other real "
            "records of the class were dropped and made anew."
        )
    if vetted["keep_best"] is not None:
        rules.append(f"Of the candidates of each class, about the best {vetted['keep_best']:.0%} were kept.")
    if tally.dropped:
        rules.append(f"In all, {tally.sentence()}.")
    return [" ".join(rules), ""]


def _required(provenance: Mapping[str, Any]) -> list[str]:
    """What share was asked of what, and how many records have it."""
    found = provenance.get("require")
    if found is None:
        return []
    sentence = reach_sentence(found, provenance["n"])
    return [f"{sentence[0].upper()}{sentence[1:]}; each row says `requested_shares` and `achieved_shares`.", ""]


def _privacy(run: Run, plan: Plan, kind: str) -> str:
    guarantee = run.facts.get("privacy")
    if kind == "generate" and guarantee and plan.given is None:
        return str(guarantee["statement"])
    return "They carry no formal guarantee of privacy."


def _croissant(run: Run, provenance: Mapping[str, Any], files: Sequence[WrittenFile]) -> dict[str, Any]:
    return {
        "@context": _CONTEXT,
        "@type": "Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"synthgen-{run.schema.modality}-{provenance['model'][:12]}",
        "description": f"{provenance['n']} records, synthetic, made by synthgen.",
        "version": "1.0.0",
        "datePublished": str(provenance["created"])[:10],
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "synthgen generate",
            "prov:used": {"model": provenance["model"], "seed": provenance["seed"], "versions": provenance["versions"]},
        },
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": file.path,
                "contentUrl": file.path,
                "sha256": file.sha256,
                "contentSize": f"{file.bytes} B",
            }
            for file in files
            if file.path.endswith((".parquet", ".csv", ".json", ".jsonl"))
        ],
    }
