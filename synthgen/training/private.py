"""Training with differential privacy: what a run reveals hardly depends on any one training record.

DP-SGD (`synthgen.training.clipping`) with so much noise that all steps together spend (epsilon, delta)
(`synthgen.training.guarantee`). Neighbouring data sets differ by one training record. The guarantee covers the whole
run directory but for `split.safetensors`, which only the owner needs, because nothing else in it follows from the
records:

- scaling, class frequencies, other conditions, the largest noise level and the schema come from what is public
  (`synthgen.training.public`);
- no held-out loss is measured, nothing stops early, one averaging width is chosen beforehand; averages are computed
  from weights that are private already (post-processing);
- losses, gradient norms, data quality and exact class counts are neither logged nor written;
- noise and sampling come from the operating system's entropy: noise that follows from a published seed could be taken
  off again. So a private training is not repeatable, and an interrupted one starts over.

Taken as public: the number of records, the class names, and what `config.toml` says. `docs/privacy.md` says what is
refused, and why gradients come from `torch.func` and not from Opacus' hooks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthgen import registry
from synthgen.api import API_VERSION, Codec, Modality, Schema, Source
from synthgen.config import RunConfig, dump_toml, merge, resolve
from synthgen.data.opening import open_source, relabel
from synthgen.data.split import Split, make_split
from synthgen.errors import TrainingError
from synthgen.io.atomic import make_directory, remove_leftovers, sha256_of, write_text
from synthgen.io.card import run_card, versions
from synthgen.io.condition_texts import with_texts
from synthgen.io.run import Run, build_denoiser, save_tensors
from synthgen.nn.ema import PowerEma
from synthgen.training.clipping import private_steps
from synthgen.training.encoded import EncodedData
from synthgen.training.guarantee import (
    Guarantee,
    plan_guarantee,
    refuse_batch_statistics,
    refuse_what_breaks_privacy,
)
from synthgen.training.optim import usual_optimizer
from synthgen.training.precision import choose_device
from synthgen.training.prepare import lasting_path, preset_of
from synthgen.training.public import public_schema, public_source, without_private_data
from synthgen.training.state import remove_state

__all__ = ["train_privately"]

Progress = Callable[[Mapping[str, Any]], None]

_FEWEST_SAMPLES, _MOST_SAMPLES, _PASSES = 30_000, 1_000_000, 60
_TOLD = 400


@dataclass(frozen=True)
class _Prepared:
    """What a private training starts from."""

    config: RunConfig
    modality: Modality
    schema: Schema
    source: Source
    split: Split
    codec: Codec
    data: EncodedData
    bank: dict[str, Tensor]
    label_counts: list[int]


def _prepare(overrides: Mapping[str, Any]) -> _Prepared:
    first = resolve([overrides])
    refuse_what_breaks_privacy(first)
    modality = registry.modality(first.modality)
    preset = preset_of(modality, first)
    source = open_source(first.modality, first.data)
    split = make_split(source, first.data, first.train.seed)
    public = public_source(modality, source.schema, first)
    schema = public_schema(source.schema, None if public is None else public.schema)
    source = relabel(source, schema)
    chosen = usual_optimizer(modality.configure(schema, len(split.train)), preset, overrides)
    settled = {
        "train": {"precision": "fp32", "early_stop": False, "sample_checks": 0, "context": 0.0},
        "loss": {"uncertainty": False},
    }
    plain = {"noise": {"independent": 0.0, "clean": 0.0, "covariance": False}}
    config = resolve([chosen, preset, plain, overrides, {"data": {"path": lasting_path(modality, first)}}, settled])
    refuse_what_breaks_privacy(config)
    known = without_private_data(modality, schema, config, public)
    config = known.config
    if config.train.samples is None:
        samples = int(np.clip(_PASSES * len(split.train), _FEWEST_SAMPLES, _MOST_SAMPLES))
        config = resolve([merge(config.model_dump(), {"train": {"samples": samples}})])
    data = EncodedData(source, split.train, known.codec, seed=config.train.seed)
    return _Prepared(config, modality, schema, source, split, known.codec, data, known.bank, known.label_counts)


def train_privately(
    path: Path, request: Mapping[str, Any], overrides: Mapping[str, Any], progress: Progress | None
) -> Run:
    """Train and write a run whose every file is covered by the guarantee.

    Raises:
        ConfigError: something in the configuration would break the guarantee.
        TrainingError: the weights are not finite.
    """
    prepared = _prepare(overrides)
    config, device = prepared.config, choose_device()
    assert config.train.dp_epsilon is not None
    assert config.train.dp_delta is not None
    assert config.train.samples is not None
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    torch.manual_seed(config.train.seed)
    denoiser = build_denoiser(config, prepared.schema).to(device)
    refuse_batch_statistics(denoiser.network)
    guarantee = plan_guarantee(
        epsilon=config.train.dp_epsilon,
        delta=config.train.dp_delta,
        records=len(prepared.data),
        batch_size=min(config.optim.batch_size, len(prepared.data)),
        samples=config.train.samples,
        clip=config.optim.clip,
    )
    make_directory(path)
    remove_leftovers(path)
    started = time.perf_counter()
    log: list[dict[str, Any]] = []
    facts = _facts(prepared, guarantee, request)
    _write_description(path, prepared, facts)
    tell = progress or (lambda event: None)
    event = {"total": config.train.samples, "run": str(path)}
    tell({**event, "kind": "start", "samples": 0, "progress": 0.0, "message": guarantee.statement})
    width = config.ema.widths[len(config.ema.widths) // 2]
    average = PowerEma(denoiser.network, (width,))
    batch_size = round(guarantee.sample_rate * guarantee.records)
    for step, rate in private_steps(
        config, denoiser, prepared.data, prepared.schema.conditions, guarantee, device=device
    ):
        samples = step * batch_size
        average.update(samples, batch_size)
        share = step / guarantee.steps
        if not log or share - log[-1]["progress"] >= 1 / _TOLD:
            seconds = round(time.perf_counter() - started, 2)
            log.append({"kind": "step", "samples": samples, "progress": share, "lr": rate, "seconds": seconds})
            tell({**event, "kind": "step", "samples": samples, "progress": share, "seconds": seconds})
    weights = average.state(width)
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise TrainingError("the private weights are not finite", hint="Lower optim.lr.")
    buffers = {name: b for name, b in denoiser.network.state_dict().items() if name not in weights}
    save_tensors(path / "model.safetensors", {**weights, **buffers})
    write_text(path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in log))
    facts |= {
        "status": "finished",
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
        "samples": guarantee.steps * batch_size,
        "seconds": round(time.perf_counter() - started, 2),
        "parameters": sum(p.numel() for p in denoiser.network.parameters()),
        "ema_width": width,
    }
    return _finish(path, prepared, facts, tell, event)


def _facts(prepared: _Prepared, guarantee: Guarantee, request: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json`, without anything that follows from the records."""
    return {
        "format": 1,
        "status": "training",
        "modality": prepared.config.modality,
        "records": len(prepared.source),
        "split": prepared.split.sizes(),
        "label_counts": prepared.label_counts,
        "notes": [],
        "quality": [],
        "remarks": [],
        "request": dict(request),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {},
        "precision": "fp32",
        "ended": "the budget was used",
        "held_out": {},
        "held_out_on": "nothing",
        "skipped_steps": 0,
        "privacy": {**asdict(guarantee), "statement": guarantee.statement},
        "plugin": registry.find("modalities", prepared.config.modality).plugin,
        "api": API_VERSION,
        "versions": versions(),
    }


def _write_description(path: Path, prepared: _Prepared, facts: Mapping[str, Any]) -> None:
    write_text(path / "run.json", json.dumps(facts, indent=2, ensure_ascii=False))
    write_text(path / "config.toml", dump_toml(prepared.config))
    write_text(path / "schema.json", prepared.schema.to_json())
    save_tensors(
        path / "split.safetensors",
        {name: torch.from_numpy(getattr(prepared.split, name)) for name in prepared.split.sizes()},
    )
    codec_facts, tensors = prepared.codec.state()
    write_text(path / "codec.json", json.dumps(codec_facts, indent=2))
    save_tensors(path / "codec.safetensors", tensors)
    save_tensors(path / "conditions.safetensors", with_texts(prepared.bank, prepared.schema))


def _finish(path: Path, prepared: _Prepared, facts: dict[str, Any], tell: Progress, event: Mapping[str, Any]) -> Run:
    write_text(path / "card.md", run_card(facts, prepared.config, prepared.schema))
    names = ["config.toml", "schema.json", "split.safetensors", "codec.json", "codec.safetensors",
             "conditions.safetensors", "model.safetensors", "metrics.jsonl"]  # fmt: skip
    facts["files"] = {name: sha256_of(path / name) for name in names}
    write_text(path / "run.json", json.dumps(facts, indent=2, ensure_ascii=False))
    remove_state(path)
    tell({**event, "kind": "finish", "samples": facts["samples"], "progress": 1.0})
    return Run.open(path)
